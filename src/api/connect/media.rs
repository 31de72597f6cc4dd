use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};

use super::methods::Shape;

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    /// Binary protobuf.
    Proto,
    /// The JSON mapping of protobuf.
    Json,
}

impl Codec {
    /// The codec that Connect calls `name`.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "proto" => Some(Self::Proto),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    pub(super) fn unary_content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Proto => "application/proto",
            Self::Json => "application/json",
        })
    }

    pub(super) fn stream_content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Proto => "application/connect+proto",
            Self::Json => "application/connect+json",
        })
    }
}

/// What a content type says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// gRPC with binary protobuf.
    Grpc,
    /// gRPC-Web; the text is the content type as tonic-web wants it.
    GrpcWeb(&'static str),
    /// A unary Connect call.
    Unary(Codec),
    /// A streaming Connect call.
    Stream(Codec),
    /// Something else, or nothing.
    Other,
}

impl Media {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(CONTENT_TYPE) else {
            return Self::Other;
        };
        // The two that make up the traffic come before any parsing.
        match value.as_bytes() {
            b"application/grpc" => Self::Grpc,
            b"application/proto" => Self::Unary(Codec::Proto),
            _ => value.to_str().map_or(Self::Other, Self::parse),
        }
    }

    fn parse(text: &str) -> Self {
        let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
        let media = match essence.trim().to_ascii_lowercase().as_str() {
            "application/grpc" | "application/grpc+proto" => Self::Grpc,
            "application/grpc-web" => Self::GrpcWeb("application/grpc-web"),
            "application/grpc-web+proto" => Self::GrpcWeb("application/grpc-web+proto"),
            "application/grpc-web-text" => Self::GrpcWeb("application/grpc-web-text"),
            "application/grpc-web-text+proto" => Self::GrpcWeb("application/grpc-web-text+proto"),
            "application/proto" => Self::Unary(Codec::Proto),
            "application/json" => Self::Unary(Codec::Json),
            "application/connect+proto" => Self::Stream(Codec::Proto),
            "application/connect+json" => Self::Stream(Codec::Json),
            _ => Self::Other,
        };
        match media {
            Self::Unary(Codec::Json) | Self::Stream(Codec::Json) if !is_utf8(parameters) => {
                Self::Other
            }
            Self::Grpc
            | Self::GrpcWeb(_)
            | Self::Unary(Codec::Proto | Codec::Json)
            | Self::Stream(Codec::Proto | Codec::Json)
            | Self::Other => media,
        }
    }
}

/// Whether the parameters of a content type leave the text in UTF-8, the only form that JSON has here.
fn is_utf8(parameters: &str) -> bool {
    parameters.split(';').all(|parameter| {
        let Some((name, value)) = parameter.split_once('=') else {
            return true;
        };
        let value = value.trim().trim_matches('"');
        !name.trim().eq_ignore_ascii_case("charset")
            || value.eq_ignore_ascii_case("utf-8")
            || value.eq_ignore_ascii_case("utf8")
    })
}

/// The content types that a method takes, for the header `accept-post`.
pub(super) fn accept_post(shape: Shape) -> HeaderValue {
    HeaderValue::from_static(match shape {
        Shape::Unary => {
            "application/grpc, application/grpc+proto, application/grpc-web, \
             application/grpc-web+proto, application/grpc-web-text, \
             application/grpc-web-text+proto, application/json, application/proto"
        }
        Shape::ServerStreaming => {
            "application/connect+json, application/connect+proto, application/grpc, \
             application/grpc+proto, application/grpc-web, application/grpc-web+proto, \
             application/grpc-web-text, application/grpc-web-text+proto"
        }
        Shape::ClientStreaming => "application/grpc, application/grpc+proto",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a client that adds a charset, as browsers do, would be turned away, or one that sends
    /// another charset be misread.
    #[test]
    fn content_types_are_recognised() {
        let cases = [
            ("application/grpc", Media::Grpc),
            ("application/grpc+proto", Media::Grpc),
            ("application/grpc+json", Media::Other),
            ("application/grpc-web+proto", Media::GrpcWeb("application/grpc-web+proto")),
            ("application/json", Media::Unary(Codec::Json)),
            ("application/json; charset=utf-8", Media::Unary(Codec::Json)),
            ("Application/JSON;charset=\"UTF-8\"", Media::Unary(Codec::Json)),
            ("application/json; charset=latin1", Media::Other),
            ("application/proto; a=b", Media::Unary(Codec::Proto)),
            ("application/connect+json", Media::Stream(Codec::Json)),
            ("application/connect+proto", Media::Stream(Codec::Proto)),
            ("text/plain", Media::Other),
            ("", Media::Other),
        ];
        for (text, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(text));
            assert_eq!(Media::of(&headers), expected, "{text}");
        }
        assert_eq!(Media::of(&HeaderMap::new()), Media::Other);
    }
}
