use std::time::Duration;

use navarch_host::{Clock, Moment};
use tokio::sync::watch;

use super::View;

/// The views as they are published, but not more often than once in a while: under load there are thousands a
/// second, and whoever only looks for something that is rare need not be woken for each.
pub struct PacedViews {
    views: watch::Receiver<View>,
    clock: Clock,
    rest: Duration,
    not_before: Moment,
}

impl PacedViews {
    /// Views with at least `rest` between two of them.
    pub(super) fn new(views: watch::Receiver<View>, clock: Clock, rest: Duration) -> Self {
        let not_before = clock.now();
        Self { views, clock, rest, not_before }
    }

    /// From now on rests so long after each view.
    pub fn set_rest(&mut self, rest: Duration) {
        self.rest = rest;
    }

    /// The newest view, now.
    pub fn newest(&mut self) -> View {
        self.views.borrow_and_update().clone()
    }

    /// The next view that this has not answered before; none once the replica stops. The first of a burst comes
    /// at once. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<View> {
        self.clock.sleep_until(self.not_before).await;
        self.views.changed().await.ok()?;
        self.not_before = self.clock.now() + self.rest;
        Some(self.newest())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use navarch_host::FakeClock;

    use super::*;

    const REST: Duration = Duration::from_millis(10);

    fn view(index: u64) -> View {
        View { index, ..View::default() }
    }

    /// Without it each applied batch would wake everybody who watches, or the last of a burst would be missed.
    #[tokio::test(flavor = "current_thread")]
    async fn the_first_comes_at_once_and_a_burst_costs_one_more() {
        let fake = FakeClock::new(0);
        let clock = Clock::fake(Arc::clone(&fake));
        let (sender, views) = watch::channel(View::default());
        let mut paced = PacedViews::new(views, clock, REST);
        sender.send_replace(view(1));
        assert_eq!(paced.next().await.unwrap().index, 1);
        sender.send_replace(view(2));
        sender.send_replace(view(3));
        let next = tokio::spawn(async move { paced.next().await.unwrap().index });
        fake.advance(REST - Duration::from_millis(1)).await;
        assert!(!next.is_finished());
        fake.advance(Duration::from_millis(1)).await;
        assert_eq!(next.await.unwrap(), 3);
    }
}
