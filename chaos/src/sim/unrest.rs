use std::time::Duration;

use navarch::client::rpc::{ReportHealth, ScalePool};
use navarch_host::{Chance, Clock};
use navarch_proto::api;

use super::cloud::Market;
use crate::operator::Operator;

/// Longest pause between two deeds.
const LONGEST_PAUSE: Duration = Duration::from_secs(6);
/// After this long a silenced agent is switched on again, where it is: its node may be lost by then, or not.
const SILENCE: Duration = Duration::from_secs(9);

/// Gives controllers something to do: pools are scaled, agents and machines die, nodes fall ill and are cleared. What fails is
/// not tried again: something else comes soon.
pub(super) struct Unrest {
    pub(super) operator: Operator,
    pub(super) market: Market,
    pub(super) clock: Clock,
    pub(super) chance: Chance,
}

/// What may be done.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Scale,
    Silence,
    SilenceForAWhile,
    TakeAway,
    FallIll,
    FallIllAndBeCleared,
}

const DEEDS: [Deed; 6] = [
    Deed::Scale,
    Deed::Silence,
    Deed::SilenceForAWhile,
    Deed::TakeAway,
    Deed::FallIll,
    Deed::FallIllAndBeCleared,
];

impl Unrest {
    /// Goes on until it is dropped.
    pub(super) async fn run(self) {
        loop {
            self.clock.sleep(LONGEST_PAUSE.mul_f64(self.chance.share())).await;
            let deed = DEEDS[self.chance.below(DEEDS.len())];
            // What failed is not made up for.
            let _ = self.carry_out(deed).await;
        }
    }

    async fn carry_out(&self, deed: Deed) -> Option<()> {
        match deed {
            Deed::Scale => self.scale().await,
            Deed::Silence => {
                self.market.silence(&self.victim()?);
                Some(())
            }
            Deed::SilenceForAWhile => {
                let machine = self.victim()?;
                self.market.silence(&machine);
                self.clock.sleep(SILENCE).await;
                self.market.revive(&machine);
                Some(())
            }
            Deed::TakeAway => {
                self.market.take_away(&self.victim()?);
                Some(())
            }
            Deed::FallIll => self.fall_ill().await.map(drop),
            Deed::FallIllAndBeCleared => {
                let node_id = self.fall_ill().await?;
                self.clock.sleep(SILENCE / 3).await;
                self.operator.uncordon(node_id).await;
                Some(())
            }
        }
    }

    async fn scale(&self) -> Option<()> {
        let nodes = u32::try_from(8 + self.chance.below(9)).unwrap_or(8);
        let name = "by-hand".to_owned();
        let request = api::ScalePoolRequest { name, nodes, hold_ms: Some(0) };
        self.operator.call::<ScalePool>(request).await.map(drop)
    }

    /// A machine whose agent runs.
    fn victim(&self) -> Option<String> {
        let powered = self.market.powered();
        powered.get(self.chance.below(powered.len())).cloned()
    }

    /// Two unhealthy reports; answers the node, which bears its machine's id.
    async fn fall_ill(&self) -> Option<String> {
        let node_id = self.victim()?;
        for _ in 0..2 {
            let result = api::HealthCheckResult {
                check_name: "nvml".to_owned(),
                status: api::HealthStatus::Unhealthy.into(),
                message: "chaos".to_owned(),
                ..Default::default()
            };
            let node_id = node_id.clone();
            let request =
                api::ReportHealthRequest { node_id, results: vec![result], ..Default::default() };
            self.operator.call::<ReportHealth>(request).await?;
        }
        Some(node_id)
    }
}
