use std::time::Duration;

const MIB: usize = 1024 * 1024;

/// What one call, and all calls together, may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest request message in bytes, after decompression.
    pub request_bytes: usize,
    /// Longest answer message in bytes, as protobuf and before compression. A message of a stream counts alone.
    pub answer_bytes: usize,
    /// Bytes of unfinished requests that the replica holds at any time, over all connections.
    pub buffered_bytes: usize,
    /// Longest silence in the middle of a request's body.
    pub body_idle: Duration,
    /// Conversions between JSON and protobuf of more than [`Limits::INLINE_BYTES`] that run at once; further
    /// ones wait. They take several times the memory of their message.
    pub conversions: usize,
}

impl Limits {
    /// Conversions up to this many bytes run where the call runs: they take less than a millisecond, which
    /// is about what starting a thread for them would save.
    pub const INLINE_BYTES: usize = 64 * 1024;
}

impl Default for Limits {
    /// 64 MiB a message as the wire contract says; 512 MiB over all requests; 30 s of silence; two conversions.
    fn default() -> Self {
        Self {
            request_bytes: 64 * MIB,
            answer_bytes: 64 * MIB,
            buffered_bytes: 512 * MIB,
            body_idle: Duration::from_secs(30),
            conversions: 2,
        }
    }
}
