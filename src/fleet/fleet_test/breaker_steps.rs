//! Steps of random histories that are about breakers.

use navarch_proto::fleet::{
    BreakerCounts, BreakerForce, BreakerScope, ClearRuleVerdicts, OverrideBreaker, RecordBreaker,
    proposal::Kind,
};

use super::harness::Fleet;
use crate::BreakerKey;

/// The verb, and small numbers that become names, times and revisions.
pub(super) fn kind((verb, one, two, three): (u8, u8, u8, u8), fleet: &Fleet) -> Kind {
    let key = match one {
        0 | 1 => BreakerKey::fleet(),
        2 | 3 => BreakerKey::pool(["a", "b", "c", ""][usize::from(two % 4)]),
        _ => match fleet.state.zones().next() {
            Some((zone, _)) => BreakerKey::zone(zone),
            None => BreakerKey::pool("a"),
        },
    };
    let scope = match key.scope {
        crate::BreakerScope::Fleet => BreakerScope::Fleet,
        crate::BreakerScope::Pool => BreakerScope::Pool,
        crate::BreakerScope::Zone => BreakerScope::Zone,
    };
    let seen = fleet.state.breaker(&key).map_or(0, |breaker| breaker.revision.0);
    let (name, reason) = (key.name.to_string(), format!("reason {}", three % 3));
    match verb {
        48 | 49 => Kind::RecordBreaker(RecordBreaker {
            scope: scope.into(),
            name,
            open: two > 2,
            reason,
            counts: Some(BreakerCounts { silent: u32::from(three), size: 9, ..Default::default() }),
            calm_since_ms: if three > 5 { fleet.now_ms } else { 0 },
            breaker_revision: seen + u64::from(three == 0),
        }),
        50 => Kind::OverrideBreaker(OverrideBreaker {
            scope: scope.into(),
            name,
            force: match three % 3 {
                0 => BreakerForce::None,
                1 => BreakerForce::Closed,
                _ => BreakerForce::Open,
            }
            .into(),
            duration_ms: u64::from(two) * 60_000,
            reason,
            breaker_revision: if one == 1 { seen + 1 } else { 0 },
        }),
        _ => Kind::ClearRuleVerdicts(ClearRuleVerdicts {
            rule: format!("rule {}", three % 4),
            pool: if two > 2 { "a".to_owned() } else { String::new() },
            reason,
        }),
    }
}
