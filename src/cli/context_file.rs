use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{failure::Failure, output::Format};

/// The file that spares a person typing flags: `$XDG_CONFIG_HOME/navarch/context.yaml`, else
/// `~/.config/navarch/context.yaml`. Flags and the environment win over it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ContextFile {
    /// Replicas as `host:port`, comma-separated.
    pub(crate) server: Option<String>,
    /// Names the environment variable that holds the token.
    pub(crate) token_env: Option<String>,
    /// PEM file of the authorities that sign the replicas' certificates.
    pub(crate) ca_file: Option<PathBuf>,
    /// Accept any certificate.
    pub(crate) insecure: bool,
    /// How data is written.
    pub(crate) output: Option<Format>,
    /// Limit of a call, Go-style.
    pub(crate) timeout: Option<String>,
}

impl ContextFile {
    /// Reads the file; a missing one is an empty one.
    pub(crate) fn load() -> Result<Self, Failure> {
        match path(env::var_os("XDG_CONFIG_HOME").map(PathBuf::from), env::home_dir()) {
            Some(path) => Self::read(&path),
            None => Ok(Self::default()),
        }
    }

    fn read(path: &Path) -> Result<Self, Failure> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                let message = format!("cannot read the context file {}: {error}", path.display());
                return Err(Failure::usage(message));
            }
        };
        Self::parse(&text).map_err(|reason| {
            Failure::usage(format!("the context file {} is wrong: {reason}", path.display()))
                .help("its keys are server, token_env, ca_file, insecure, output and timeout")
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }
}

/// An empty `XDG_CONFIG_HOME` counts as none, as its specification says.
fn path(config_home: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    config_home
        .filter(|path| path.is_absolute())
        .or_else(|| home.map(|home| home.join(".config")))
        .map(|directory| directory.join("navarch").join("context.yaml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a mistyped key would be ignored and the default server called instead.
    #[test]
    fn known_keys_are_read_and_others_refused() {
        let text = "server: a:1,b:2\ntoken_env: TOKEN\noutput: json\ntimeout: 5s\n";
        let file = ContextFile::parse(text).unwrap();
        assert_eq!(file.server.as_deref(), Some("a:1,b:2"));
        assert_eq!(file.token_env.as_deref(), Some("TOKEN"));
        assert_eq!(file.output, Some(Format::Json));
        assert_eq!(ContextFile::parse(" \n").unwrap(), ContextFile::default());
        assert!(ContextFile::parse("servers: a:1").unwrap_err().contains("servers"));
    }

    /// Without it the file would be looked for where nobody puts it.
    #[test]
    fn the_directory_follows_the_environment() {
        let home = || Some(PathBuf::from("/home/op"));
        let expected = Path::new("/home/op/.config/navarch/context.yaml");
        assert_eq!(path(None, home()).unwrap(), expected);
        assert_eq!(path(Some(PathBuf::new()), home()).unwrap(), expected);
        let xdg = path(Some(PathBuf::from("/etc/x")), home()).unwrap();
        assert_eq!(xdg, Path::new("/etc/x/navarch/context.yaml"));
        assert_eq!(path(None, None), None);
    }
}
