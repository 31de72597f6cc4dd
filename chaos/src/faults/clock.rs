use async_trait::async_trait;

use super::{Begun, Fault, Seen, Stage, kill::Whom};
use crate::{
    error::ChaosError,
    shim::{Counter, Lever},
};

/// The wall clock of one replica jumps, and jumps back when healed; with a period it does so all the time.
pub(super) struct ClockJump {
    name: &'static str,
    offset_ms: i64,
    strobe_ms: i64,
    struck: Option<(usize, u64)>,
}

impl ClockJump {
    /// By `offset_ms`; `strobe_ms` 0: it stays there.
    pub(super) fn new(name: &'static str, offset_ms: i64, strobe_ms: i64) -> Self {
        Self { name, offset_ms, strobe_ms, struck: None }
    }
}

#[async_trait(?Send)]
impl Fault for ClockJump {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    async fn inject(&mut self, stage: &mut Stage) -> Result<Begun, ChaosError> {
        // The leader's clock is the one that stamps what enters the log.
        let Some(&victim) = Whom::Leader.of(stage).await?.first() else {
            return Ok(Begun::Skipped("no leader runs".to_owned()));
        };
        if let Err(why) = stage.board(victim) {
            return Ok(Begun::Skipped(why));
        }
        self.struck = Some((victim, stage.count(victim, Counter::Shifted)?));
        let levers = [(Lever::StrobeMs, self.strobe_ms), (Lever::ClockOffsetMs, self.offset_ms)];
        stage.pull(victim, &levers)?;
        Ok(Begun::Struck(stage.names(&[victim])))
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<Seen, ChaosError> {
        let Some((victim, before)) = self.struck.take() else {
            return Ok(Seen::No("a clock that was shifted".to_owned()));
        };
        let read = stage.count(victim, Counter::Shifted)? > before;
        stage.pull(victim, &[(Lever::ClockOffsetMs, 0), (Lever::StrobeMs, 0)])?;
        Ok(Seen::when(read, "readings of the shifted clock"))
    }
}
