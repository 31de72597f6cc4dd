//! Rules on trial, and rules that fail: they decide nothing, and are told of.

use navarch_fleet::FleetState;
use navarch_proto::{
    api::{HealthEvent, HealthEventType, HealthStatus, ReportHealthRequest},
    fleet::RuleRemarkKind,
};

use super::{Policy, Verdict};

fn judge(rules: &str) -> Verdict {
    let text = format!("version: v1\nrules:\n{rules}");
    let policy = Policy::compile(&text, 1).unwrap_or_else(|error| panic!("{error}"));
    let event = HealthEvent {
        event_type: HealthEventType::Pcie.into(),
        gpu_index: 2,
        message: "replay".to_owned(),
        ..HealthEvent::default()
    };
    let report = ReportHealthRequest { events: vec![event; 2], ..ReportHealthRequest::default() };
    policy.judge(&report).expect("within bounds")
}

/// Without it a rule on trial could take machines out, hide the rules behind it, or leave no trace.
#[test]
fn a_rule_on_trial_is_told_of_and_otherwise_not_there() {
    let trial = "  - {name: trial, condition: 'true', result: unhealthy, shadow: true}\n";
    let real = "  - {name: real, condition: 'true', result: degraded}\n";
    let with = judge(&format!("{trial}{real}"));
    let without = judge(real);
    assert_eq!(with.shadowed.len(), 1);
    let shadowed = &with.shadowed[0];
    assert_eq!((shadowed.rule.as_str(), shadowed.result), ("trial", HealthStatus::Unhealthy));
    assert_eq!((shadowed.event.as_str(), shadowed.events), ("GPU 2, pcie: replay", 2));
    assert_eq!(Verdict { shadowed: Vec::new(), ..with }, without);
    // Behind a rule that matched it would not have been asked.
    assert_eq!(judge(&format!("{real}{trial}")).shadowed, []);
    // Alone, it leaves the policy as good as empty.
    assert_eq!(judge(trial).overall, HealthStatus::Healthy);
    let quiet = trial.replace("'true'", "'false'");
    let failing = "  - {name: failing, condition: 'event.metrics.absent > 1', result: degraded}\n";
    let degraded = judge(&format!("{quiet}{failing}"));
    assert_eq!(degraded.overall, HealthStatus::Degraded, "no real rule could be evaluated");
    let failing_trial = failing.replace("result: degraded", "result: degraded, shadow: true");
    let healthy = judge(&failing_trial);
    assert_eq!((healthy.overall, healthy.failures.len()), (HealthStatus::Healthy, 1));
    let wrong = "  - {name: a, condition: 'true', result: healthy, shadow: maybe}\n";
    let text = format!("version: v1\nrules:\n{wrong}");
    assert!(Policy::compile(&text, 1).is_err_and(|error| error.to_string().contains("shadow")));
}

/// Without it what decided nothing would be told under another name, or not enter the log at all.
#[test]
fn the_proposal_says_what_is_to_be_journalled() {
    let mut fleet = FleetState::default();
    let register = navarch_proto::fleet::Envelope {
        format: navarch_fleet::ENVELOPE_FORMAT,
        log_time_ms: 5,
        proposal: Some(navarch_proto::fleet::Proposal {
            kind: Some(navarch_proto::fleet::proposal::Kind::RegisterNode(
                navarch_proto::fleet::RegisterNode {
                    request: Some(navarch_proto::api::RegisterNodeRequest {
                        node_id: "n".to_owned(),
                        ..Default::default()
                    }),
                    request_id: String::new(),
                },
            )),
        }),
        ..Default::default()
    };
    fleet.apply(1, &prost::Message::encode_to_vec(&register)).expect("known");
    let verdict = judge(
        "  - {name: trial, condition: 'true', result: unhealthy, shadow: true}\n  \
           - {name: failing, condition: 'event.metrics.absent > 1', result: degraded}\n",
    );
    let node = fleet.node("n").expect("registered");
    let proposal = verdict.proposal(&fleet, node, "id".to_owned());
    let told: Vec<_> =
        proposal.remarks.iter().map(|one| (one.kind(), &*one.rule, &*one.text)).collect();
    assert_eq!(
        told,
        [
            (RuleRemarkKind::Failed, "failing", "could not be evaluated: No such key: absent"),
            (
                RuleRemarkKind::Shadowed,
                "trial",
                "rule trial on trial would say unhealthy: GPU 2, pcie: replay"
            ),
        ]
    );
    let event = proposal.deciding_event.expect("an event decided");
    assert_eq!((event.event_type(), event.gpu_index), (HealthEventType::Pcie, 2));
}
