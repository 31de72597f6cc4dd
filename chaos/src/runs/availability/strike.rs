use std::{ops::Range, path::Path, time::Duration};

use navarch_host::Moment;

use super::{
    blow::{Blow, Load},
    subject::{Phases, Subject},
    tally::{Sample, Tally},
};
use crate::{
    error::ChaosError,
    host::Host,
    load::{Acknowledged, Curve, Stream},
    record::{FaultRecord, Injection},
    report::millis_of,
};

/// How long the group serves in peace before each blow: clients know the leader again, and what is usual is seen.
const PEACE: Duration = Duration::from_millis(700);

/// What acknowledgements are looked at after a leader has handed over.
const AFTERMATH: Duration = Duration::from_millis(500);

/// The same after the first write of a successor that took over unasked, under load: throughput comes back meanwhile.
const RECOVERY: Duration = Duration::from_millis(1_500);

/// A paused leader stands still at least so long: more than twice its lease.
const PAUSED: Duration = Duration::from_millis(1_500);

/// What all blows of one kind have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan<'a> {
    pub(super) blow: Blow,
    pub(super) load: Load,
    /// Clients under load.
    pub(super) many: usize,
    /// What stopped replicas are started as.
    pub(super) program: Option<&'a Path>,
    /// When the run began.
    pub(super) started: Moment,
}

/// A group under blows, and what they cost.
pub(super) struct Arm<S> {
    host: Host,
    pub(super) subject: S,
    pub(super) tally: Tally,
    pub(super) curve: Curve,
    /// Until when clients' answers are in the curve.
    told_until: Moment,
}

/// A blow under way.
struct Struck {
    victim: usize,
    /// Whether the victim led.
    led: bool,
    at: Moment,
    wall_ms: u64,
    /// From the fault until the first write that began after it was acknowledged; `None` where the longest time
    /// between two acknowledgements is looked at instead.
    first_write: Option<Duration>,
}

impl<S: Subject> Arm<S> {
    /// A group that was not struck yet.
    pub(super) fn new(host: &Host, subject: S, started: Moment) -> Self {
        let (host, tally, curve) = (host.clone(), Tally::default(), Curve::new(started));
        Self { host, subject, tally, curve, told_until: started }
    }

    /// Strikes as often as `turns` says, while clients write.
    pub(super) async fn strike(
        &mut self,
        plan: Plan<'_>,
        turns: Range<usize>,
    ) -> Result<(), ChaosError> {
        let stream = self.subject.stream(plan.load.clients(plan.blow, plan.many))?;
        // The other group may have had its turn.
        self.told_until = self.host.clock.now();
        for turn in turns {
            self.blow(plan, &stream, turn).await?;
        }
        let rest = stream.stop().await;
        self.told(plan, &rest);
        Ok(())
    }

    async fn blow(
        &mut self,
        plan: Plan<'_>,
        stream: &Stream,
        turn: usize,
    ) -> Result<(), ChaosError> {
        self.host.clock.sleep(PEACE).await;
        let leader = self.subject.leader().await?;
        let victim = if plan.blow.rolls() { turn % self.subject.replicas() } else { leader };
        let mut told = stream.take();
        self.told(plan, &told);
        self.subject.mark();
        let mut struck = Struck {
            victim,
            led: victim == leader,
            at: self.host.clock.now(),
            wall_ms: self.host.clock.wall_ms(),
            first_write: None,
        };
        let injected = self.inject(plan.blow, stream, &mut struck).await?;
        let aftermath = match (plan.load, plan.blow.asks()) {
            (Load::Loaded, false) => RECOVERY,
            _ => AFTERMATH,
        };
        self.host.clock.sleep(aftermath).await;
        let after = stream.take();
        self.told(plan, &after);
        told.extend(after);
        let phases = self.phases(&struck, injected).await?;
        let healed = self.heal(plan, &struck).await?;
        self.note(plan, &struck, (injected, healed));
        let gap = struck.first_write.or_else(|| gap_since(&told, struck.at));
        if let (Injection::Injected, Some(first_write)) = (injected, gap) {
            let seen = plan.load == Load::Loaded && !plan.blow.asks();
            let dip = if seen { self.curve.dip(struck.at) } else { None };
            self.tally.samples.push(Sample { phases, first_write, dip });
        }
        Ok(())
    }

    /// Strikes, and waits for the first write where the victim is not asked.
    async fn inject(
        &mut self,
        blow: Blow,
        stream: &Stream,
        struck: &mut Struck,
    ) -> Result<Injection, ChaosError> {
        let victim = struck.victim;
        match blow {
            Blow::Kill => {
                let (killing, probe) = futures::join!(self.subject.kill(victim), stream.probe());
                killing?;
                probe?;
            }
            Blow::Pause => {
                self.subject.pause(victim, true)?;
                stream.probe().await?;
            }
            Blow::Isolate => {
                self.subject.isolate(victim, true)?;
                stream.probe().await?;
            }
            Blow::Transfer => {
                self.subject.transfer(victim).await?;
                let moved = self.subject.leader().await? != victim;
                return Ok(if moved { Injection::Injected } else { Injection::Indeterminate });
            }
            Blow::RollingRestart | Blow::RollingUpgrade => {
                self.subject.terminate(victim).await?;
                return Ok(Injection::Injected);
            }
        }
        struck.first_write = Some(self.host.clock.now().since(struck.at));
        // The write that measures is a call like any other.
        self.tally.acknowledged += 1;
        Ok(Injection::Injected)
    }

    async fn phases(&self, struck: &Struck, injected: Injection) -> Result<Phases, ChaosError> {
        if struck.led && injected == Injection::Injected {
            self.subject.phases(struck.wall_ms, struck.victim).await
        } else {
            Ok(Phases::default())
        }
    }

    /// Undoes the blow, and waits until the victim serves; answers when it was undone.
    async fn heal(
        &mut self,
        plan: Plan<'_>,
        struck: &Struck,
    ) -> Result<Option<Moment>, ChaosError> {
        match plan.blow {
            Blow::Kill | Blow::RollingRestart | Blow::RollingUpgrade => {
                self.subject.start(struck.victim, plan.program)?;
            }
            Blow::Pause => {
                self.host.clock.sleep_until(struck.at + PAUSED).await;
                self.subject.pause(struck.victim, false)?;
            }
            Blow::Isolate => self.subject.isolate(struck.victim, false)?,
            Blow::Transfer => return Ok(None),
        }
        let healed = self.host.clock.now();
        self.subject.ready(struck.victim).await?;
        Ok(Some(healed))
    }

    fn note(
        &mut self,
        plan: Plan<'_>,
        struck: &Struck,
        (injection, healed): (Injection, Option<Moment>),
    ) {
        let since = |at: Moment| millis_of(at.since(plan.started));
        let why = match injection {
            Injection::Indeterminate => "the same replica led afterwards".to_owned(),
            Injection::Injected | Injection::Skipped => String::new(),
        };
        self.tally.faults.push(FaultRecord {
            fault: plan.blow.fault().to_owned(),
            targets: vec![format!("{} {}", S::SYSTEM, self.subject.name(struck.victim))],
            from_ms: since(struck.at),
            until_ms: healed.map(since),
            injection,
            why,
        });
    }

    fn told(&mut self, plan: Plan<'_>, told: &Acknowledged) {
        self.tally.told(told);
        let now = self.host.clock.now();
        if plan.load == Load::Loaded {
            self.curve.add(told, (self.told_until, now));
        }
        self.told_until = now;
    }
}

/// The longest time between two acknowledgements of which the second came after `fault`; `None` if there are none.
fn gap_since(told: &Acknowledged, fault: Moment) -> Option<Duration> {
    let pairs = told.writes.windows(2).filter(|pair| pair[1].at >= fault);
    pairs.map(|pair| pair[1].at.since(pair[0].at)).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Written;

    /// Without it a pause that began before the hand-over and ended after it would not be seen.
    #[tokio::test]
    async fn the_gap_around_a_fault_counts() {
        let start = Host::system().clock.now();
        let took = Duration::from_millis(1);
        let writes = [0, 300, 310, 350, 352];
        let writes = writes.map(|ms| Written { at: start + Duration::from_millis(ms), took });
        let told = Acknowledged { writes: writes.into(), failures: Vec::new() };
        let after = |ms| gap_since(&told, start + Duration::from_millis(ms));
        assert_eq!(after(320), Some(Duration::from_millis(40)));
        assert_eq!(after(200), Some(Duration::from_millis(300)));
        assert_eq!(after(400), None);
    }
}
