use std::fs;

use navarch_fleet::{LogTime, NodeHistory};
use navarch_host::Clock;
use navarch_proto::api::{HealthEvent, ReportHealthRequest};
use serde_json::Value;

use super::outcome::Outcome;
use crate::{
    cli::{failure::Failure, output::read_message},
    health::{Past, Policy},
};

/// Between events that do not say when they were.
const APART_MS: u64 = 60_000;
/// When the first of them is.
const FIRST_MS: u64 = 1_700_000_000_000;
/// Bytes of a file of events.
const MAX_FILE: u64 = 64 << 20;
/// Evaluations that are timed, after one that warms up.
const ROUNDS: u32 = 100;

/// An event to try a policy on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Given {
    /// What people call it; empty: nothing.
    pub(super) label: &'static str,
    pub(super) event: HealthEvent,
}

impl Given {
    pub(super) fn sample((label, event): (&'static str, HealthEvent)) -> Self {
        Self { label, event }
    }
}

/// Reads what `--event` was given.
pub(super) fn read(arguments: &[String]) -> Result<Vec<Given>, Failure> {
    let mut all = Vec::new();
    for argument in arguments {
        let (place, text) = match argument.strip_prefix('@') {
            Some(file) => (file.to_owned(), read_file(file)?),
            None => ("--event".to_owned(), argument.clone()),
        };
        let value: Value = serde_json::from_str(&text).map_err(|error| wrong(&place, &error))?;
        let values = match value {
            Value::Array(values) => values,
            value => vec![value],
        };
        for (position, value) in values.into_iter().enumerate() {
            let event = read_message("navarch.HealthEvent", value);
            let event =
                event.map_err(|error| wrong(&format!("{place}, event {position}"), &error))?;
            all.push(Given { label: "", event });
        }
    }
    Ok(all)
}

fn wrong(place: &str, error: &dyn std::fmt::Display) -> Failure {
    let example = r#"write one like {"eventType": "HEALTH_EVENT_TYPE_XID", "gpuIndex": 3, "metrics": {"xid_code": "79"}}"#;
    Failure::usage(format!("{place}: not a health event: {error}")).help(example)
}

fn read_file(file: &str) -> Result<String, Failure> {
    let unreadable = |error: std::io::Error| Failure::usage(format!("cannot read {file}: {error}"));
    let bytes = fs::metadata(file).map_err(unreadable)?.len();
    if bytes > MAX_FILE {
        return Err(Failure::usage(format!(
            "{file} has {bytes} bytes, and a file of events at most {MAX_FILE}: try fewer"
        )));
    }
    fs::read_to_string(file).map_err(unreadable)
}

/// A node that reports one event after the other.
#[derive(Default)]
pub(super) struct Node {
    reports: u64,
    now: Option<LogTime>,
    history: NodeHistory,
}

impl Node {
    /// What a policy makes of its next event.
    pub(super) fn report(
        &mut self,
        policy: &Policy,
        given: Given,
        clock: &Clock,
    ) -> Result<Outcome, Failure> {
        self.reports += 1;
        let now = self.time_of(&given.event);
        self.now = Some(now);
        let request_id = self.reports.to_string();
        let report = ReportHealthRequest { events: vec![given.event], ..Default::default() };
        let past = Past { history: Some(&self.history), now, request_id: &request_id };
        let judge = || {
            policy
                .judge_after(&report, past)
                .map_err(|error| Failure::usage(format!("event {}: {error}", self.reports - 1)))
        };
        let verdict = judge()?;
        let begun = clock.now();
        for _ in 0..ROUNDS {
            std::hint::black_box(judge()?);
        }
        let took = clock.now().since(begun) / ROUNDS;
        for event in &verdict.reported {
            self.history.add(*event);
        }
        let event = report.events.into_iter().next().unwrap_or_default();
        Ok(Outcome { label: given.label, event, verdict, took })
    }

    /// Its own time, or a minute after the one before; time never goes back.
    fn time_of(&self, event: &HealthEvent) -> LogTime {
        let own = event.timestamp.and_then(|time| {
            let seconds = u64::try_from(time.seconds).ok()?;
            let millis = u64::try_from(time.nanos).ok()? / 1_000_000;
            Some(LogTime::from_ms(seconds.saturating_mul(1_000).saturating_add(millis)))
        });
        let next = self.now.map(|now| now.plus_ms(APART_MS));
        let earliest = self.now.unwrap_or_default();
        own.or(next).unwrap_or(LogTime::from_ms(FIRST_MS)).max(earliest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XID: &str =
        r#"{"eventType": "HEALTH_EVENT_TYPE_XID", "gpuIndex": 3, "metrics": {"xid_code": "63"}"#;

    fn results(policy: &str, events: &[String]) -> Vec<String> {
        let policy = Policy::compile(policy, 0).unwrap();
        let mut node = Node::default();
        let given = read(events).unwrap();
        let outcomes = given.into_iter().map(|one| node.report(&policy, one, &Clock::system()));
        outcomes.map(|outcome| outcome.unwrap().rule().to_owned()).collect()
    }

    /// Without it a rule over a window could only be tried on machines that break.
    #[test]
    fn events_in_a_row_are_a_history() {
        let policy = "version: v1\nrules:\n  - {name: third, condition: 'history.count(\"xid:63\", \"10m\") > 2', result: unhealthy}\n";
        let plain = format!("{XID}}}");
        assert_eq!(
            results(policy, &[plain.clone(), plain.clone(), plain.clone()]),
            ["", "", "third"]
        );
        let list = format!("[{plain}, {plain}, {plain}]");
        assert_eq!(results(policy, &[list]), ["", "", "third"]);
        let at = |time: &str| format!(r#"{XID}, "timestamp": "{time}"}}"#);
        let apart =
            ["2026-01-01T00:00:00Z", "2026-01-01T00:06:00Z", "2026-01-01T00:12:00Z"].map(at);
        assert_eq!(results(policy, &apart), ["", "", ""]);
        let twice =
            ["2026-01-01T00:00:00Z", "2026-01-01T00:06:00Z", "2026-01-01T00:06:00Z"].map(at);
        assert_eq!(results(policy, &twice), ["", "", ""], "the same event counts once");
    }

    /// Without it a mistyped event would be tried as an empty one.
    #[test]
    fn what_is_no_event_is_refused() {
        for (text, said) in [
            ("{", "--event: not a health event"),
            (r#"{"evnt": 1}"#, "--event, event 0"),
            (r#"[{}, {"metrics": {"xid_code": 79}}]"#, "--event, event 1"),
            (r#"{"eventType": "XID"}"#, "--event, event 0"),
            ("7", "--event, event 0"),
            ("@/nonexistent.json", "cannot read /nonexistent.json"),
        ] {
            let refused = read(&[text.to_owned()]).unwrap_err();
            assert_eq!(refused.kind().exit_code(), 2);
            assert!(refused.to_string().contains(said), "{text}: {refused}");
        }
    }
}
