use std::{
    any::Any,
    cell::Cell,
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::Once,
};

/// Shorter inputs that are tried.
const TRIES: usize = 2_000;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What `check` panics with on `input`, if it does; nothing is printed.
pub(crate) fn failure(check: &dyn Fn(&[u8]), input: &[u8]) -> Option<String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                usual(info);
            }
        }));
    });
    QUIET.set(true);
    let done = panic::catch_unwind(AssertUnwindSafe(|| check(input)));
    QUIET.set(false);
    done.err().map(|payload| words(&*payload))
}

fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

/// A shorter input that fails too, made by leaving out ever smaller parts.
pub(crate) fn shorten(check: &dyn Fn(&[u8]), mut input: Vec<u8>) -> Vec<u8> {
    let mut tries = 0;
    let mut part = input.len() / 2;
    while part > 0 {
        let mut at = 0;
        while at < input.len() && tries < TRIES {
            tries += 1;
            let end = (at + part).min(input.len());
            let shorter = [&input[..at], &input[end..]].concat();
            match failure(check, &shorter) {
                Some(_) => input = shorter,
                None => at += part,
            }
        }
        part /= 2;
    }
    input
}

/// Writes `input` where the target `name` will be given it from now on.
pub(crate) fn keep(name: &str, input: &[u8]) -> io::Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let folder = corpus(name);
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("found-{:016x}", hasher.finish()));
    fs::write(&path, input)?;
    Ok(path)
}

/// The folder with the inputs of the target `name`.
pub(crate) fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)
}
