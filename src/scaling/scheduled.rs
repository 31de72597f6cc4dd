use jiff::{
    Timestamp,
    civil::{DateTime, Weekday},
    tz::TimeZone,
};
use navarch_proto::fleet::{Scheduled, Window};

use super::{
    decision::Decision,
    view::{Limits, PoolView},
};

/// The first window that matches day and hour sets the limits, then the fallback decides; without
/// one, the target is kept within them. A window whose end is not after its start runs over
/// midnight, and its days are those on which it starts.
pub(super) fn decide(scheduled: &Scheduled, view: &PoolView) -> Decision {
    let Some(now) = local_time(scheduled, view.now_ms) else {
        let missing = format!("time zone `{}` is unknown here", scheduled.time_zone);
        return Decision::no_data(view, &missing);
    };
    let window = scheduled.schedule.iter().find(|window| matches(window, &now));
    let mut inner = view.clone();
    if let Some(window) = window {
        inner.limits = Limits { min: window.min_nodes, max: window.max_nodes };
    }
    let mut decision = match &scheduled.fallback {
        Some(fallback) => super::decide(fallback, &inner),
        None => Decision::within_limits(&inner),
    };
    let zone = match scheduled.time_zone.as_str() {
        "" => "UTC",
        zone => zone,
    };
    decision.reason = match window {
        Some(window) => format!(
            "window {} to {} h {zone} ({} to {} nodes): {}",
            window.start_hour, window.end_hour, window.min_nodes, window.max_nodes, decision.reason
        ),
        None => format!("outside all windows: {}", decision.reason),
    };
    decision
}

fn local_time(scheduled: &Scheduled, now_ms: u64) -> Option<DateTime> {
    let zone = match scheduled.time_zone.as_str() {
        "" => TimeZone::UTC,
        name => TimeZone::get(name).ok()?,
    };
    let now = Timestamp::from_millisecond(i64::try_from(now_ms).ok()?).ok()?;
    Some(zone.to_datetime(now))
}

fn matches(window: &Window, now: &DateTime) -> bool {
    let hour = u32::try_from(now.hour()).unwrap_or(0);
    let (start, end) = (window.start_hour, window.end_hour);
    let today = now.date().weekday();
    if start < end {
        return on(window, today) && (start..end).contains(&hour);
    }
    (hour >= start && on(window, today)) || (hour < end && on(window, today.previous()))
}

/// No day means every day.
fn on(window: &Window, day: Weekday) -> bool {
    window.days.is_empty() || window.days.iter().any(|name| name == english(day))
}

fn english(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "monday",
        Weekday::Tuesday => "tuesday",
        Weekday::Wednesday => "wednesday",
        Weekday::Thursday => "thursday",
        Weekday::Friday => "friday",
        Weekday::Saturday => "saturday",
        Weekday::Sunday => "sunday",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::Cause;
    use navarch_proto::fleet::{Autoscaling, Queue, autoscaling::Strategy};

    fn window(
        days: &[&str],
        start_hour: u32,
        end_hour: u32,
        min_nodes: u32,
        max_nodes: u32,
    ) -> Window {
        Window {
            days: days.iter().map(|day| (*day).to_owned()).collect(),
            start_hour,
            end_hour,
            min_nodes,
            max_nodes,
        }
    }

    fn at(time: &str, target: u32) -> PoolView {
        let now: Timestamp = time.parse().expect("a time");
        PoolView {
            target,
            size: target,
            limits: Limits { min: 1, max: 20 },
            now_ms: u64::try_from(now.as_millisecond()).expect("after 1970"),
            ..PoolView::default()
        }
    }

    fn schedule() -> Scheduled {
        Scheduled {
            schedule: vec![
                window(&["monday", "friday"], 9, 18, 10, 12),
                window(&["friday"], 22, 6, 5, 6),
                window(&["sunday"], 0, 24, 0, 0),
                window(&[], 3, 4, 7, 7),
            ],
            ..Scheduled::default()
        }
    }

    /// Without it a window could begin or end an hour off, or forget the hours after midnight.
    #[test]
    fn windows_by_day_and_hour() {
        for (time, limits) in [
            ("2026-11-02T08:59:59Z", (1, 20)), // a Monday
            ("2026-11-02T09:00:00Z", (10, 12)),
            ("2026-11-02T17:59:59Z", (10, 12)),
            ("2026-11-02T18:00:00Z", (1, 20)),
            ("2026-11-03T10:00:00Z", (1, 20)),
            ("2026-11-03T03:30:00Z", (7, 7)),
            ("2026-11-06T21:59:59Z", (1, 20)),
            ("2026-11-06T22:00:00Z", (5, 6)),
            ("2026-11-07T03:30:00Z", (5, 6)), // the first that matches, not the every-day one
            ("2026-11-07T05:59:59Z", (5, 6)),
            ("2026-11-07T06:00:00Z", (1, 20)),
            ("2026-11-06T05:00:00Z", (1, 20)), // Friday before dawn is Thursday's night
            ("2026-11-08T00:00:00Z", (0, 0)),
            ("2026-11-08T23:59:59Z", (0, 0)),
        ] {
            let decision = decide(&schedule(), &at(time, 3));
            let seen = (decision.limits.min, decision.limits.max);
            assert_eq!(seen, limits, "{time}: {}", decision.reason);
            assert_eq!(decision.target, decision.limits.clamp(3), "{time}");
        }
    }

    /// Without it "nine o'clock" would be someone else's nine o'clock, or move twice a year.
    #[test]
    fn hours_are_local() {
        let mut scheduled = schedule();
        scheduled.time_zone = "America/New_York".to_owned();
        for (time, min) in [
            ("2026-07-06T13:00:00Z", 10), // 9 h in summer time
            ("2026-07-06T12:59:59Z", 1),
            ("2026-12-07T13:30:00Z", 1), // 8:30 h in winter time
            ("2026-12-07T14:00:00Z", 10),
        ] {
            assert_eq!(decide(&scheduled, &at(time, 3)).limits.min, min, "{time}");
        }
        scheduled.time_zone = "Mars/Olympus".to_owned();
        let unknown = decide(&scheduled, &at("2026-11-02T10:00:00Z", 3));
        assert_eq!((unknown.target, unknown.cause), (3, Cause::NoData));
    }

    /// Without it the window's limits would not bind the strategy inside it.
    #[test]
    fn the_fallback_decides_within_the_window() {
        let mut scheduled = schedule();
        scheduled.fallback = Some(Box::new(Autoscaling {
            strategy: Some(Strategy::Queue(Queue { jobs_per_node: 1 })),
        }));
        let mut view = at("2026-11-02T10:00:00Z", 11);
        view.queue_depth = Some(50);
        let decision = decide(&scheduled, &view);
        assert_eq!((decision.target, decision.cause), (12, Cause::Demand));
        assert_eq!(
            decision.reason,
            "window 9 to 18 h UTC (10 to 12 nodes): queue depth 50: 50 nodes at 1 jobs a node: 11 to 12, held to the maximum 12"
        );
        view.queue_depth = None;
        assert_eq!(decide(&scheduled, &view).cause, Cause::NoData);
    }
}
