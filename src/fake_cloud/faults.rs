//! What goes wrong, how often: decided by the plan's seed and the number of the request since the plan was
//! set, so that the same requests in the same order meet the same faults.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Faults in one plan.
const FAULT_LIMIT: usize = 32;

/// Longest `delay_ms`.
const DELAY_LIMIT_MS: u64 = 600_000;

/// How far back a stale list looks at most.
pub const STALE_LIMIT: Duration = Duration::from_secs(60);

/// What `PUT /v1/faults` sets. An empty list clears.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultPlan {
    /// Decides which requests are hit.
    #[serde(default)]
    pub seed: u64,
    /// Each is drawn for on its own; of several that hit, all `slow` ones and the first other one count.
    pub faults: Vec<Fault>,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// The share of the requests it can apply to, 0 to 1.
    #[serde(default = "always")]
    pub rate: f64,
    /// How long, in milliseconds; what it is that takes so long depends on the kind.
    #[serde(default)]
    pub delay_ms: u64,
}

fn always() -> f64 {
    1.0
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// A purchase or termination takes effect; after `delay_ms` the connection is closed without an answer.
    SuccessThenTimeout,
    /// A purchase is answered 500 and takes effect `delay_ms` later, unless its key is asked again before:
    /// that settles it at once.
    DelayedCommit,
    /// 429; `retry-after` is `delay_ms` in whole seconds, at least 1.
    RateLimited,
    /// 500 without effect.
    ErrorBefore,
    /// 500 after the effect.
    ErrorAfter,
    /// A purchase is refused with `insufficient_capacity`, unless its key has bought a machine before.
    NoCapacity,
    /// A listing shows the machines of `delay_ms` ago, at most 60 s.
    StaleList,
    /// A machine that is there is answered 404, to `GET` and to `DELETE`.
    #[serde(rename = "spurious_404")]
    Spurious404,
    /// Everything takes `delay_ms` longer.
    Slow,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::SuccessThenTimeout,
        Self::DelayedCommit,
        Self::RateLimited,
        Self::ErrorBefore,
        Self::ErrorAfter,
        Self::NoCapacity,
        Self::StaleList,
        Self::Spurious404,
        Self::Slow,
    ];

    /// Whether it can hit a request of that kind.
    pub fn applies_to(self, operation: Operation) -> bool {
        match self {
            Self::SuccessThenTimeout => {
                matches!(operation, Operation::Order | Operation::Terminate)
            }
            Self::DelayedCommit | Self::NoCapacity => operation == Operation::Order,
            Self::StaleList => operation == Operation::List,
            Self::Spurious404 => matches!(operation, Operation::Get | Operation::Terminate),
            Self::RateLimited | Self::ErrorBefore | Self::ErrorAfter | Self::Slow => true,
        }
    }
}

/// The protocol's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `POST /v1/instances`.
    Order,
    /// `GET /v1/instances`.
    List,
    /// `GET /v1/instances/{id}`.
    Get,
    /// `DELETE /v1/instances/{id}`.
    Terminate,
    /// `GET /v1/instance-types`.
    Types,
}

/// Why a plan is not taken.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanRefused {
    /// A rate outside 0..=1.
    #[error("rate is {0}; it must lie between 0 and 1")]
    Rate(f64),
    /// A delay over the limit.
    #[error("delay_ms is {0}; the limit is {DELAY_LIMIT_MS}")]
    Delay(u64),
    /// Too many faults.
    #[error("{0} faults; the limit is {FAULT_LIMIT}")]
    TooMany(usize),
}

impl FaultPlan {
    /// Checks the numbers.
    ///
    /// # Errors
    ///
    /// The first that is out of its range.
    pub fn check(&self) -> Result<(), PlanRefused> {
        if self.faults.len() > FAULT_LIMIT {
            return Err(PlanRefused::TooMany(self.faults.len()));
        }
        for fault in &self.faults {
            if !(0.0..=1.0).contains(&fault.rate) {
                return Err(PlanRefused::Rate(fault.rate));
            }
            if fault.delay_ms > DELAY_LIMIT_MS {
                return Err(PlanRefused::Delay(fault.delay_ms));
            }
        }
        Ok(())
    }

    /// What hits the request with the number `request`.
    fn draw(&self, request: u64, operation: Operation) -> Hit {
        let mut hit = Hit::default();
        for (place, fault) in (0_u64..).zip(&self.faults) {
            let applies = fault.kind.applies_to(operation);
            if !applies || chance(self.seed, request, place) >= fault.rate {
                continue;
            }
            let delay = Duration::from_millis(fault.delay_ms);
            if fault.kind == FaultKind::Slow {
                hit.slow += delay;
            } else if hit.fault.is_none() {
                hit.fault = Some((fault.kind, delay));
            }
        }
        hit
    }
}

/// A number in 0..1 that looks random and depends on nothing but the arguments, on any version of anything.
#[allow(clippy::cast_precision_loss, reason = "53 bits fit a double without loss")]
fn chance(seed: u64, request: u64, place: u64) -> f64 {
    let mut hasher = blake3::Hasher::new();
    for part in [seed, request, place] {
        hasher.update(&part.to_le_bytes());
    }
    let mut bytes = [0; 8];
    hasher.finalize_xof().fill(&mut bytes);
    (u64::from_le_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64
}

/// What hits one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hit {
    /// How much longer it takes.
    pub slow: Duration,
    /// What else goes wrong, and its delay.
    pub fault: Option<(FaultKind, Duration)>,
}

impl Hit {
    /// The delay of the fault of that kind, if that is what hits.
    pub fn of(&self, kind: FaultKind) -> Option<Duration> {
        self.fault.filter(|(hit, _)| *hit == kind).map(|(_, delay)| delay)
    }
}

/// The plan in force.
#[derive(Debug, Default)]
pub struct Faults {
    plan: FaultPlan,
    requests: u64,
}

impl Faults {
    /// Puts `plan` in force; requests are counted from 0 again.
    pub fn set(&mut self, plan: FaultPlan) {
        self.plan = plan;
        self.requests = 0;
    }

    /// The plan in force.
    pub fn plan(&self) -> &FaultPlan {
        &self.plan
    }

    /// What hits the next request.
    pub fn next(&mut self, operation: Operation) -> Hit {
        let request = self.requests;
        self.requests += 1;
        self.plan.draw(request, operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPERATIONS: [Operation; 5] =
        [Operation::Order, Operation::List, Operation::Get, Operation::Terminate, Operation::Types];

    fn plan(seed: u64, rate: f64) -> FaultPlan {
        FaultPlan {
            seed,
            faults: FaultKind::ALL
                .into_iter()
                .map(|kind| Fault { kind, rate, delay_ms: 1 })
                .collect(),
        }
    }

    fn run(seed: u64, rate: f64) -> Vec<Hit> {
        let mut faults = Faults::default();
        faults.set(plan(seed, rate));
        (0..1_000).map(|request| faults.next(OPERATIONS[request % OPERATIONS.len()])).collect()
    }

    /// Without it a failing seed could not be run again.
    #[test]
    fn a_seed_decides() {
        assert_eq!(run(1, 0.2), run(1, 0.2));
        assert_ne!(run(1, 0.2), run(2, 0.2));
        assert!(run(1, 0.0).iter().all(|hit| *hit == Hit::default()));
    }

    /// Without it a rate would be something else than a share.
    #[test]
    fn rates_are_shares() {
        let faults = vec![Fault { kind: FaultKind::Slow, rate: 0.2, delay_ms: 1 }];
        let plan = FaultPlan { seed: 7, faults };
        let hits = (0..10_000)
            .filter(|&request| !plan.draw(request, Operation::Get).slow.is_zero())
            .count();
        assert!((1_800..2_200).contains(&hits), "{hits}");
    }

    /// Without it a plan with a slip of the pen would silently do something else.
    #[test]
    fn plans_are_checked() {
        let parse = |text| serde_json::from_str::<FaultPlan>(text);
        assert_eq!(parse(r#"{"faults":[]}"#).unwrap(), FaultPlan::default());
        for text in [
            r#"{"faults":[{"kind":"sharks"}]}"#,
            r#"{"faults":[{"kind":"slow","delay":1}]}"#,
            r"{}",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(matches!(plan(0, 1.1).check(), Err(PlanRefused::Rate(_))));
        assert!(matches!(plan(0, f64::NAN).check(), Err(PlanRefused::Rate(_))));
        assert_eq!(plan(0, 1.0).check(), Ok(()));
    }

    /// Without it the names on the wire could drift from the contract's.
    #[test]
    fn kinds_have_the_contracts_names() {
        let names: Vec<String> = FaultKind::ALL
            .into_iter()
            .map(|kind| serde_json::to_value(kind).unwrap().as_str().unwrap().to_owned())
            .collect();
        let contract = "success_then_timeout delayed_commit rate_limited error_before error_after \
                        no_capacity stale_list spurious_404 slow";
        assert_eq!(names.join(" "), contract);
    }
}
