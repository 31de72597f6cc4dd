use navarch_proto::{
    api::{HealthCheckResult, HealthEvent, HealthEventType, HealthStatus},
    fleet::{ApplyFleetSpec, Envelope, FleetSpec, Proposal, proposal::Kind},
};

use super::*;

/// A fleet whose log holds a policy that this build does not take.
fn skewed() -> FleetState {
    let mut fleet = FleetState::default();
    let spec =
        FleetSpec { policy_yaml: "version: v9\nrules: []\n".to_owned(), ..FleetSpec::default() };
    let apply = ApplyFleetSpec { spec: Some(spec), ..ApplyFleetSpec::default() };
    let proposal = Some(Proposal { kind: Some(Kind::ApplyFleetSpec(apply)) });
    let format = navarch_fleet::ENVELOPE_FORMAT;
    let envelope = Envelope { format, log_time_ms: 5, proposal, ..Envelope::default() };
    fleet.apply(1, &prost::Message::encode_to_vec(&envelope)).expect("known");
    fleet
}

fn report(results: &[HealthStatus], events: usize) -> ReportHealthRequest {
    let result = |status: &HealthStatus| HealthCheckResult {
        check_name: "nvml".to_owned(),
        status: (*status).into(),
        ..HealthCheckResult::default()
    };
    let xid = HealthEvent { event_type: HealthEventType::Xid.into(), ..HealthEvent::default() };
    ReportHealthRequest {
        node_id: "n1".to_owned(),
        results: results.iter().map(result).collect(),
        events: vec![xid; events],
    }
}

/// Without it a replica of an older build that leads would refuse every report until the policy changes, failed checks
/// included, or take machines out by guess.
#[tokio::test(flavor = "current_thread")]
async fn without_a_policy_checks_count_and_events_are_degraded() {
    use HealthStatus::{Degraded, Healthy, Unhealthy};

    let fleet = skewed();
    let judge = Judge::default();
    for (results, events, overall, decided) in [
        (&[Healthy][..], 0, Healthy, ""),
        (&[Unhealthy], 0, Unhealthy, "nvml"),
        (&[Healthy], 2, Degraded, ""),
        (&[Unhealthy], 2, Unhealthy, "nvml"),
    ] {
        let came = (LogTime::from_ms(9), "r1");
        let verdict = judge.judge(&fleet, &report(results, events), came).await.unwrap();
        assert_eq!((verdict.overall, verdict.rule.as_str()), (overall, decided));
        assert_eq!(verdict.policy_revision, fleet.policy_revision());
        assert_eq!(verdict.reported.len(), events, "they join the history all the same");
    }
    let problem = judge.problem(&fleet).expect("it does not compile");
    assert!(problem.contains("version"), "{problem}");
    assert_eq!(judge.problem(&FleetState::default()), None);
}

/// Without it every report would compile the bad policy again, one after the other.
#[test]
fn a_refused_policy_is_compiled_once_a_revision() {
    let fleet = skewed();
    let judge = Judge::default();
    let first = judge.compiled(&fleet).policy;
    assert!(Arc::ptr_eq(&first, &judge.compiled(&fleet).policy));
}

/// Without it a thousand events under a slow policy would keep a thread from everything else for seconds.
#[tokio::test(flavor = "current_thread")]
async fn a_long_report_lets_others_have_their_turn() {
    let (fleet, judge) = (FleetState::default(), Judge::default());
    let long = report(&[], 1_000);
    let other = std::cell::Cell::new(0_u64);
    let count = async {
        loop {
            other.set(other.get() + 1);
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        verdict = judge.judge(&fleet, &long, (LogTime::from_ms(9), "r1")) => drop(verdict.unwrap()),
        () = count => {}
    }
    let most_us = Policy::compile("", 0).unwrap().most_us();
    let least = 1_000 / TURN_US.div_ceil(most_us).max(1) / 2;
    assert!(other.get() >= least.max(1), "{} turns of {least}", other.get());
}
