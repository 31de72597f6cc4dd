use navarch_proto::fleet::Predictive;

use super::{
    decision::{Cause, Decision},
    view::{PoolView, Sample, with_origin},
};

/// A forecast above this percentage adds nodes (the original's figure).
const HIGH: f64 = 80.0;
/// As many nodes as bring the forecast down to this percentage (the original's figure).
const AIM: f64 = 70.0;

/// Fits a line through the last samples and follows it to the time when a machine ordered now would
/// work, the growth factor stretching its slope. A high forecast adds nodes at once; otherwise, or
/// with fewer samples than the window, the fallback decides, and without one the target stays.
pub(super) fn decide(predictive: &Predictive, view: &PoolView) -> Decision {
    let window = usize::try_from(predictive.lookback_window).unwrap_or(usize::MAX).max(1);
    let count = view.history.len();
    let Some(utilization) = view.utilization.filter(|value| value.is_finite()) else {
        let missing = with_origin("no fresh utilisation", &view.origins.utilization);
        return otherwise(predictive, view, None, &missing);
    };
    let Some(recent) = count.checked_sub(window).and_then(|from| view.history.get(from..)) else {
        let missing = format!("fewer samples than the window of {window}");
        return otherwise(predictive, view, None, &missing);
    };
    let per_ms = slope(recent);
    #[allow(clippy::cast_precision_loss, reason = "a delay in milliseconds is far below 2^52")]
    let delay = view.provisioning_delay_ms as f64;
    let forecast = (utilization + per_ms * delay * predictive.growth_factor).max(0.0);
    let per_minute = per_ms * 60_000.0;
    let seconds = view.provisioning_delay_ms / 1_000;
    let said = with_origin(&format!("utilisation {utilization:.1} %"), &view.origins.utilization);
    let figures =
        format!("{said} moving {per_minute:+.2} a minute is {forecast:.1} % in {seconds} s");
    if forecast.is_finite() && forecast > HIGH {
        return Decision::demand(view, needed(view, forecast).max(view.target), &figures);
    }
    otherwise(predictive, view, Some(()), &figures)
}

/// The fallback's decision; without a fallback the target stays, as a vote if there were figures.
fn otherwise(
    predictive: &Predictive,
    view: &PoolView,
    forecast: Option<()>,
    figures: &str,
) -> Decision {
    match (&predictive.fallback, forecast) {
        (Some(fallback), _) => {
            let mut decision = super::decide(fallback, view);
            // Figures that move all the time would make a new reason of each hold.
            if decision.cause != Cause::NoData || forecast.is_none() {
                decision.reason = format!("{figures}; {}", decision.reason);
            }
            decision
        }
        (None, Some(())) => Decision::demand(view, view.target, figures),
        (None, None) => Decision::no_data(view, figures),
    }
}

fn needed(view: &PoolView, forecast: f64) -> u32 {
    let nodes = (f64::from(view.size) * forecast / AIM).ceil();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the conversion saturates, and the number is not negative"
    )]
    {
        nodes as u32
    }
}

/// Least-squares slope in percent a millisecond; 0 where the samples span no time.
fn slope(samples: &[Sample]) -> f64 {
    let origin = samples.first().map_or(0, |sample| sample.at_ms);
    #[allow(clippy::cast_precision_loss, reason = "spans of samples are far below 2^52 ms")]
    let points = samples
        .iter()
        .filter(|sample| sample.utilization.is_finite())
        .map(|sample| (sample.at_ms.saturating_sub(origin) as f64, sample.utilization));
    let (mut count, mut sum_x, mut sum_y) = (0.0, 0.0, 0.0);
    for (x, y) in points.clone() {
        count += 1.0;
        sum_x += x;
        sum_y += y;
    }
    if count < 2.0 {
        return 0.0;
    }
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (mut products, mut squares) = (0.0, 0.0);
    for (x, y) in points {
        products += (x - mean_x) * (y - mean_y);
        squares += (x - mean_x) * (x - mean_x);
    }
    if squares > 0.0 { products / squares } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::Limits;
    use navarch_proto::fleet::{Autoscaling, Reactive, autoscaling::Strategy};

    const MINUTE_MS: u64 = 60_000;

    /// One sample a minute; the last is now.
    fn view(samples: &[f64]) -> PoolView {
        let sample = |(minute, utilization): (usize, &f64)| Sample {
            at_ms: minute as u64 * MINUTE_MS,
            utilization: *utilization,
        };
        PoolView {
            target: 10,
            size: 10,
            healthy: 10,
            limits: Limits { min: 2, max: 20 },
            utilization: samples.last().copied(),
            history: samples.iter().enumerate().map(sample).collect(),
            provisioning_delay_ms: 5 * MINUTE_MS,
            now_ms: samples.len() as u64 * MINUTE_MS,
            ..PoolView::default()
        }
    }

    fn predictive(growth_factor: f64, fallback: bool) -> Predictive {
        let reactive = Reactive { scale_up_at: 80.0, scale_down_at: 20.0 };
        Predictive {
            lookback_window: 4,
            growth_factor,
            fallback: fallback
                .then(|| Box::new(Autoscaling { strategy: Some(Strategy::Reactive(reactive)) })),
        }
    }

    /// Without it growth would be met only after it has arrived.
    #[test]
    fn forecasts_to_the_end_of_the_delay() {
        for (samples, growth, expected, cause) in [
            // 4 a minute for 5 minutes on top of 62: 82, so 10 * 82 / 70 = 11.7.
            (&[50.0, 54.0, 58.0, 62.0][..], 1.0, 12, Cause::Demand),
            // The same at half the growth stays below 80.
            (&[50.0, 54.0, 58.0, 62.0], 0.5, 10, Cause::Steady),
            // 1.5 times: 92, so 13.1.
            (&[50.0, 54.0, 58.0, 62.0], 1.5, 14, Cause::Demand),
            // Only the last four count.
            (&[99.0, 0.0, 50.0, 54.0, 58.0, 62.0], 1.0, 12, Cause::Demand),
            // A rise far beyond what fits.
            (&[0.0, 30.0, 60.0, 90.0], 10.0, 20, Cause::Demand),
            // Falling, level, and high.
            (&[90.0, 80.0, 70.0, 60.0], 1.0, 10, Cause::Steady),
            (&[70.0, 70.0, 70.0, 70.0], 1.0, 10, Cause::Steady),
            (&[90.0, 90.0, 90.0, 90.0], 1.0, 13, Cause::Demand),
            (&[80.0, 80.0, 80.0, 80.0], 1.0, 10, Cause::Steady),
            // Too few.
            (&[90.0, 90.0, 90.0], 1.0, 10, Cause::NoData),
            (&[], 1.0, 10, Cause::NoData),
        ] {
            let decision = decide(&predictive(growth, false), &view(samples));
            assert_eq!(
                (decision.target, decision.cause),
                (expected, cause),
                "{samples:?}: {}",
                decision.reason
            );
        }
    }

    /// Without it a pool with a short history, or with falling load, would never move.
    #[test]
    fn the_fallback_decides_otherwise() {
        for (samples, expected) in [
            (&[90.0, 90.0, 90.0][..], 11),
            (&[10.0, 10.0, 10.0, 10.0], 9),
            (&[50.0, 50.0, 50.0, 50.0], 10),
        ] {
            assert_eq!(
                decide(&predictive(1.0, true), &view(samples)).target,
                expected,
                "{samples:?}"
            );
        }
        let mut silent = view(&[90.0, 90.0, 90.0, 90.0]);
        silent.utilization = None;
        assert_eq!(decide(&predictive(1.0, true), &silent).cause, Cause::NoData);
    }

    /// Without it one odd sample, or all at one time, could give a slope of infinity.
    #[test]
    fn slopes() {
        let at = |points: &[(u64, f64)]| {
            let sample = |(at_ms, utilization): &(u64, f64)| Sample {
                at_ms: *at_ms,
                utilization: *utilization,
            };
            slope(&points.iter().map(sample).collect::<Vec<_>>())
        };
        let near = |left: f64, right: f64| (left - right).abs() < 1e-9;
        assert!(near(at(&[(0, 1.0), (10, 2.0), (20, 3.0)]), 0.1));
        assert!(near(at(&[(1_700_000_000_000, 1.0), (1_700_000_000_010, 2.0)]), 0.1));
        assert!(near(at(&[(0, 1.0), (10, 5.0), (20, 3.0)]), 0.1));
        assert!(near(at(&[(5, 1.0), (5, 9.0)]), 0.0));
        assert!(near(at(&[(5, 1.0)]), 0.0));
        assert!(near(at(&[]), 0.0));
        assert!(near(at(&[(0, 1.0), (5, f64::NAN), (10, 2.0)]), 0.1));
    }
}
