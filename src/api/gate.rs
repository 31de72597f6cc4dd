use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, header, request::Parts};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use tonic::Status;

use super::{
    call::{Api, CallContext, Consistency, Principal},
    connect::Gate,
    routes,
};

/// A call without a deadline of its own gets this one.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest request id that is taken, in bytes.
const LONGEST_REQUEST_ID: usize = 128;
const REQUEST_ID: &str = "navarch-request-id";
const CONSISTENCY: &str = "navarch-consistency";

/// The secrets that admit callers.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    /// Admits everything; absent: everybody is an operator.
    pub operator: Option<SecretString>,
    /// Admits the node calls only.
    pub agent: Option<SecretString>,
}

/// Admits calls by their heads: token, then what the token may call; then notes deadline, request id and
/// consistency for whoever carries the call out.
pub struct TokenGate {
    tokens: Tokens,
    api: Arc<Api>,
}

impl TokenGate {
    /// A gate that admits bearers of `tokens`.
    pub fn new(api: Arc<Api>, tokens: Tokens) -> Self {
        Self { tokens, api }
    }

    fn context(&self, headers: &HeaderMap, principal: Principal) -> Result<CallContext, Status> {
        // Connect clients have a header of their own for it: `forward` reads the gRPC form that both end in.
        let deadline = self.api.clock().now() + DEFAULT_TIMEOUT;
        let given = headers.get(REQUEST_ID);
        let request_id = match given {
            Some(value) => accept_request_id(value)?,
            None => self.api.new_id().into(),
        };
        // A client that names its request may have sent it before, here or elsewhere.
        let may_be_retry = given.is_some();
        let consistency = match headers.get(CONSISTENCY).map(HeaderValue::as_bytes) {
            None | Some(b"linearizable") => Consistency::Linearizable,
            Some(b"stale") => Consistency::Stale,
            Some(other) => {
                return Err(Status::invalid_argument(format!(
                    "{CONSISTENCY}: {:?} is neither `linearizable` nor `stale`",
                    String::from_utf8_lossy(other)
                )));
            }
        };
        Ok(CallContext { principal, request_id, deadline, consistency, may_be_retry })
    }
}

impl Gate for TokenGate {
    fn admit(&self, parts: &mut Parts) -> Result<(), Status> {
        let admitted = self.admit_call(parts);
        if let Err(status) = &admitted {
            self.api.calls.refused(parts.uri.path(), status.code());
        }
        admitted
    }
}

impl TokenGate {
    fn admit_call(&self, parts: &mut Parts) -> Result<(), Status> {
        let path = parts.uri.path();
        // Reflection and health are not in the table: any token admits them.
        if routes::find(path).is_none() {
            return self.tokens.admit(&parts.headers).map(drop);
        }
        let context = self.admit_headers(path, &parts.headers)?;
        parts.extensions.insert(context);
        Ok(())
    }

    /// Admits a call of the method at `path`, however it came in.
    pub(super) fn admit_headers(
        &self,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<CallContext, Status> {
        let principal = self.tokens.admit(headers)?;
        if !routes::find(path).is_some_and(|route| route.admits(principal)) {
            return Err(Status::permission_denied(format!(
                "the agent token does not admit {path}; use the operator's token"
            )));
        }
        self.context(headers, principal)
    }
}

impl Tokens {
    fn admit(&self, headers: &HeaderMap) -> Result<Principal, Status> {
        let Some(operator) = &self.operator else {
            return Ok(Principal::Operator);
        };
        let Some(presented) = headers.get(header::AUTHORIZATION).and_then(bearer) else {
            return Err(Status::unauthenticated(
                "no bearer token; send `authorization: Bearer <token>` (NAVARCH_AUTH_TOKEN)",
            ));
        };
        if same(operator, presented) {
            return Ok(Principal::Operator);
        }
        if self.agent.as_ref().is_some_and(|agent| same(agent, presented)) {
            return Ok(Principal::Agent);
        }
        Err(Status::unauthenticated(
            "the bearer token is not this cluster's; check NAVARCH_AUTH_TOKEN",
        ))
    }
}

fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

fn same(secret: &SecretString, presented: &[u8]) -> bool {
    secret.expose_secret().as_bytes().ct_eq(presented).into()
}

fn accept_request_id(value: &HeaderValue) -> Result<Arc<str>, Status> {
    match value.to_str() {
        Ok(id) if !id.is_empty() && id.len() <= LONGEST_REQUEST_ID => Ok(id.into()),
        _ => Err(Status::invalid_argument(format!(
            "{REQUEST_ID} must be 1 to {LONGEST_REQUEST_ID} printable ASCII characters"
        ))),
    }
}

/// At most eight digits and a unit, as the gRPC specification says.
pub(super) fn parse_timeout(value: &HeaderValue) -> Result<Duration, Status> {
    let parsed = value.to_str().ok().and_then(|text| {
        let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let well_formed =
            (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        let count: u64 = digits.parse().ok().filter(|_| well_formed)?;
        match unit {
            "H" => Some(Duration::from_secs(count * 3_600)),
            "M" => Some(Duration::from_secs(count * 60)),
            "S" => Some(Duration::from_secs(count)),
            "m" => Some(Duration::from_millis(count)),
            "u" => Some(Duration::from_micros(count)),
            "n" => Some(Duration::from_nanos(count)),
            _ => None,
        }
    });
    parsed.ok_or_else(|| {
        Status::invalid_argument(format!(
            "grpc-timeout {value:?} is not one to eight digits and a unit of H M S m u n"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(token: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(token).unwrap());
        headers
    }

    /// Without it a wrong token, or an agent's, could change the fleet.
    #[test]
    fn tokens_admit_whom_they_name() {
        let tokens = Tokens { operator: Some("root".into()), agent: Some("node".into()) };
        let principals = [
            ("Bearer root", Some(Principal::Operator)),
            ("bearer root", Some(Principal::Operator)),
            ("Bearer node", Some(Principal::Agent)),
            ("Bearer roo", None),
            ("Bearer ", None),
            ("Basic root", None),
            ("x", None),
        ];
        for (token, principal) in principals {
            assert_eq!(tokens.admit(&headers(token)).ok(), principal, "{token}");
        }
        assert!(tokens.admit(&HeaderMap::new()).is_err());
        assert_eq!(Tokens::default().admit(&HeaderMap::new()).ok(), Some(Principal::Operator));
    }

    /// Without it a malformed deadline would be taken for none, or overflow.
    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        let table = [
            ("1H", Some(Duration::from_secs(3_600))),
            ("99999999S", Some(Duration::from_secs(99_999_999))),
            ("250m", Some(Duration::from_millis(250))),
            ("5u", Some(Duration::from_micros(5))),
            ("999999999S", None),
            ("S", None),
            ("", None),
            ("1", None),
            ("-1S", None),
            ("+1S", None),
        ];
        for (text, timeout) in table {
            let value = HeaderValue::from_str(text).unwrap();
            assert_eq!(parse_timeout(&value).ok(), timeout, "{text}");
        }
    }
}
