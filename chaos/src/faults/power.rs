use async_trait::async_trait;

use super::{Begun, Fault, Seen, Stage};
use crate::{
    error::ChaosError,
    shim::{Cut, Damage, Survivors},
};

/// Who loses power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Powerless {
    /// One replica, drawn by chance
    #[default]
    One,
    /// Two, drawn by chance
    Two,
    /// All of them at once
    All,
}

/// Replicas lose power: only what they synced is on their disks when it returns, and an arbitrary part of the rest.
pub struct PowerLoss {
    name: &'static str,
    who: Powerless,
    survivors: Option<Survivors>,
    victims: Vec<usize>,
    /// What became of the files of each, once that is known.
    pub damage: Vec<Damage>,
}

impl PowerLoss {
    /// Of those; what survives is drawn by chance.
    pub fn new(name: &'static str, who: Powerless) -> Self {
        Self { name, who, survivors: None, victims: Vec::new(), damage: Vec::new() }
    }

    /// The same, where just that survives.
    #[must_use]
    pub fn surviving(self, survivors: Survivors) -> Self {
        Self { survivors: Some(survivors), ..self }
    }

    /// The last writes of one replica are torn.
    pub fn torn_tail() -> Self {
        Self::new("torn-tail", Powerless::One).surviving(Survivors::Some { sector: 512 })
    }

    /// Those that were struck.
    pub fn victims(&self) -> &[usize] {
        &self.victims
    }
}

#[async_trait(?Send)]
impl Fault for PowerLoss {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    async fn inject(&mut self, stage: &mut Stage) -> Result<Begun, ChaosError> {
        let count = match self.who {
            Powerless::One => 1,
            Powerless::Two => 2,
            Powerless::All => stage.group.len(),
        };
        let (leader, mut order) = stage.leader_and_others().await?;
        order.insert(stage.chance.below(order.len() + 1), leader);
        self.victims = stage.running(&order);
        self.victims.truncate(count);
        if let Some(Err(why)) = self.victims.first().map(|&victim| stage.board(victim)) {
            return Ok(Begun::Skipped(why));
        }
        for &victim in &self.victims {
            stage.group.pause(victim)?;
        }
        for &victim in &self.victims {
            stage.group.kill(victim).await?;
        }
        Ok(Begun::Struck(stage.names(&self.victims)))
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<Seen, ChaosError> {
        for &victim in &self.victims {
            let survivors = self.survivors.unwrap_or_else(|| Survivors::draw(&stage.chance));
            let Some(board) = stage.group.board(victim) else { continue };
            let made = Cut::make(board, &stage.chance, survivors);
            let what = format!("cut the power of {}", stage.group.name(victim));
            self.damage.push(made.map_err(ChaosError::system(what))?);
        }
        stage.revive(&self.victims)?;
        let lost = self.damage.iter().any(|damage| damage.unsynced + damage.unsynced_names > 0);
        Ok(Seen::when(lost, "anything that was not synced when the power failed"))
    }
}
