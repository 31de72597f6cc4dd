//! Requests whose bytes nobody meant.

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};
use navarch_fuzz::Target;
use navarch_host::{Clock, FakeClock};
use prost_reflect::{DescriptorPool, MessageDescriptor};

use super::{frame::Deframer, get::GetCall, gzip, head::CallHead, json, media::Media};

/// The requests of all methods that clients call.
fn requests() -> Vec<MessageDescriptor> {
    let pool = DescriptorPool::decode(navarch_proto::DESCRIPTORS).unwrap();
    let services = pool.services().filter(|service| service.package_name() == "navarch");
    services
        .flat_map(|service| service.methods().map(|method| method.input()).collect::<Vec<_>>())
        .collect()
}

/// Without it a body of JSON could end the replica, or become a message that a handler cannot read.
#[test]
fn fuzz_json_is_converted_or_refused() {
    const WORDS: [&str; 16] = [
        "\"nodeId\"",
        "\"node_id\"",
        "\"timestamp\"",
        "\"2026-11-27T10:00:00.123456789Z\"",
        "\"labels\"",
        "\"metrics\"",
        "\"gpus\"",
        "\"HEALTH_STATUS_HEALTHY\"",
        "\"NaN\"",
        "\"Infinity\"",
        "-0",
        "1.5",
        "\"1\"",
        "[[[[[[[[[[",
        "{\"a\":{\"a\":",
        "\"\\ud83d\\ude00\"",
    ];
    let requests = requests();
    assert!(requests.len() > 30, "{}", requests.len());
    let seeds = [
        r#"{"nodeId":"m0","provider":"cloud","gpus":[{"index":1,"uuid":"GPU-1","memoryTotal":"85520809984"}],
            "metadata":{"hostname":"h","labels":{"pool":"a"}}}"#,
        r#"{"node_id":"m0","events":[{"timestamp":"2026-11-27T10:00:00Z","gpu_index":-1,
            "event_type":"HEALTH_EVENT_TYPE_XID","metrics":{"xid_code":"79"}}],"results":[{"status":2}]}"#,
        r#"{"nodeId":"m0","metrics":{"cpuUsagePercent":"NaN","gpuMetrics":[{"gpuIndex":1,"memoryUsed":42}]}}"#,
        r#"{"pool":"a","target":3,"reason":"more","durationMs":"60000","pageSize":10}"#,
    ];
    seeds.into_iter().fold(Target::text("json", &WORDS).cases(1_000), Target::seed).check(|body| {
        for request in &requests {
            let mut out = BytesMut::new();
            match json::to_protobuf(body, request, &mut out) {
                Ok(()) => assert!(json::is_protobuf(out.freeze(), request), "{}", request.name()),
                Err(status) => assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status}"),
            }
        }
    });
}

/// Without it a message of protobuf that a handler answers with could not be told as JSON, or would end the replica.
#[test]
fn fuzz_messages_are_told_as_json_or_refused() {
    let requests = requests();
    let mut target = Target::message("protobuf-as-json").cases(1_000);
    for text in [
        r#"{"nodeId":"m0","metadata":{"labels":{"a":"b"}}}"#,
        r#"{"events":[{"metrics":{"a":"1"}}]}"#,
    ] {
        for request in &requests {
            let mut out = BytesMut::new();
            if json::to_protobuf(text.as_bytes(), request, &mut out).is_ok() {
                target = target.seed(out.to_vec());
            }
        }
    }
    target.check(|message| {
        for request in &requests {
            let told = json::from_protobuf(message.to_vec().into(), request);
            let _ = told.map_err(|status| assert_eq!(status.code(), tonic::Code::Internal));
        }
    });
}

/// Without it the query of a URL could end the replica.
#[test]
fn fuzz_queries_are_read_or_refused() {
    const WORDS: [&str; 9] = [
        "connect=v1",
        "&",
        "encoding=json",
        "compression=gzip",
        "base64=1",
        "message=",
        "%",
        "%7B",
        "=",
    ];
    let seed =
        "connect=v1&encoding=json&message=%7B%22nodeId%22%3A%22m0%22%7D&compression=identity";
    Target::text("query", &WORDS).seed(seed).seed("encoding=proto&base64=1&message=CgJtMA").check(
        |query| {
            let _ = GetCall::parse(&String::from_utf8_lossy(query));
        },
    );
}

/// Without it headers could end the replica.
#[test]
fn fuzz_headers_are_read_or_refused() {
    const WORDS: [&str; 9] =
        ["application/", "json", "; charset=", "utf-8", "\"", "gzip", ";q=0.5", "99999999999", ","];
    let names = [
        "content-type",
        "content-encoding",
        "accept-encoding",
        "connect-timeout-ms",
        "connect-protocol-version",
        "connect-content-encoding",
        "expect",
        "grpc-timeout",
    ];
    let clock = Clock::fake(FakeClock::new(u64::MAX / 2_000_000));
    let seeds = [
        "application/json; charset=utf-8",
        "gzip, br;q=0.5",
        "9999999999",
        "application/connect+proto",
    ];
    seeds.into_iter().fold(Target::text("header", &WORDS), Target::seed).check(|value| {
        let Ok(value) = HeaderValue::from_bytes(value) else { return };
        let named = |name| (HeaderName::from_static(name), value.clone());
        let headers = HeaderMap::from_iter(names.map(named));
        let _ = Media::of(&headers);
        let _ = CallHead::of_unary(&headers, &clock);
        let _ = CallHead::of_stream(&headers, &clock);
    });
}

/// Without it frames, or what is packed in them, could end the replica or fill its memory.
#[test]
fn fuzz_frames_and_gzip_are_opened_or_refused() {
    const LIMIT: usize = 4_096;
    let packed = gzip::pack(&[b'x'; 3_000]).unwrap();
    let frame = [&[0, 0, 0, 0, 3][..], b"abc", &[1, 0, 0, 0, 0]].concat();
    Target::bytes("gzip").seed(packed.to_vec()).seed(frame).check(|bytes| {
        let mut out = BytesMut::new();
        let _ = gzip::unpack(bytes, LIMIT, &mut out);
        assert!(out.len() <= LIMIT + 1);
        let mut messages = Vec::new();
        // Whole and in pieces it is the same.
        for pieces in [bytes.chunks(bytes.len().max(1)), bytes.chunks(3)] {
            let mut seen = Vec::new();
            let mut deframer = Deframer::default();
            'stream: for piece in pieces {
                deframer.push(piece);
                loop {
                    match deframer.next(LIMIT) {
                        Ok(Some(message)) => seen.push(message),
                        Ok(None) => break,
                        Err(_) => break 'stream,
                    }
                }
            }
            messages.push(seen);
        }
        assert_eq!(messages[0], messages[1]);
    });
}
