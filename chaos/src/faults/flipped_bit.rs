use std::{fs::OpenOptions, io, os::unix::fs::FileExt as _, time::Duration};

use async_trait::async_trait;

use super::{Begun, Fault, Seen, Stage, membership::rejoin};
use crate::error::ChaosError;

/// How long a replica with a bad disk may take to serve or to refuse.
const LIMIT: Duration = Duration::from_secs(60);

/// One bit of a follower's log flips while it is down. It must refuse to start, or serve what was written: never
/// anything else. One that refuses is wiped and taken in as a new one.
#[derive(Default)]
pub(super) struct FlippedBit {
    victim: Option<usize>,
    flipped: bool,
}

#[async_trait(?Send)]
impl Fault for FlippedBit {
    fn name(&self) -> String {
        "flipped-bit".to_owned()
    }

    async fn inject(&mut self, stage: &mut Stage) -> Result<Begun, ChaosError> {
        let (_, others) = stage.leader_and_others().await?;
        let Some(&victim) = stage.running(&others).first() else {
            return Ok(Begun::Skipped("no follower runs".to_owned()));
        };
        stage.group.kill(victim).await?;
        self.victim = Some(victim);
        let flipped = flip(stage, victim);
        let what = format!("flip a bit of {}", stage.group.name(victim));
        flipped.map_err(ChaosError::system(what))?;
        self.flipped = true;
        Ok(Begun::Struck(stage.names(&[victim])))
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<Seen, ChaosError> {
        let Some(victim) = self.victim.take() else {
            return Ok(Seen::No("a follower to strike".to_owned()));
        };
        stage.revive(&[victim])?;
        if stage.group.wait_ready(victim, LIMIT).await.is_err() {
            stage.group.notice_end(victim);
            if stage.group.process_id(victim).is_some() {
                stage.group.kill(victim).await?;
                let name = stage.group.name(victim).to_owned();
                let what = format!("{name} neither serves nor ends with a flipped bit in its log");
                stage.violations.push(what);
            }
            stage.group.wipe(victim)?;
            rejoin(stage, victim).await?;
        }
        Ok(Seen::when(self.flipped, "the bit on the disk"))
    }
}

/// Flips a bit among what is in use of the log, and reads it back.
fn flip(stage: &Stage, victim: usize) -> io::Result<()> {
    const TRIES: usize = 10_000;
    let path = stage.group.data_dir(victim).join("log").join("db");
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    for _ in 0..TRIES {
        let at = u64::try_from(stage.chance.below(length)).unwrap_or(0);
        let mut byte = [0];
        file.read_exact_at(&mut byte, at)?;
        // Much of the file may be room that nothing was written to.
        if byte[0] == 0 {
            continue;
        }
        let flipped = [byte[0] ^ (1 << stage.chance.below(8))];
        file.write_all_at(&flipped, at)?;
        file.read_exact_at(&mut byte, at)?;
        if byte == flipped {
            return file.sync_all();
        }
    }
    Err(io::Error::other("no byte of the log is in use"))
}
