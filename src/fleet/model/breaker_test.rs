use super::*;

fn forced(open: bool, until_ms: u64) -> Option<BreakerOverride> {
    Some(BreakerOverride {
        open,
        at: LogTime::from_ms(10),
        until: LogTime::from_ms(until_ms),
        reason: "r".into(),
        actor: "operator".into(),
    })
}

fn opening() -> Option<Opening> {
    Some(Opening {
        at: LogTime::from_ms(5),
        reason: "o".into(),
        counts: BreakerCounts::default(),
        calm_since: None,
    })
}

/// Without it an override would be weaker than the breaker, or outlive its time.
#[test]
fn an_override_decides_until_it_runs_out() {
    let table = [
        (None, None, false, None, ""),
        (opening(), None, true, Some(5), "o"),
        (opening(), forced(false, 21), false, None, "r"),
        (opening(), forced(false, 20), true, Some(5), "o"),
        (None, forced(true, 21), true, Some(10), "r"),
        (None, forced(true, 20), false, None, ""),
        (opening(), forced(true, 21), true, Some(5), "r"),
    ];
    let now = LogTime::from_ms(20);
    for (opening, forced, open, since, reason) in table {
        let breaker = Breaker { opening, forced, ..Breaker::default() };
        let since = since.map(LogTime::from_ms);
        let told = (breaker.is_open(now), breaker.open_since(now), breaker.reason(now));
        assert_eq!(told, (open, since, reason), "{breaker:?}");
    }
}

/// Without it the end of a forced stop would declare at once lost whoever was silent meanwhile.
#[test]
fn silence_counts_from_the_end_of_a_forced_stop() {
    let breaker = |forced| Breaker { forced, ..Breaker::default() };
    let now = LogTime::from_ms(20);
    assert_eq!(breaker(forced(true, 15)).resumed(now), Some(LogTime::from_ms(15)));
    assert_eq!(breaker(forced(true, 25)).resumed(now), None);
    assert_eq!(breaker(forced(false, 15)).resumed(now), None);
    let resumed_at = Some(LogTime::from_ms(17));
    let both = Breaker { resumed_at, forced: forced(true, 15), ..Breaker::default() };
    assert_eq!(both.resumed(now), resumed_at);
}

/// Without it one breaker would stand for two zones, because agents name their regions as they like.
#[test]
fn zones_are_shown_apart() {
    let key = |provider: &str, region: &str, zone: &str| {
        let zone = Zone { provider: provider.into(), region: region.into(), zone: zone.into() };
        BreakerKey::zone(&zone).name.to_string()
    };
    let shown = [
        key("cloud", "west", "a"),
        key("cloud/west", "a", ""),
        key("cloud", "west/a", ""),
        key("cloud%2Fwest", "a", ""),
    ];
    assert_eq!(shown, ["cloud/west/a", "cloud%2Fwest/a/", "cloud/west%2Fa/", "cloud%252Fwest/a/"]);
}
