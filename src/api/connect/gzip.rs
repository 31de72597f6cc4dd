use std::io::{self, Read as _, Write as _};

use bytes::{BufMut as _, Bytes, BytesMut};
use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};
use http::{HeaderMap, HeaderName};
use tonic::Status;

/// Answers below this many bytes stay as they are: gzip gains nothing on them.
pub(super) const LEAST_BYTES: usize = 1024;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Not at all.
    Identity,
    /// By gzip.
    Gzip,
}

impl Coding {
    /// The coding that `name` stands for; an empty name is none.
    pub(super) fn named(name: &str) -> Result<Self, Status> {
        match name {
            "" | "identity" => Ok(Self::Identity),
            "gzip" => Ok(Self::Gzip),
            other => Err(Status::unimplemented(format!(
                "compression {other:?} is not supported; supported are gzip and identity"
            ))),
        }
    }

    /// The coding of a request by its header `name`.
    pub(super) fn of_request(headers: &HeaderMap, name: &HeaderName) -> Result<Self, Status> {
        match headers.get(name) {
            None => Ok(Self::Identity),
            // A value that is no text is no coding either; its escaped form tells which.
            Some(value) => {
                value.to_str().map_or_else(|_| Self::named(&format!("{value:?}")), Self::named)
            }
        }
    }
}

/// Whether the client's list of codings (`gzip, br;q=0.5`) has gzip in it.
pub(super) fn accepts_gzip(list: &str) -> bool {
    list.split(',').any(|entry| {
        let (coding, quality) = entry.split_once(';').unwrap_or((entry, ""));
        let refused = quality
            .trim()
            .strip_prefix("q=")
            .is_some_and(|quality| quality.trim().parse() == Ok(0.0));
        coding.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

/// Unpacks `packed` to the end of `out`, at most `limit` bytes.
pub(super) fn unpack(packed: &[u8], limit: usize, out: &mut BytesMut) -> Result<(), Status> {
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut writer = out.writer();
    let unpacked = io::copy(&mut MultiGzDecoder::new(packed).take(most), &mut writer)
        .map_err(|error| Status::invalid_argument(format!("the body is not gzip: {error}")))?;
    if unpacked >= most {
        return Err(Status::resource_exhausted(format!(
            "the message is longer than the limit of {limit} bytes once unpacked; send less in one call"
        )));
    }
    Ok(())
}

/// `plain` by gzip, at the fastest level: the network here is fast too.
pub(super) fn pack(plain: &[u8]) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    encoder.write_all(plain)?;
    Ok(encoder.finish()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a few kilobytes could fill the memory of a replica.
    #[test]
    fn unpacking_stops_at_the_limit() {
        let packed = pack(&vec![0; 1_000_000]).unwrap();
        assert!(packed.len() < 10_000);
        for (limit, code) in [(1_000_000, None), (999_999, Some(tonic::Code::ResourceExhausted))] {
            let mut out = BytesMut::new();
            let result = unpack(&packed, limit, &mut out);
            assert_eq!(result.err().map(|status| status.code()), code, "limit {limit}");
            assert!(out.len() <= limit + 1);
        }
    }

    /// Without it a damaged body would be taken for a message.
    #[test]
    fn damaged_gzip_is_refused() {
        let packed = pack(b"hello").unwrap();
        for bad in [&packed[..packed.len() - 3], b"hello"] {
            let status = unpack(bad, 100, &mut BytesMut::new()).unwrap_err();
            assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status}");
        }
    }

    /// Without it a client that refuses gzip could get it.
    #[test]
    fn accepted_codings_are_read() {
        let cases = [
            ("gzip", true),
            ("br, gzip;q=0.5", true),
            ("GZIP", true),
            ("br", false),
            ("gzip;q=0", false),
            ("", false),
        ];
        for (list, expected) in cases {
            assert_eq!(accepts_gzip(list), expected, "{list}");
        }
    }
}
