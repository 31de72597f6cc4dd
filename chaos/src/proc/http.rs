//! A plain HTTP/1.1 call over a connection of its own, for probes and the fake cloud's levers.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::host::Host;

/// The longest answer that is read, bytes.
const LONGEST: u64 = 16 << 20;

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body, without what no UTF-8 can hold.
    pub body: String,
}

/// Gets `path` from `address`, `host:port`, within `limit`.
///
/// # Errors
///
/// Why there is no answer, for people.
pub async fn get(
    host: &Host,
    address: &str,
    path: &str,
    limit: Duration,
) -> Result<Answer, String> {
    call(host, address, ("GET", path, ""), limit).await
}

/// Posts a JSON `body` to `path` at `address`, `host:port`, within `limit`.
///
/// # Errors
///
/// Why there is no answer, for people.
pub async fn post(
    host: &Host,
    address: &str,
    (path, body): (&str, &str),
    limit: Duration,
) -> Result<Answer, String> {
    call(host, address, ("POST", path, body), limit).await
}

/// Puts a JSON `body` to `path` at `address`, `host:port`, within `limit`.
///
/// # Errors
///
/// Why there is no answer, for people.
pub async fn put(
    host: &Host,
    address: &str,
    (path, body): (&str, &str),
    limit: Duration,
) -> Result<Answer, String> {
    call(host, address, ("PUT", path, body), limit).await
}

async fn call(
    host: &Host,
    address: &str,
    (method, path, body): (&str, &str, &str),
    limit: Duration,
) -> Result<Answer, String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let head = format!(
            "{method} {path} HTTP/1.0\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer).await?;
        Ok(answer)
    };
    let answer = host.clock.timeout(limit, exchange).await;
    let answer = answer.map_err(|_| format!("no answer from {address}{path} within {limit:?}"))?;
    let answer = answer.map_err(|error: std::io::Error| format!("{address}{path}: {error}"))?;
    read(&String::from_utf8_lossy(&answer))
        .ok_or_else(|| format!("{address}{path} answered no HTTP"))
}

fn read(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a replica that refuses could be taken for one that is ready.
    #[test]
    fn status_and_body_are_read() {
        let answer = read("HTTP/1.1 503 Service Unavailable\r\na: b\r\n\r\nnot ready\n").unwrap();
        assert_eq!(answer, Answer { status: 503, body: "not ready\n".to_owned() });
        assert_eq!(read("hello\r\n\r\n"), None);
    }
}
