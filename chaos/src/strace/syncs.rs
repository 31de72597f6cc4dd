use std::{collections::HashMap, path::PathBuf};

/// A file that was made durable. `sync_file_range` is none: it leaves the disk's cache and the file's length
/// as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// The file.
    pub path: PathBuf,
    /// When it was asked for, microseconds since the Unix epoch.
    pub begun_us: u64,
    /// When it was done, microseconds since the Unix epoch.
    pub ended_us: u64,
}

/// The calls that make a file durable.
const CALLS: [&str; 2] = ["fdatasync", "fsync"];

/// The successful syncs in the output of `strace -f -ttt -T -y`.
pub fn syncs(trace: &str) -> Vec<Sync> {
    let mut found = Vec::new();
    // Calls of each thread that another thread's call was printed amid.
    let mut unfinished: HashMap<&str, (PathBuf, u64)> = HashMap::new();
    for line in trace.lines() {
        let Some((thread, at_us, rest)) = head(line) else { continue };
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let begun = unfinished.remove(thread);
            if let (Some((path, begun_us)), true) = (begun, succeeded(resumed)) {
                found.push(Sync { path, begun_us, ended_us: at_us });
            }
            continue;
        }
        let Some(path) = CALLS.iter().find_map(|call| path_of(rest, call)) else { continue };
        if rest.ends_with("<unfinished ...>") {
            unfinished.insert(thread, (path, at_us));
        } else if let (true, Some(took_us)) = (succeeded(rest), took_us(rest)) {
            found.push(Sync { path, begun_us: at_us, ended_us: at_us + took_us });
        }
    }
    found
}

/// Thread, time and call of a line: `1234  1700000000.123456 fsync(...`.
fn head(line: &str) -> Option<(&str, u64, &str)> {
    let (thread, rest) = line.split_once(' ')?;
    let (at, rest) = rest.trim_start().split_once(' ')?;
    Some((thread, micros(at)?, rest))
}

/// `12.000345` as microseconds.
fn micros(seconds: &str) -> Option<u64> {
    let (whole, fraction) = seconds.split_once('.')?;
    let whole: u64 = whole.parse().ok()?;
    let fraction: u64 = (fraction.len() == 6).then(|| fraction.parse().ok())??;
    whole.checked_mul(1_000_000)?.checked_add(fraction)
}

/// The file of `fsync(12</path>) ...`.
fn path_of(rest: &str, call: &str) -> Option<PathBuf> {
    let arguments = rest.strip_prefix(call)?.strip_prefix('(')?;
    let (_, path) = arguments.split_once('<')?;
    let (path, _) = path.split_once('>')?;
    Some(PathBuf::from(path))
}

fn succeeded(rest: &str) -> bool {
    rest.rsplit_once(") = ").is_some_and(|(_, result)| result.split(' ').next() == Some("0"))
}

/// The time in `... = 0 <0.000123>`.
fn took_us(rest: &str) -> Option<u64> {
    let (_, took) = rest.rsplit_once('<')?;
    micros(took.strip_suffix('>')?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "\
11 1700000000.000100 fdatasync(7</d/r1/log/db>) = 0 <0.000250>
12 1700000000.000200 fsync(9</d/r1/snapshots> <unfinished ...>
11 1700000000.000300 sync_file_range(7</d/r1/log/db>, 0, 0, SYNC_FILE_RANGE_WRITE) = 0 <0.000010>
12 1700000000.000900 <... fsync resumed>) = 0 <0.000700>
11 1700000001.000000 fdatasync(7</d/r1/log/db>) = -1 EIO (Input/output error) <0.000100>
12 1700000001.000000 fdatasync(7</d/r1/log/db> <unfinished ...>
12 1700000001.000400 <... fdatasync resumed>) = -1 EIO (Input/output error) <0.000400>
11 1700000002.000000 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER} ---
11 1700000002.000000 +++ exited with 0 +++
";

    /// Without it a failed sync, or one that syncs nothing, could pass for durability.
    #[test]
    fn only_finished_syncs_count() {
        let second = 1_700_000_000_000_000;
        let sync = |path: &str, begun: u64, ended: u64| Sync {
            path: PathBuf::from(path),
            begun_us: second + begun,
            ended_us: second + ended,
        };
        let expected = [sync("/d/r1/log/db", 100, 350), sync("/d/r1/snapshots", 200, 900)];
        assert_eq!(syncs(TRACE), expected);
    }
}
