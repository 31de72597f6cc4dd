use navarch_proto::fleet::{Autoscaling, autoscaling::Strategy};

/// Which figures a strategy goes by. Gathering them costs something, so nobody should for a pool that has no
/// use for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The utilisation now.
    pub utilization: bool,
    /// Its earlier samples.
    pub history: bool,
    /// Jobs that wait.
    pub pending_jobs: bool,
    /// Jobs that wait or run.
    pub queue_depth: bool,
}

impl Needs {
    /// The needs of a pool's strategy, its members and fallbacks included.
    pub fn of(strategy: Option<&Autoscaling>) -> Self {
        let Some(strategy) = strategy.and_then(|autoscaling| autoscaling.strategy.as_ref()) else {
            return Self::default();
        };
        match strategy {
            Strategy::Reactive(_) => Self { utilization: true, ..Self::default() },
            Strategy::Queue(_) => Self { pending_jobs: true, queue_depth: true, ..Self::default() },
            Strategy::Scheduled(scheduled) => Self::of(scheduled.fallback.as_deref()),
            Strategy::Predictive(predictive) => {
                let fallback = Self::of(predictive.fallback.as_deref());
                Self { utilization: true, history: true, ..fallback }
            }
            Strategy::Composite(composite) => {
                let members = composite.autoscalers.iter().map(|member| Self::of(Some(member)));
                members.fold(Self::default(), Self::or)
            }
        }
    }

    /// Whether nothing is needed.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    fn or(self, other: Self) -> Self {
        Self {
            utilization: self.utilization || other.utilization,
            history: self.history || other.history,
            pending_jobs: self.pending_jobs || other.pending_jobs,
            queue_depth: self.queue_depth || other.queue_depth,
        }
    }
}

#[cfg(test)]
mod tests {
    use navarch_proto::fleet::{Composite, Predictive, Queue, Reactive, Scheduled};

    use super::*;

    fn of(strategy: Strategy) -> Autoscaling {
        Autoscaling { strategy: Some(strategy) }
    }

    /// Without it a strategy would hold for ever for figures that nobody gathers, or all nodes be walked for a
    /// pool that follows a clock.
    #[test]
    fn strategies_need_what_they_and_their_members_go_by() {
        let queue = || of(Strategy::Queue(Queue { jobs_per_node: 1 }));
        let reactive = || of(Strategy::Reactive(Reactive::default()));
        let scheduled = |fallback: Option<Autoscaling>| {
            let fallback = fallback.map(Box::new);
            of(Strategy::Scheduled(Box::new(Scheduled { fallback, ..Scheduled::default() })))
        };
        let predictive = |fallback: Option<Autoscaling>| {
            let fallback = fallback.map(Box::new);
            of(Strategy::Predictive(Box::new(Predictive { fallback, ..Predictive::default() })))
        };
        let composite = of(Strategy::Composite(Composite {
            autoscalers: vec![scheduled(None), queue(), predictive(None)],
            ..Composite::default()
        }));
        for (strategy, expected) in [
            (reactive(), "u"),
            (queue(), "pq"),
            (scheduled(None), ""),
            (scheduled(Some(reactive())), "u"),
            (predictive(None), "uh"),
            (predictive(Some(queue())), "uhpq"),
            (composite, "uhpq"),
            (Autoscaling::default(), ""),
        ] {
            let needs = Needs::of(Some(&strategy));
            let letters: String = [
                (needs.utilization, 'u'),
                (needs.history, 'h'),
                (needs.pending_jobs, 'p'),
                (needs.queue_depth, 'q'),
            ]
            .into_iter()
            .filter_map(|(needed, letter)| needed.then_some(letter))
            .collect();
            assert_eq!(letters, expected, "{strategy:?}");
            assert_eq!(needs.is_none(), expected.is_empty());
        }
        assert!(Needs::of(None).is_none());
    }
}
