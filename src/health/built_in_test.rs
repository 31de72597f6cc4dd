//! The built-in policy against the facts that it must state.

use std::sync::LazyLock;

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
    static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy::compile("", 7).expect("compiles"));
    let policy = &*POLICY;
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

/// What the contract says of the built-in policy, in another language than the policy's.
fn fact(kind: Type, system: System, metrics: &[(&str, &str)]) -> HealthStatus {
    const FATAL: [u32; 20] =
        [13, 31, 32, 43, 45, 48, 61, 62, 63, 64, 68, 69, 74, 79, 92, 94, 95, 100, 119, 120];
    let figure = |wanted: &str| {
        let found = metrics.iter().find(|(name, _)| *name == wanted);
        found.and_then(|(_, value)| value.parse::<f64>().ok())
    };
    if kind == Type::Xid {
        let fatal = figure("xid_code")
            .is_some_and(|xid| FATAL.iter().any(|fatal| f64::from(*fatal) == xid));
        return if fatal { UNHEALTHY } else { DEGRADED };
    }
    let above = |name: &str, limit: f64| figure(name).is_some_and(|value| value > limit);
    let hot = |limit: f64| {
        (kind == Type::Thermal || system == System::Thermal)
            && figure("temperature").is_some_and(|value| value >= limit)
    };
    if kind == Type::EccDbe || (system == System::Mem && above("ecc_dbe_count", 0.0)) {
        return UNHEALTHY;
    }
    // Of an event that several rules match the first decides.
    if above("ecc_sbe_count", 100.0) {
        return DEGRADED;
    }
    if hot(95.0) {
        return UNHEALTHY;
    }
    let links = [Type::Nvlink, Type::Pcie, Type::Power].contains(&kind)
        || [System::Nvlink, System::Pcie, System::Power].contains(&system);
    if hot(85.0) || links { DEGRADED } else { HEALTHY }
}

/// Without it a rule could be right alone and wrong beside the others, for a kind, a watch and figures that no single
/// row above has together.
#[test]
fn every_kind_with_every_watch_and_figures() {
    const FIGURES: [&[(&str, &str)]; 16] = [
        &[],
        &[("xid_code", "79")],
        &[("xid_code", "78")],
        &[("xid_code", "-79")],
        &[("ecc_dbe_count", "0")],
        &[("ecc_dbe_count", "1")],
        &[("ecc_sbe_count", "100")],
        &[("ecc_sbe_count", "101")],
        &[("temperature", "84.99")],
        &[("temperature", "85")],
        &[("temperature", "94.99")],
        &[("temperature", "95")],
        &[("temperature", "inf")],
        &[("ecc_dbe_count", "1"), ("ecc_sbe_count", "101"), ("temperature", "95")],
        &[("ecc_sbe_count", "101"), ("temperature", "95")],
        &[("xid_code", "79"), ("temperature", "95"), ("other", "text")],
    ];
    let mut tried = 0;
    for kind in (0..=9).filter_map(|number| Type::try_from(number).ok()) {
        for system in (0..=11).filter_map(|number| System::try_from(number).ok()) {
            for metrics in FIGURES {
                let verdict = judge(vec![event(kind, system, metrics)]);
                let expected = fact(kind, system, metrics);
                assert_eq!(verdict.overall, expected, "{kind:?} {system:?} {metrics:?}");
                assert_eq!(verdict.failures, [], "{kind:?} {system:?} {metrics:?}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 10 * 12 * 16);
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
