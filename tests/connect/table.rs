//! Tables of requests and their answers.

use http::Method;

use crate::toy::{Server, clients};

pub(crate) const JSON: &str = "application/json";
pub(crate) const PROTO: &str = "application/proto";

/// A request: method, path below the service, headers, body; and the answer: status, header, and a text in
/// the body.
pub(crate) type Case<'a> =
    ((Method, &'a str, &'a [(&'a str, &'a str)], &'a [u8]), (u16, (&'a str, &'a str), &'a str));

pub(crate) async fn run(server: &Server, cases: &[Case<'_>]) {
    for (version, client) in clients() {
        for ((method, path, headers, body), (status, header, text)) in cases {
            let url = server.url(path);
            let mut request = client.request(method.clone(), &url).body(body.to_vec());
            for (name, value) in *headers {
                request = request.header(*name, *value);
            }
            let response = request.send().await.unwrap();
            let seen = response.status();
            let value = response.headers().get(header.0);
            let value = value.map_or("", |value| value.to_str().unwrap()).to_owned();
            let body = response.bytes().await.unwrap();
            let body = String::from_utf8_lossy(&body);
            let case = format!("{version} {method} {path} {headers:?}: {seen} {value:?} {body}");
            assert_eq!(seen, *status, "{case}");
            assert!(value.contains(header.1), "{case}");
            assert!(body.contains(text), "{case}");
        }
    }
}

pub(crate) const REGISTER: &str = "/navarch.ControlPlaneService/RegisterNode";
pub(crate) const GET: &str = "/navarch.ControlPlaneService/GetNode";
pub(crate) const REPORT: &str = "/navarch.ControlPlaneService/ReportHealth";
pub(crate) const TYPE: &str = "content-type";
