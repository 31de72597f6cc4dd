use std::{path::PathBuf, time::Duration};

use clap::Args;
use secrecy::SecretString;

use super::{context_file::ContextFile, duration, failure::Failure, output::Format};
use crate::telemetry::LogFormat;

/// Where a replica listens when nobody says otherwise.
const DEFAULT_SERVER: &str = "localhost:50051";

/// How long a call may take when nobody says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// The environment variable that holds the token.
const TOKEN_VARIABLE: &str = "NAVARCH_AUTH_TOKEN";

/// Flags that every command takes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArguments {
    /// Replicas to call, comma-separated [default: localhost:50051]
    #[arg(short, long, global = true, env = "NAVARCH_SERVER", value_name = "HOST:PORT,...")]
    pub(crate) server: Option<String>,
    /// How data is written [default: table]
    #[arg(short, long, global = true, value_enum)]
    pub(crate) output: Option<Format>,
    /// Limit of a call, like 30s or 1m30s [default: 30s]
    #[arg(long, global = true, value_parser = duration::parse_positive, value_name = "DURATION")]
    pub(crate) timeout: Option<Duration>,
    /// Accept any certificate of a replica
    #[arg(long, global = true)]
    pub(crate) insecure: bool,
    /// PEM file of the authorities that sign the replicas' certificates
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// What is logged on stderr: error, warn, info, debug, trace, or a filter as RUST_LOG takes it
    #[arg(long, global = true, env = "RUST_LOG", value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// How logs are written
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
}

/// What flags, environment and context file say together.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Replicas, `host:port` or URLs.
    pub(crate) endpoints: Vec<String>,
    /// Whether the person named them for this command, by flag or environment.
    pub(crate) server_given: bool,
    /// The bearer token.
    pub(crate) token: Option<SecretString>,
    /// How data is written.
    pub(crate) output: Format,
    /// Limit of a call.
    pub(crate) timeout: Duration,
    /// Whether the person chose the limit.
    pub(crate) timeout_given: bool,
    /// Accept any certificate.
    pub(crate) insecure: bool,
    /// PEM file of authorities.
    pub(crate) ca_file: Option<PathBuf>,
}

impl Settings {
    /// Flags win over the environment, which wins over the context file. `variable` reads the environment.
    pub(crate) fn resolve(
        arguments: &GlobalArguments,
        file: ContextFile,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Failure> {
        let server = arguments.server.clone().or(file.server);
        let server = server.unwrap_or_else(|| DEFAULT_SERVER.to_owned());
        let token = variable(TOKEN_VARIABLE).filter(|token| !token.is_empty());
        let token = match (token, &file.token_env) {
            (Some(token), _) => Some(token),
            (None, Some(name)) => Some(variable(name).ok_or_else(|| {
                Failure::usage(format!(
                    "the context file takes the token from {name}, which is not set"
                ))
                .help(format!("set {name} or {TOKEN_VARIABLE}"))
            })?),
            (None, None) => None,
        };
        let from_file = file.timeout.as_deref().map(duration::parse_positive).transpose();
        let from_file = from_file.map_err(|reason| {
            Failure::usage(format!("the context file's timeout is wrong: {reason}"))
        })?;
        let timeout = arguments.timeout.or(from_file);
        Ok(Self {
            endpoints: split(&server),
            server_given: arguments.server.is_some(),
            token: token.map(SecretString::from),
            output: arguments.output.or(file.output).unwrap_or_default(),
            timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
            timeout_given: timeout.is_some(),
            insecure: arguments.insecure || file.insecure,
            ca_file: arguments.ca_file.clone().or(file.ca_file),
        })
    }
}

/// Parts of a comma-separated list; blanks around them and empty ones do not count.
pub(crate) fn split(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn file() -> ContextFile {
        ContextFile {
            server: Some("file:1".to_owned()),
            token_env: Some("FILE_TOKEN".to_owned()),
            timeout: Some("7s".to_owned()),
            output: Some(Format::Yaml),
            ..ContextFile::default()
        }
    }

    /// Without it a command could go to another group than the person named.
    #[test]
    fn flags_win_over_environment_over_file_over_default() {
        let none = |_: &str| None;
        let bare =
            Settings::resolve(&GlobalArguments::default(), ContextFile::default(), none).unwrap();
        assert_eq!(bare.endpoints, ["localhost:50051"]);
        assert_eq!((bare.timeout, bare.timeout_given), (Duration::from_secs(30), false));
        assert_eq!(bare.output, Format::Table);
        assert!(bare.token.is_none());

        let variable = |name: &str| (name == "FILE_TOKEN").then(|| "from-file".to_owned());
        let filed = Settings::resolve(&GlobalArguments::default(), file(), variable).unwrap();
        assert_eq!((&*filed.endpoints, filed.server_given), (&["file:1".to_owned()][..], false));
        assert_eq!((filed.timeout, filed.timeout_given), (Duration::from_secs(7), true));
        assert_eq!(filed.output, Format::Yaml);
        assert_eq!(filed.token.unwrap().expose_secret(), "from-file");

        let arguments = GlobalArguments {
            server: Some("a:1, b:2,".to_owned()),
            output: Some(Format::Json),
            ..GlobalArguments::default()
        };
        let flagged = Settings::resolve(&arguments, file(), |name| Some(name.to_owned())).unwrap();
        assert_eq!(flagged.endpoints, ["a:1", "b:2"]);
        assert!(flagged.server_given);
        assert_eq!(flagged.output, Format::Json);
        assert_eq!(flagged.token.unwrap().expose_secret(), "NAVARCH_AUTH_TOKEN");
    }

    /// Without it calls would go out without a token and fail for a reason nobody understands.
    #[test]
    fn a_token_variable_that_is_not_set_is_named() {
        let failure = Settings::resolve(&GlobalArguments::default(), file(), |_| None).unwrap_err();
        assert!(failure.to_string().contains("FILE_TOKEN"), "{failure}");
    }
}
