//! Rules over a window: what they count, of whom, and how mistakes in them are shown.

use navarch_fleet::{LogTime, NodeHistory, limits::RETAIN_HISTORY_MS};
use navarch_proto::api::{HealthEvent, HealthEventType, HealthStatus, ReportHealthRequest};

use super::{Past, Policy, Verdict};

const START_MS: u64 = 1_700_000_000_000;
const MINUTE_MS: u64 = 60_000;

/// A node that reports, and what is remembered of it.
struct Node {
    policy: Policy,
    history: NodeHistory,
    now_ms: u64,
    reports: u64,
}

impl Node {
    fn new(condition: &str) -> Self {
        let text = format!(
            "version: v1\nrules:\n  - name: r\n    condition: |\n      {condition}\n    result: unhealthy\n"
        );
        let policy = Policy::compile(&text, 1).unwrap_or_else(|error| panic!("{error}"));
        Self { policy, history: NodeHistory::default(), now_ms: START_MS, reports: 0 }
    }

    fn report(&mut self, events: Vec<HealthEvent>) -> Verdict {
        self.reports += 1;
        let report = ReportHealthRequest { events, ..ReportHealthRequest::default() };
        let request_id = self.reports.to_string();
        let now = LogTime::from_ms(self.now_ms);
        let past = Past { history: Some(&self.history), now, request_id: &request_id };
        let verdict = self.policy.judge_after(&report, past).expect("within bounds");
        assert_eq!(verdict.failures, [], "{report:?}");
        for event in &verdict.reported {
            self.history.add(*event);
        }
        verdict
    }

    /// Whether the rule matches one event that comes now.
    fn fires(&mut self, event: HealthEvent) -> bool {
        self.report(vec![event]).overall == HealthStatus::Unhealthy
    }

    fn minutes_later(&mut self, minutes: u64) -> &mut Self {
        self.now_ms += minutes * MINUTE_MS;
        self
    }
}

fn xid(code: u32, gpu_index: i32) -> HealthEvent {
    HealthEvent {
        event_type: HealthEventType::Xid.into(),
        gpu_index,
        metrics: [("xid_code".to_owned(), code.to_string())].into(),
        ..HealthEvent::default()
    }
}

/// Without it a page retirement could take a node out that happens once, or five of a day leave it in.
#[test]
fn the_fifth_in_a_day_fires() {
    let mut node = Node::new("history.count('xid:63', '24h') >= 5");
    for _ in 0..4 {
        assert!(!node.minutes_later(60).fires(xid(63, 0)));
        assert!(!node.fires(xid(13, 0)), "another number does not count");
    }
    assert!(node.minutes_later(60).fires(xid(63, 0)));
    // Four of those five are 24 h old by then; the one at 5 h and this one are within.
    assert!(!node.minutes_later(24 * 60).fires(xid(63, 0)));
}

/// Without it GPUs of a node would be blamed for each other, or a node that fails all over be taken for well.
#[test]
fn gpus_count_alone_and_together() {
    let mut own = Node::new("history.gpu.count('xid', '10m') > 1");
    let mut all = Node::new("history.count('xid', '10m') > 1");
    for (gpu, own_fires, all_fires) in [(0, false, false), (1, false, true), (0, true, true)] {
        assert_eq!(own.fires(xid(31, gpu)), own_fires, "GPU {gpu}");
        assert_eq!(all.fires(xid(31, gpu)), all_fires, "GPU {gpu}");
    }
}

/// Without it different XIDs, which point at the machine, would look like one that a program repeats.
#[test]
fn different_numbers_are_counted() {
    let mut node = Node::new("history.distinct('xid', '1h') >= 3");
    for (code, fires) in [(13, false), (13, false), (31, false), (31, false), (43, true)] {
        assert_eq!(node.fires(xid(code, 0)), fires, "{code}");
    }
    assert!(!node.minutes_later(61).fires(xid(13, 0)));
}

/// Without it "never" would look like "just now", or an event be compared with itself.
#[test]
fn the_time_since_the_last_one() {
    let mut node = Node::new("history.since('xid') < duration('10m')");
    assert!(!node.fires(xid(13, 0)), "never is not within ten minutes");
    assert!(node.minutes_later(9).fires(xid(13, 1)));
    assert!(!node.minutes_later(10).fires(xid(13, 0)));
    let mut never = Node::new("history.gpu.since('xid') >= duration('168h')");
    assert!(never.fires(xid(13, 0)));
    assert!(never.fires(xid(13, 1)), "another GPU's does not count");
    assert!(!never.fires(xid(13, 0)));
    assert_eq!(RETAIN_HISTORY_MS, 168 * 60 * MINUTE_MS);
    // Another kind of event may ask as well.
    let mut other =
        Node::new("event.event_type == 'nvlink' && history.since('xid') < duration('1h')");
    other.fires(xid(13, 0));
    let nvlink = HealthEvent { event_type: HealthEventType::Nvlink.into(), ..xid(1, 0) };
    assert!(other.minutes_later(59).fires(nvlink.clone()));
    assert!(!other.minutes_later(1).fires(nvlink));
}

/// Without it a line that an agent reads again with another time would count twice, or two of one instant once.
#[test]
fn an_events_own_id_tells_it_from_others() {
    let mut node = Node::new("history.count('xid', '24h') > 1");
    let named = |id: &str, seconds| HealthEvent {
        event_id: id.to_owned(),
        timestamp: Some(prost_types::Timestamp { seconds, nanos: 0 }),
        ..xid(63, 0)
    };
    assert!(!node.fires(named("a", 1)));
    assert!(!node.fires(named("a", 2)), "the same line, read again");
    assert!(node.fires(named("b", 2)), "another one in the same instant");
}

/// Without it an agent that retries, or sends its log again, would break a machine by counting.
#[test]
fn the_same_event_counts_once_whenever_it_comes() {
    let mut node = Node::new("history.count('xid', '24h') > 1");
    let dated = |seconds| HealthEvent {
        timestamp: Some(prost_types::Timestamp { seconds, nanos: 7 }),
        ..xid(63, 0)
    };
    // An agent's clock may be anywhere; the window goes by the fleet's.
    for seconds in [1, 1, 253_402_300_799] {
        let again = dated(seconds);
        let fires = node.report(vec![again.clone(), again]).overall == HealthStatus::Unhealthy;
        assert_eq!(fires, seconds > 1, "{seconds}");
        node.minutes_later(1);
    }
    assert_eq!(node.history.events().len(), 2);
    // Without a time each is one of its own, but not within a retried report, whose id is the same.
    let mut undated = Node::new("history.count('xid', '24h') > 2");
    assert!(!undated.fires(xid(63, 0)));
    assert!(!undated.fires(xid(63, 0)));
    undated.reports -= 1;
    assert!(!undated.fires(xid(63, 0)), "the same report again");
    assert!(undated.fires(xid(63, 0)));
}

/// Without it a report of many events would be judged as if only one had come.
#[test]
fn events_of_one_report_count_in_their_order() {
    let mut node = Node::new("history.count('xid', '24h') == 3");
    let verdict = node.report(vec![xid(1, 0), xid(2, 1), xid(3, 2), xid(4, 3)]);
    let event = verdict.event.expect("the one that decided");
    assert_eq!((event.code, event.gpu_index), (3, 2));
    assert_eq!(verdict.reported.len(), 4);
    assert_eq!(verdict.history_revision, Some(0));
    let many = node.report((0..1_000).map(|code| xid(code % 7 + 1, 0)).collect());
    assert_eq!(many.reported.len(), 128, "no more than a history holds");
}

/// Without it every report would be held up by others of its node, whether a rule cares or not.
#[test]
fn only_rules_that_look_back_depend_on_the_history() {
    let built_in = Policy::compile("", 1).expect("compiles");
    assert!(!built_in.looks_back());
    let events = vec![xid(79, 0), HealthEvent::default()];
    let report = ReportHealthRequest { events, ..ReportHealthRequest::default() };
    let verdict = built_in.judge(&report).expect("judged");
    assert_eq!(verdict.history_revision, None);
    assert_eq!(verdict.reported.len(), 1, "but it is remembered, unless it is of no kind");
    let node = Node::new("history.count('xid', '24h') > 1");
    let checks_alone = node.policy.judge(&ReportHealthRequest::default()).expect("judged");
    assert_eq!(checks_alone.history_revision, None);
}

/// A condition; where its mistake is shown; what is said.
const MISTAKES: [(&str, &str, &str); 17] = [
    (
        "history.count('xxid', '10m') > 3",
        "5:21",
        "unknown kind of event `xxid`; did you mean \"xid\"?",
    ),
    ("history.count('fire', '10m') > 3", "5:21", "there are xid, thermal, power, memory, nvlink,"),
    ("history.count('xid:sixty', '10m') > 3", "5:21", "`sixty` is no XID number"),
    ("history.count('ecc_sbe:3', '10m') > 3", "5:21", "only XIDs have numbers: write \"ecc_sbe\""),
    ("history.count('xid', '10 minutes') > 3", "5:28", "`10 minutes` is not a duration"),
    ("history.count('xid', '10') > 3", "5:28", "`10` has no unit"),
    ("history.count('xid', '8d') > 3", "5:28", "`8d` is not a duration"),
    ("history.count('xid', '169h') > 3", "5:28", "a window of 169h, and it may be 1s to 168h"),
    ("history.count('xid', '10ms') > 3", "5:28", "a window of 10ms, and it may be 1s to 168h"),
    ("history.count('xid') > 3", "5:7", "a kind of event and a window"),
    ("history.count(event.event_type, '10m') > 3", "", "expected a kind of event"),
    ("history.since('xid', '10m') > 3", "5:7", "one kind of event"),
    ("history.distinct('ecc_sbe', '10m') > 3", "5:7", "takes \"xid\" alone; use `count`"),
    ("history.counts('xid', '10m') > 3", "", "unknown function `counts`"),
    ("history.node.count('xid', '10m') > 3", "", "unknown"),
    ("history == 3", "5:7", "it has `count`, `distinct` and `since`"),
    ("event.metrics.all(history, true)", "", "`history` cannot be a loop's variable"),
];

/// Without it a mistyped window would only show when the fifth GPU breaks.
#[test]
fn mistakes_are_shown_with_their_place() {
    for (condition, place, said) in MISTAKES {
        let text = format!(
            "version: v1\nrules:\n  - name: r\n    condition: |\n      {condition}\n    result: unhealthy\n"
        );
        let refused = Policy::compile(&text, 1).expect_err(condition).to_string();
        assert!(refused.contains(said), "{condition}: {refused}");
        assert!(refused.starts_with(&format!("health policy:{place}")), "{condition}: {refused}");
    }
}
