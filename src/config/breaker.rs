use super::{section::Section, values::Zero};

pub(super) const KEYS: [&str; 4] =
    ["window", "open_above_percent", "close_below_percent", "losses_a_minute_percent"];

const TEN_MINUTES_MS: u64 = 600_000;

/// When losses and replacements stop because too many nodes are in trouble at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BreakerSettings {
    pub(crate) window_ms: u64,
    pub(crate) open_percent: u32,
    pub(crate) close_percent: u32,
    pub(crate) losses_a_minute_percent: u32,
}

impl BreakerSettings {
    /// Reads `server.breaker`; a node may be silent for `timeout_ms`.
    pub(crate) fn read(server: Option<&Section<'_>>, timeout_ms: u64) -> Self {
        let usual = Self {
            window_ms: TEN_MINUTES_MS.max(timeout_ms),
            open_percent: 55,
            close_percent: 30,
            losses_a_minute_percent: 10,
        };
        let Some(block) = server.and_then(|server| server.section("breaker", &KEYS)) else {
            return usual;
        };
        let percent = |key, usual| block.whole(key, 1..=100).unwrap_or(usual);
        let settings = Self {
            window_ms: block.duration_ms("window", Zero::Refused).unwrap_or(usual.window_ms),
            open_percent: percent("open_above_percent", usual.open_percent),
            close_percent: percent("close_below_percent", usual.close_percent),
            losses_a_minute_percent: percent(
                "losses_a_minute_percent",
                usual.losses_a_minute_percent,
            ),
        };
        if settings.window_ms < timeout_ms {
            let message = "must not be shorter than `heartbeat_timeout`: nodes that fell silent together \
                           would not be counted together";
            block.problem("window", message);
        }
        if settings.close_percent > settings.open_percent {
            let message =
                "must not be above `open_above_percent`: a breaker would open and close at once";
            block.problem("close_below_percent", message);
        }
        settings
    }
}
