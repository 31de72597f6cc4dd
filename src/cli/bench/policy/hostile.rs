use navarch_fleet::{LogTime, NodeHistory, RememberedEvent};
use navarch_proto::api::{HealthEvent, HealthEventType};

use crate::health::Policy;

/// A way to make a policy slow.
pub(super) struct Attack {
    /// What it does.
    pub(super) name: &'static str,
    /// A condition that does it so many times.
    condition: fn(usize) -> String,
}

/// Ways round bounds of length and depth.
pub(super) const ATTACKS: [Attack; 12] = [
    Attack { name: "many comparisons", condition: |times| any("event.gpu_index == 77", times) },
    Attack {
        name: "texts doubled",
        condition: |times| format!("({}) == 'x'", sum("event.message", times)),
    },
    Attack {
        name: "texts doubled in a loop",
        condition: |times| format!("[event.message].exists(m, ({}) == 'x')", sum("m", times)),
    },
    Attack {
        name: "texts searched",
        condition: |times| any("event.message.contains('xxxxxxxxxxxxxxxxy')", times),
    },
    Attack {
        name: "texts searched in a loop",
        condition: |times| {
            let search = any("event.message.contains('xxxxxxxxxy')", times);
            format!("event.metrics.exists(m, {search})")
        },
    },
    Attack {
        name: "regular expressions",
        condition: |times| any("event.message.matches('(x|xx|xxx)*(y|z)[a-c]{9}$')", times),
    },
    Attack {
        name: "comparisons in a loop",
        condition: |times| format!("event.metrics.exists(m, {})", any("m == '7'", times)),
    },
    Attack {
        name: "a list made and searched",
        condition: |times| {
            let search = any("x.contains('zz')", times);
            format!("event.metrics.map(m, event.message + m).exists(x, {search})")
        },
    },
    Attack {
        name: "maps copied into errors",
        condition: |times| any("event.metrics + 1 == 2", times),
    },
    Attack {
        name: "maps copied into lists",
        condition: |times| format!("[{}] == []", vec!["event.metrics"; times].join(", ")),
    },
    Attack {
        name: "times read",
        condition: |times| any("timestamp(event.timestamp).getHours() == 77", times),
    },
    Attack { name: "looks at a full history", condition: looks },
];

impl Attack {
    /// The policy of this kind that costs the most and is accepted: as many rules as can be, of one of several sizes.
    pub(super) fn costliest(&self) -> Option<Policy> {
        let sizes = [1, 2, 4, 8, 16, 32, 64, 128];
        let fitting = sizes.iter().filter_map(|size| self.most_rules(*size));
        fitting.max_by_key(Policy::most_us)
    }

    /// As many rules of a size as are accepted.
    fn most_rules(&self, size: usize) -> Option<Policy> {
        let mut best = self.policy(1, size)?;
        let (mut accepted, mut refused) = (1, 257);
        while refused - accepted > 1 {
            let middle = usize::midpoint(accepted, refused);
            match self.policy(middle, size) {
                Some(policy) => (best, accepted) = (policy, middle),
                None => refused = middle,
            }
        }
        Some(best)
    }

    fn policy(&self, rules: usize, size: usize) -> Option<Policy> {
        let condition = (self.condition)(size);
        let mut text = "version: v1\nrules:\n".to_owned();
        for number in 0..rules {
            text.push_str(&format!(
                "  - {{name: r{number}, result: degraded, condition: \"{condition}\"}}\n"
            ));
        }
        Policy::compile(&text, 0).ok()
    }
}

/// Joined so that the tree stays flat: `((a || a) || (a || a)) || ...`.
fn tree(part: &str, operator: &str, times: usize) -> String {
    match times {
        0 | 1 => part.to_owned(),
        _ => {
            let half = times / 2;
            let (left, right) = (tree(part, operator, half), tree(part, operator, times - half));
            format!("({left} {operator} {right})")
        }
    }
}

fn any(part: &str, times: usize) -> String {
    tree(part, "||", times)
}

fn sum(part: &str, times: usize) -> String {
    tree(part, "+", times)
}

/// Different ones, for the same one is answered anew each time as well, but only so many may be different.
fn looks(times: usize) -> String {
    let look =
        |number: usize| format!("history.distinct('xid', '{}s') == 777", 1_000 + number % 64);
    (0..times).map(look).collect::<Vec<_>>().join(" || ")
}

/// As much text and as many metrics as an event may have.
pub(super) fn worst_event() -> HealthEvent {
    let metric = |number: usize| (format!("{number:064}"), "x".repeat(150));
    HealthEvent {
        event_type: HealthEventType::Xid.into(),
        message: "x".repeat(4 * 1024),
        metrics: (0..256).map(metric).collect(),
        timestamp: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 5 }),
        ..HealthEvent::default()
    }
}

/// As many events of one kind as a node's history holds, all within any window.
pub(super) fn full_history() -> NodeHistory {
    let mut history = NodeHistory::default();
    for number in 0..128 {
        history.add(RememberedEvent {
            at: LogTime::from_ms(1_700_000_000_000),
            identity: number,
            kind: HealthEventType::Xid,
            code: u32::try_from(number).unwrap_or_default(),
            gpu_index: 0,
        });
    }
    history
}
