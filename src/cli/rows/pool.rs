use navarch_proto::api::PoolInfo;

use crate::cli::output::{Cell, Column, Record, Tone, age};

impl Record for PoolInfo {
    const MESSAGE: &'static str = "navarch.PoolInfo";
    const COLUMNS: &'static [Column] = &[
        Column::always("Name"),
        Column::always("Target"),
        Column::always("Size"),
        Column::always("Running"),
        Column::always("Healthy"),
        Column::always("Min"),
        Column::always("Max"),
        Column::wide("Provisioning"),
        Column::wide("Pending"),
        Column::wide("Terminating"),
        Column::wide("Failed"),
        Column::wide("Occupancy"),
        Column::always("Instance type"),
        Column::wide("Providers"),
        Column::wide("Autoscaler"),
        Column::wide("Cooldown"),
        Column::wide("Hold"),
        Column::always("Note"),
    ];

    fn name(&self) -> String {
        self.name.clone()
    }

    fn cells(&self, now_ms: u64) -> Vec<Cell> {
        vec![
            self.name.as_str().into(),
            self.target.to_string().into(),
            toned(self.size, self.size == self.target),
            toned(self.running, self.running >= self.target),
            toned(self.healthy_nodes, self.healthy_nodes >= self.target),
            self.min_nodes.to_string().into(),
            self.max_nodes.to_string().into(),
            self.provisioning.to_string().into(),
            self.pending_registration.to_string().into(),
            self.terminating.to_string().into(),
            toned(self.failed, self.failed == 0),
            self.occupancy.to_string().into(),
            self.instance_type.as_str().into(),
            self.providers.join(",").into(),
            self.autoscaler.as_str().into(),
            cooldown(self, now_ms).into(),
            age::ahead(self.hold_until.as_ref(), now_ms).into(),
            note(self),
        ]
    }
}

/// How long scaling waits; up and down apart where they differ.
fn cooldown(pool: &PoolInfo, now_ms: u64) -> String {
    if pool.scale_up_after == pool.scale_down_after {
        return age::ahead(pool.cooldown_until.as_ref(), now_ms);
    }
    let left = |at| age::ahead(at, now_ms);
    match (left(pool.scale_up_after.as_ref()), left(pool.scale_down_after.as_ref())) {
        (up, down) if up == down => up,
        (up, down) => format!("up {up}, down {down}"),
    }
}

/// Why nothing is done, else why the target is what it is.
fn note(pool: &PoolInfo) -> Cell {
    if pool.retiring {
        let held = if pool.paused { " (paused)" } else { "" };
        let text = format!("being removed, {} machines left{held}", pool.occupancy);
        return Cell::toned(text, Tone::Doubtful);
    }
    if pool.paused {
        return Cell::toned("paused by an operator", Tone::Doubtful);
    }
    if !pool.held_reason.is_empty() {
        return Cell::toned(format!("held: {}", pool.held_reason), Tone::Bad);
    }
    if !pool.replacement_held.is_empty() {
        let text = format!("replacement held: {}", pool.replacement_held);
        return Cell::toned(text, Tone::Doubtful);
    }
    pool.reason.as_str().into()
}

fn toned(count: u32, good: bool) -> Cell {
    let tone = if good { Tone::Plain } else { Tone::Doubtful };
    Cell::toned(count.to_string(), tone)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a pool that may grow and not yet shrink would look as if it might do neither, or both.
    #[test]
    fn cooldowns_are_shown_apart_where_they_differ() {
        let at = |seconds: i64| Some(prost_types::Timestamp { seconds, nanos: 0 });
        for (up, down, expected) in [
            (at(60), at(60), "60s"),
            (None, at(60), "up -, down 60s"),
            (at(5), at(60), "up 5s, down 60s"),
            (at(0), None, "-"),
        ] {
            let pool = PoolInfo {
                cooldown_until: up.filter(|_| up == down),
                scale_up_after: up,
                scale_down_after: down,
                ..PoolInfo::default()
            };
            assert_eq!(cooldown(&pool, 0), expected);
        }
    }

    /// Without it `pool list` and `status` would show a pool on its way out as one that somebody scaled to nothing.
    #[test]
    fn a_removal_comes_before_everything_else() {
        let pool = PoolInfo {
            retiring: true,
            paused: true,
            occupancy: 3,
            held_reason: "sold out".to_owned(),
            ..PoolInfo::default()
        };
        assert_eq!(note(&pool).text(), "being removed, 3 machines left (paused)");
        let pool = PoolInfo { paused: false, ..pool };
        assert_eq!(note(&pool).text(), "being removed, 3 machines left");
    }
}
