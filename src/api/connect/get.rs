use std::borrow::Cow;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use percent_encoding::percent_decode;
use tonic::Status;

use super::{gzip::Coding, media::Codec};

/// Base64 for URLs, with or without padding.
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A call whose message is in the query of its URL.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GetCall {
    /// None: a codec that we do not have.
    pub(super) codec: Option<Codec>,
    pub(super) coding: Coding,
    pub(super) message: Vec<u8>,
}

impl GetCall {
    /// Reads the query of a URL, without its question mark.
    pub(super) fn parse(query: &str) -> Result<Self, Status> {
        let parameter = |name: &str| {
            query.split('&').find_map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(key).as_ref() == name.as_bytes()).then(|| decode(value))
            })
        };
        if let Some(version) = parameter("connect")
            && version.as_ref() != b"v1"
        {
            return Err(Status::invalid_argument(format!(
                "the query parameter connect must be v1, not {:?}",
                String::from_utf8_lossy(&version)
            )));
        }
        let required = |name: &str| {
            parameter(name).ok_or_else(|| {
                Status::invalid_argument(format!(
                    "the query parameter {name} is missing; a GET is ?encoding=json&message=%7B%7D"
                ))
            })
        };
        let encoding = required("encoding")?;
        let message = required("message")?;
        let compression = parameter("compression").unwrap_or_default();
        let message = if parameter("base64").as_deref() == Some(b"1") {
            URL_SAFE.decode(&message).map_err(|error| {
                Status::invalid_argument(format!(
                    "the query parameter message is not base64 for URLs: {error}"
                ))
            })?
        } else {
            message.into_owned()
        };
        Ok(Self {
            codec: Codec::named(&String::from_utf8_lossy(&encoding)),
            coding: Coding::named(&String::from_utf8_lossy(&compression))?,
            message,
        })
    }
}

/// A part of a query as the bytes that it stands for.
fn decode(text: &str) -> Cow<'_, [u8]> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        Cow::Owned(percent_decode(spaced.as_bytes()).collect())
    } else {
        percent_decode(text.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a browser's or a cache's form of a call would be misread.
    #[test]
    fn queries_are_read() {
        let call =
            |codec, coding, message: &[u8]| GetCall { codec, coding, message: message.to_vec() };
        let json = Some(Codec::Json);
        let plain = Coding::Identity;
        let cases = [
            (
                "connect=v1&encoding=json&message=%7B%22nodeId%22%3A%22a+b%22%7D",
                call(json, plain, br#"{"nodeId":"a b"}"#),
            ),
            ("message=%7B%7D&x=y&encoding=json", call(json, plain, b"{}")),
            (
                "base64=1&encoding=proto&message=CgFh_w%3D%3D",
                call(Some(Codec::Proto), plain, b"\x0a\x01a\xff"),
            ),
            (
                "base64=1&encoding=proto&message=CgFh_w",
                call(Some(Codec::Proto), plain, b"\x0a\x01a\xff"),
            ),
            ("encoding=json&message=x&compression=gzip", call(json, Coding::Gzip, b"x")),
            ("encoding=xml&message=x", call(None, plain, b"x")),
        ];
        for (query, expected) in cases {
            assert_eq!(GetCall::parse(query).unwrap(), expected, "{query}");
        }
    }

    /// Without it a caller would not learn which parameter is wrong.
    #[test]
    fn a_bad_query_is_named() {
        let cases = [
            ("", "encoding"),
            ("encoding=json", "message"),
            ("encoding=json&message=*&base64=1", "base64"),
            ("encoding=json&message=x&connect=v2", "v1"),
            ("encoding=json&message=x&compression=br", "gzip"),
        ];
        for (query, part) in cases {
            let status = GetCall::parse(query).unwrap_err();
            assert!(status.message().contains(part), "{query}: {status}");
        }
    }
}
