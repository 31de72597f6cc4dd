use std::{fs, path::Path};

use navarch_host::Chance;
use tempfile::TempDir;
use tokio::process::Command;

use super::{Board, Counter, Cut, Damage, Lever, Shim, Survivors};
use crate::proc::Place;

/// A data directory under a shim; `None`, and a word, where there is no compiler.
async fn board() -> Option<(TempDir, Shim, Board)> {
    let shim = match Shim::build().await.unwrap() {
        Ok(shim) => shim,
        Err(why) => {
            eprintln!("SKIPPED: {why}");
            return None;
        }
    };
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    let place = Place {
        name: "r1".to_owned(),
        address: String::new(),
        peer_address: String::new(),
        reach: String::new(),
        peer_reach: String::new(),
        data_dir: root.join("r1"),
        config: root.join("r1.yaml"),
        log: root.join("r1.log"),
    };
    let board = shim.board(&root, &place).unwrap();
    Some((directory, shim, board))
}

/// Runs a script in the data directory; whether it succeeded, and what it printed.
async fn run(board: &Board, script: &str) -> (bool, String) {
    let script = format!("set -e; d={}; {script}", board.data_dir().display());
    let mut command = Command::new("/bin/sh");
    let output = command.args(["-c", &script]).envs(board.environment()).output().await.unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

async fn succeeds(board: &Board, script: &str) {
    assert!(run(board, script).await.0, "{script}");
}

fn cut(board: &Board, survivors: Survivors) -> Damage {
    Cut::make(board, &Chance::seeded(1), survivors).unwrap()
}

fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

const SYNCED: &str = "printf aaaa > $d/kept; sync $d/kept; printf old > $d/replaced; sync $d/replaced; \
                      printf x > $d/removed; sync $d/removed; sync $d";
const UNSYNCED: &str = "printf bbbb >> $d/kept; printf new > $d/fresh; mv $d/fresh $d/replaced; \
                        rm $d/removed; mkdir $d/folder; printf y > $d/folder/file";

/// Without it a power cut would leave what no disk has, or take what one has, and the run would prove nothing.
#[tokio::test]
async fn only_what_was_synced_survives() {
    let Some((_directory, _shim, board)) = board().await else { return };
    succeeds(&board, SYNCED).await;
    succeeds(&board, UNSYNCED).await;
    let file = |name: &str| text(&board.data_dir().join(name));
    assert_eq!(file("replaced").as_deref(), Some("new"));
    let damage = cut(&board, Survivors::None);
    assert_eq!(file("kept").as_deref(), Some("aaaa"));
    assert_eq!(file("replaced").as_deref(), Some("old"));
    assert_eq!(file("removed").as_deref(), Some("x"));
    assert_eq!(file("fresh"), None);
    assert!(!board.data_dir().join("folder").exists());
    assert_eq!((damage.unsynced_names, damage.lost_names), (5, 5), "{damage:?}");
    assert!(damage.lost >= 2, "{damage:?}");
    // What is there now counts as synced.
    assert_eq!(cut(&board, Survivors::None), Damage::default());
}

/// Without it a cut would lose all that was unsynced, which is the one thing that disks seldom do.
#[tokio::test]
async fn what_was_not_synced_may_survive() {
    let Some((_directory, _shim, board)) = board().await else { return };
    succeeds(&board, SYNCED).await;
    succeeds(&board, UNSYNCED).await;
    let damage = cut(&board, Survivors::All);
    let file = |name: &str| text(&board.data_dir().join(name));
    assert_eq!(file("kept").as_deref(), Some("aaaabbbb"));
    assert_eq!(file("replaced").as_deref(), Some("new"));
    assert_eq!(file("removed"), None);
    assert_eq!((damage.lost, damage.torn, damage.lost_names), (0, 0, 0), "{damage:?}");
}

/// Without it the switch that shows that a run can fail would switch nothing.
#[tokio::test]
async fn syncs_can_be_forgotten() {
    let Some((_directory, _shim, board)) = board().await else { return };
    succeeds(&board, SYNCED).await;
    board.pull(Lever::ForgetSyncs, 1).unwrap();
    succeeds(&board, "printf bbbb >> $d/kept; sync $d/kept").await;
    cut(&board, Survivors::None);
    assert_eq!(text(&board.data_dir().join("kept")).as_deref(), Some("aaaa"));
}

/// Without it a disk that fails, or a clock that jumps, would do neither, and nobody would notice.
#[tokio::test]
async fn disks_fail_and_clocks_jump_while_the_levers_are_pulled() {
    let Some((directory, _shim, board)) = board().await else { return };
    succeeds(&board, SYNCED).await;
    let syncs = board.count(Counter::Syncs).unwrap();
    assert!(syncs >= 4, "{syncs}");
    board.pull(Lever::SyncError, 5).unwrap();
    assert!(!run(&board, "sync $d/kept").await.0);
    assert_eq!(board.count(Counter::FailedSyncs).unwrap(), 1);
    board.pull(Lever::SyncError, 0).unwrap();
    board.pull(Lever::WriteError, 28).unwrap();
    assert!(!run(&board, "printf x > $d/more").await.0);
    let elsewhere = directory.path().join("elsewhere").display().to_string();
    succeeds(&board, &format!("printf x > {elsewhere}")).await;
    board.pull(Lever::WriteError, 0).unwrap();
    succeeds(&board, "printf x > $d/more; sync $d/more").await;
    let clock = async || -> i64 { run(&board, "date +%s").await.1.parse().unwrap() };
    let before = clock().await;
    board.pull(Lever::ClockOffsetMs, -3_600_000).unwrap();
    let jumped = clock().await - before;
    assert!((-3_600..-3_500).contains(&jumped), "{jumped}");
    assert!(board.count(Counter::Shifted).unwrap() > 0);
    board.pull(Lever::ClockOffsetMs, 0).unwrap();
    assert!((0..60).contains(&(clock().await - before)));
    assert_eq!(board.count(Counter::Trouble).unwrap(), 0);
}
