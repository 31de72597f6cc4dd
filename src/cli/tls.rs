use std::path::PathBuf;

use clap::{Args, Subcommand};
use navarch_cluster::{TlsInitError, init_tls};
use serde_json::json;

use super::{
    failure::Failure,
    invocation::Invocation,
    output::{Cell, Column, Format, message, render},
};

const COLUMNS: [Column; 4] = [
    Column::always("Host"),
    Column::always("Certificate"),
    Column::always("Key"),
    Column::always("Authority"),
];

/// `navarch tls ...`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TlsCommand {
    /// Make a certificate authority and one certificate a replica, for the peer port and the public one
    Init(InitArguments),
}

/// `navarch tls init DIR --hosts ...`
#[derive(Clone, Debug, Args)]
pub(crate) struct InitArguments {
    /// Where the files go; an authority that is there already signs the new certificates
    directory: PathBuf,
    /// The replicas' hosts as the others reach them, comma-separated, without ports
    #[arg(long, value_delimiter = ',', required = true, value_name = "HOST,...")]
    hosts: Vec<String>,
}

impl TlsCommand {
    pub(crate) fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let Self::Init(arguments) = self;
        let report = init_tls(&arguments.directory, &arguments.hosts).map_err(|error| {
            let directory = arguments.directory.display();
            let message = format!("cannot make certificates in {directory}: {error}");
            match error {
                TlsInitError::NoHosts | TlsInitError::BadHost { .. } => Failure::usage(message),
                TlsInitError::File { .. }
                | TlsInitError::BadAuthorityKey { .. }
                | TlsInitError::Make { .. } => Failure::refused(message),
            }
        })?;
        let rows: Vec<[String; 4]> = report
            .replicas
            .iter()
            .map(|(host, files)| {
                let text = |path: &PathBuf| path.display().to_string();
                [host.clone(), text(&files.certificate), text(&files.key), text(&files.ca)]
            })
            .collect();
        print(&rows, invocation)?;
        message(
            "name the files as cluster.tls.ca, cert and key in each replica's configuration; server.tls.cert and key may name \
             the same ones, for clients that trust ca.pem; keep ca-key.pem offline",
        );
        Ok(())
    }
}

fn print(rows: &[[String; 4]], invocation: &mut Invocation) -> Result<(), Failure> {
    let printer = &mut invocation.printer;
    match printer.format() {
        Format::Table | Format::Wide => {
            let rows: Vec<Vec<Cell>> = rows
                .iter()
                .map(|row| row.iter().map(|text| text.as_str().into()).collect())
                .collect();
            let text = render(&COLUMNS, &rows, true, printer.screen());
            printer.line(&text)
        }
        Format::Name => rows.iter().try_for_each(|[host, ..]| printer.line(host)),
        Format::Json | Format::Yaml => {
            let values: Vec<_> = rows
                .iter()
                .map(|[host, certificate, key, ca]| {
                    json!({ "host": host, "cert": certificate, "key": key, "ca": ca })
                })
                .collect();
            printer.value(&values)
        }
    }
}
