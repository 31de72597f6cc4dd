use navarch_proto::api::BreakerInfo;

use crate::cli::output::{Cell, Column, Record, Tone, age};

impl Record for BreakerInfo {
    const MESSAGE: &'static str = "navarch.BreakerInfo";
    const COLUMNS: &'static [Column] = &[
        Column::always("Scope"),
        Column::always("Name"),
        Column::always("State"),
        Column::always("Since"),
        Column::always("Nodes"),
        Column::always("Override"),
        Column::wide("By"),
        Column::wide("Closes in"),
        Column::always("Reason"),
    ];

    /// As it is named on the command line.
    fn name(&self) -> String {
        match self.name.as_str() {
            "" => self.scope.clone(),
            name => format!("{}/{name}", self.scope),
        }
    }

    fn cells(&self, now_ms: u64) -> Vec<Cell> {
        let state = match self.open {
            true => Cell::toned("open", Tone::Bad),
            false if self.r#override.is_empty() => Cell::toned("closed", Tone::Good),
            false => Cell::toned("closed", Tone::Doubtful),
        };
        let forced = match self.r#override.as_str() {
            "" => "-".to_owned(),
            word => format!("{word} for {}", age::ahead(self.override_until.as_ref(), now_ms)),
        };
        let reason =
            if self.override_reason.is_empty() { &self.reason } else { &self.override_reason };
        vec![
            self.scope.as_str().into(),
            self.name.as_str().into(),
            state,
            age::age(self.open_since.as_ref(), now_ms).into(),
            self.nodes.to_string().into(),
            forced.into(),
            self.override_by.as_str().into(),
            age::ahead(self.closes_at.as_ref(), now_ms).into(),
            reason.as_str().into(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a breaker that an operator forced closed would look like one that is well.
    #[test]
    fn an_override_is_shown_with_its_time() {
        let breaker = BreakerInfo {
            scope: "pool".to_owned(),
            name: "a".to_owned(),
            r#override: "closed".to_owned(),
            override_until: Some(prost_types::Timestamp { seconds: 60, nanos: 0 }),
            reason: "6 of 9".to_owned(),
            override_reason: "the switch was replaced".to_owned(),
            ..BreakerInfo::default()
        };
        let texts: Vec<_> = breaker.cells(0).into_iter().map(|cell| format!("{cell:?}")).collect();
        assert!(texts[5].contains("closed for 60s"), "{texts:?}");
        assert!(texts[8].contains("the switch was replaced"), "{texts:?}");
        assert_eq!(Record::name(&breaker), "pool/a");
    }
}
