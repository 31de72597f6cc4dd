/// A stretch of a drawing, and the values that it stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    /// Where the least value lies, and where the greatest.
    pub(super) from: f64,
    pub(super) to: f64,
    least: f64,
    greatest: f64,
    by_powers: bool,
}

impl Axis {
    /// Values from `least` to `greatest`, evenly.
    pub(super) fn even((from, to): (f64, f64), least: f64, greatest: f64) -> Self {
        let greatest = if greatest > least { greatest } else { least + 1.0 };
        Self { from, to, least, greatest, by_powers: false }
    }

    /// Values from `least` to `greatest`, both above 0, each power of ten as long as the next.
    pub(super) fn powers((from, to): (f64, f64), least: f64, greatest: f64) -> Self {
        let greatest = if greatest > least { greatest } else { least * 10.0 };
        Self { from, to, least, greatest, by_powers: true }
    }

    /// Where `value` lies.
    pub(super) fn at(&self, value: f64) -> f64 {
        let value = value.clamp(self.least, self.greatest);
        let part = if self.by_powers {
            (value / self.least).log10() / (self.greatest / self.least).log10()
        } else {
            (value - self.least) / (self.greatest - self.least)
        };
        self.from + part * (self.to - self.from)
    }

    /// Values worth a line: about `count` round ones, or each power of ten.
    pub(super) fn ticks(&self, count: f64) -> Vec<f64> {
        let mut ticks = Vec::new();
        if self.by_powers {
            let mut tick = 10_f64.powf(self.least.log10().ceil());
            while tick <= self.greatest * 1.001 {
                ticks.push(tick);
                tick *= 10.0;
            }
            return ticks;
        }
        let step = round_step((self.greatest - self.least) / count.max(1.0));
        let mut tick = (self.least / step).ceil() * step;
        while tick <= self.greatest + step * 1e-6 {
            ticks.push(tick);
            tick += step;
        }
        ticks
    }
}

/// The least of 1, 2 and 5 times a power of ten that is no less than `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.max(f64::MIN_POSITIVE).log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
    round.into_iter().find(|round| *round >= step * 0.999_999).unwrap_or(step)
}

/// A number as SVG takes it.
pub(super) fn place(value: f64) -> String {
    format!("{value:.1}")
}

/// A line through `points`, with a break wherever one is missing.
pub(super) fn path(points: &[Option<(f64, f64)>]) -> String {
    let mut text = String::new();
    let mut drawing = false;
    for point in points {
        if let Some((x, y)) = point {
            text.push_str(if drawing { "L" } else { "M" });
            text.push_str(&format!("{x:.1} {y:.1}"));
        }
        drawing = point.is_some();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a curve could be drawn off its axis.
    #[test]
    fn values_lie_where_their_ticks_are() {
        let even = Axis::even((100.0, 0.0), 0.0, 950.0);
        assert_eq!(even.ticks(4.0), [0.0, 500.0]);
        assert!((even.at(475.0) - 50.0).abs() < 1e-9 && even.at(2_000.0).abs() < 1e-9);
        let powers = Axis::powers((0.0, 90.0), 1.0, 1_000.0);
        assert_eq!(powers.ticks(9.0).len(), 4);
        assert!((powers.at(10.0) - 30.0).abs() < 1e-9 && powers.at(0.0).abs() < 1e-9);
    }

    /// Without it a time that nobody measured would be drawn as if somebody had.
    #[test]
    fn a_missing_point_breaks_the_line() {
        let points = [Some((0.0, 1.0)), Some((1.0, 2.0)), None, Some((3.0, 1.0))];
        assert_eq!(path(&points), "M0.0 1.0L1.0 2.0M3.0 1.0");
    }
}
