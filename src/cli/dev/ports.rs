use std::{io, net::TcpListener};

use crate::cli::failure::Failure;

/// Refuses with the first port that something else listens on.
pub(super) fn check_free(ports: &[(u16, String)]) -> Result<(), Failure> {
    for (port, purpose) in ports {
        match TcpListener::bind(("127.0.0.1", *port)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let message = format!("port {port}, which {purpose} needs, is in use");
                return Err(Failure::refused(message).help(format!(
                    "stop what listens there (`ss -ltnp 'sport = :{port}'` names it), or choose other ports with --port"
                )));
            }
            Err(error) => {
                let message =
                    format!("cannot listen on port {port}, which {purpose} needs: {error}");
                return Err(Failure::refused(message).help("choose other ports with --port"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a group would start in part and fail somewhere in a log.
    #[test]
    fn a_port_in_use_is_named_with_its_purpose() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let failure = check_free(&[(port, "replica r1".to_owned())]).unwrap_err().to_string();
        assert!(failure.contains(&port.to_string()) && failure.contains("replica r1"), "{failure}");
        drop(taken);
        check_free(&[(port, "replica r1".to_owned())]).unwrap();
    }
}
