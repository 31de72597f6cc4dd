//! The built-in policy against the facts that it must state.

use navarch_proto::api::{
    HealthCheckResult, HealthEvent, HealthEventType as Type, HealthStatus,
    HealthWatchSystem as System, ReportHealthRequest,
};

use super::{CHECK_NAME, Policy, Verdict};

const HEALTHY: HealthStatus = HealthStatus::Healthy;
const DEGRADED: HealthStatus = HealthStatus::Degraded;
const UNHEALTHY: HealthStatus = HealthStatus::Unhealthy;

fn event(kind: Type, system: System, metrics: &[(&str, &str)]) -> HealthEvent {
    HealthEvent {
        event_type: kind.into(),
        system: system.into(),
        metrics: metrics
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..HealthEvent::default()
    }
}

fn judge(events: Vec<HealthEvent>) -> Verdict {
    let policy = Policy::compile("", 7).expect("compiles");
    let report = ReportHealthRequest { events, ..ReportHealthRequest::default() };
    policy.judge(&report).expect("within bounds")
}

/// Without it an XID could change its meaning, and a machine be kept or thrown away for nothing.
#[test]
fn every_xid() {
    const FATAL: [u32; 20] =
        [13, 31, 32, 43, 45, 48, 61, 62, 63, 64, 68, 69, 74, 79, 92, 94, 95, 100, 119, 120];
    let policy = Policy::compile("", 0).expect("compiles");
    for xid in 0..=200 {
        let report = ReportHealthRequest {
            events: vec![event(Type::Xid, System::Unknown, &[("xid_code", &xid.to_string())])],
            ..ReportHealthRequest::default()
        };
        let verdict = policy.judge(&report).expect("within bounds");
        let expected = if FATAL.contains(&xid) { UNHEALTHY } else { DEGRADED };
        assert_eq!(verdict.overall, expected, "XID {xid}");
        assert_eq!(verdict.failures, [], "XID {xid}");
    }
}

/// Event type, watched system, metrics; what it must come to, and by which rule.
type Row = (Type, System, &'static [(&'static str, &'static str)], HealthStatus, &'static str);

const ROWS: [Row; 27] = [
    (Type::Xid, System::Unknown, &[], DEGRADED, "other-xid"),
    (Type::Xid, System::Unknown, &[("xid_code", "many")], DEGRADED, "other-xid"),
    (Type::Xid, System::Unknown, &[("xid_code", "79.0")], UNHEALTHY, "fatal-xid"),
    (Type::EccDbe, System::Unknown, &[], UNHEALTHY, "double-bit-ecc"),
    (Type::Memory, System::Mem, &[("ecc_dbe_count", "1")], UNHEALTHY, "double-bit-ecc"),
    (Type::Memory, System::Mem, &[("ecc_dbe_count", "0")], HEALTHY, ""),
    (Type::Memory, System::Mem, &[], HEALTHY, ""),
    (Type::Memory, System::Sm, &[("ecc_dbe_count", "1")], HEALTHY, ""),
    (Type::EccSbe, System::Unknown, &[("ecc_sbe_count", "101")], DEGRADED, "many-single-bit-ecc"),
    (Type::EccSbe, System::Unknown, &[("ecc_sbe_count", "100")], HEALTHY, ""),
    (Type::EccSbe, System::Unknown, &[], HEALTHY, ""),
    (Type::Memory, System::Mem, &[("ecc_sbe_count", "101")], DEGRADED, "many-single-bit-ecc"),
    (Type::Thermal, System::Thermal, &[("temperature", "95")], UNHEALTHY, "critical-temperature"),
    (Type::Thermal, System::Unknown, &[("temperature", "94.9")], DEGRADED, "high-temperature"),
    (Type::Thermal, System::Unknown, &[("temperature", "85")], DEGRADED, "high-temperature"),
    (Type::Thermal, System::Unknown, &[("temperature", "84")], HEALTHY, ""),
    (Type::Thermal, System::Unknown, &[], HEALTHY, ""),
    (Type::Unknown, System::Thermal, &[("temperature", "96")], UNHEALTHY, "critical-temperature"),
    (Type::Nvlink, System::Unknown, &[], DEGRADED, "nvlink"),
    (Type::Unknown, System::Nvlink, &[], DEGRADED, "nvlink"),
    (Type::Pcie, System::Unknown, &[], DEGRADED, "pcie"),
    (Type::Unknown, System::Pcie, &[], DEGRADED, "pcie"),
    (Type::Power, System::Unknown, &[], DEGRADED, "power"),
    (Type::Unknown, System::Power, &[], DEGRADED, "power"),
    (Type::DriverError, System::Driver, &[], HEALTHY, ""),
    (Type::Unknown, System::Unknown, &[("temperature", "99")], HEALTHY, ""),
    (Type::Unknown, System::Nvswitch, &[], HEALTHY, ""),
];

/// Without it a threshold could be off by one, or an event without figures be taken for the worst.
#[test]
fn every_other_rule() {
    for (kind, system, metrics, expected, rule) in ROWS {
        let verdict = judge(vec![event(kind, system, metrics)]);
        let seen = (verdict.overall, verdict.rule.as_str());
        assert_eq!(seen, (expected, rule), "{kind:?} {system:?} {metrics:?}");
        assert_eq!(verdict.events, expected);
        assert_eq!(verdict.failures, [], "{kind:?} {system:?} {metrics:?}");
    }
}

/// Without it numbers that this version does not know could be refused, or be taken for something
/// else.
#[test]
fn numbers_from_the_future_are_unknown() {
    let future = HealthEvent { event_type: 99, system: -5, ..HealthEvent::default() };
    let verdict = judge(vec![future]);
    assert_eq!((verdict.overall, verdict.failures), (HEALTHY, vec![]));
}

/// Without it one healthy event could outweigh a broken GPU, or the reason name the wrong one.
#[test]
fn the_worst_of_many_decides() {
    let mut fatal = event(Type::Xid, System::Unknown, &[("xid_code", "79")]);
    fatal.gpu_index = 3;
    fatal.message = "fallen off\nthe bus".to_owned();
    fatal.timestamp = Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 5 });
    let mild = event(Type::Pcie, System::Pcie, &[]);
    let verdict = judge(vec![mild.clone(), fatal, mild]);
    assert_eq!(verdict.overall, UNHEALTHY);
    assert_eq!(verdict.checks, HealthStatus::Unknown);
    assert_eq!(verdict.rule, "fatal-xid");
    assert_eq!(verdict.reason, "rule fatal-xid, GPU 3, xid: fallen off the bus");
    assert_eq!(verdict.policy_revision, 7);
    let result = verdict.policy_result.expect("a result");
    assert_eq!(result.check_name, CHECK_NAME);
    assert_eq!(result.status(), UNHEALTHY);
    assert_eq!(result.details["rule"], "fatal-xid");
    assert_eq!(result.timestamp.expect("a time").seconds, 1_700_000_000);
}

/// Without it check results could be ignored beside events, or the other way round.
#[test]
fn checks_and_events_together() {
    let check = |name: &str, status: HealthStatus| HealthCheckResult {
        check_name: name.to_owned(),
        status: status.into(),
        message: format!("{name} says so"),
        ..HealthCheckResult::default()
    };
    let policy = Policy::compile("", 0).expect("compiles");
    let pcie = || vec![event(Type::Pcie, System::Pcie, &[])];
    for (results, events, overall, rule, reason) in [
        (vec![], vec![], HealthStatus::Unknown, "", ""),
        (vec![check("nvml", HEALTHY)], vec![], HEALTHY, "", ""),
        (
            vec![check("nvml", HEALTHY), check("xid", DEGRADED)],
            vec![],
            DEGRADED,
            "xid",
            "xid says so",
        ),
        (vec![check("nvml", UNHEALTHY)], pcie(), UNHEALTHY, "nvml", "nvml says so"),
        (vec![check("nvml", DEGRADED)], pcie(), DEGRADED, "pcie", "rule pcie, GPU 0, pcie"),
        (
            vec![check("nvml", HealthStatus::Unknown)],
            pcie(),
            DEGRADED,
            "pcie",
            "rule pcie, GPU 0, pcie",
        ),
    ] {
        let report = ReportHealthRequest { results, events, ..ReportHealthRequest::default() };
        let verdict = policy.judge(&report).expect("within bounds");
        let seen = (verdict.overall, verdict.rule.as_str(), verdict.reason.as_str());
        assert_eq!(seen, (overall, rule, reason), "{report:?}");
        assert_eq!(verdict.policy_result.is_some(), !report.events.is_empty());
    }
}
