use std::fmt::Write as _;

use super::escape::Escaped;
use crate::{config::format_millis, sim::run::Done};

/// Of the whole picture, in its own units.
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 220.0;
/// Around the plot.
const LEFT: f64 = 46.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 24.0;
/// Colours that people who see few of them can tell apart.
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

/// Lines over time.
pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    pub(super) lines: Vec<Curve<'a>>,
    /// When the scenario ends, in milliseconds after its start.
    pub(super) end_ms: u64,
    /// The highest value that must be shown; more where a line goes higher.
    pub(super) at_least: f64,
    /// What happened meanwhile.
    pub(super) marks: &'a [Done],
}

/// One line: values at milliseconds after the start, with gaps where there is none.
pub(super) struct Curve<'a> {
    pub(super) name: &'a str,
    pub(super) points: Vec<(u64, Option<f64>)>,
}

impl Chart<'_> {
    /// The picture, with its title and a legend.
    pub(super) fn render(&self) -> String {
        let values = self.lines.iter().flat_map(|line| &line.points);
        let top = values.filter_map(|(_, value)| *value).fold(self.at_least, f64::max) * 1.05;
        let scale = Scale { end_ms: self.end_ms.max(1), top };
        let mut svg = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            svg,
            "<figure><figcaption>{}{}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">",
            Escaped(self.title),
            self.legend()
        );
        scale.axes(&mut svg);
        for mark in self.marks {
            let (x, bottom) = (scale.x(mark.at_ms), HEIGHT - BOTTOM);
            let _ = write!(
                svg,
                "<line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"><title>{}: {}</title></line>",
                format_millis(mark.at_ms),
                Escaped(&mark.step)
            );
        }
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let path = scale.path(&line.points);
            let _ = write!(svg, "<path class=\"line\" stroke=\"{colour}\" d=\"{path}\"/>");
        }
        svg.push_str("</svg></figure>");
        svg
    }

    fn legend(&self) -> String {
        let entries = self.lines.iter().zip(COLOURS.iter().cycle());
        entries.fold(String::new(), |mut legend, (line, colour)| {
            let name = Escaped(line.name);
            let _ = write!(legend, " <span style=\"color:{colour}\">\u{25a0} {name}</span>");
            legend
        })
    }
}

struct Scale {
    end_ms: u64,
    top: f64,
}

impl Scale {
    #[allow(clippy::cast_precision_loss, reason = "a scenario's milliseconds are far below 2^52")]
    fn x(&self, at_ms: u64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (at_ms as f64 / self.end_ms as f64)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value / self.top)
    }

    fn axes(&self, svg: &mut String) {
        for part in 0..=4_u32 {
            let value = self.top * f64::from(part) / 4.0;
            let (y, right) = (self.y(value), WIDTH - RIGHT);
            let digits = usize::from(self.top < 20.0);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value:.digits$}</text>",
                LEFT - 6.0,
                y + 4.0
            );
        }
        for part in 0..=6_u64 {
            // Whole seconds read better than what a sixth happens to be.
            let at_ms = self.end_ms * part / 6 / 1_000 * 1_000;
            let _ = write!(
                svg,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                self.x(at_ms).min(WIDTH - RIGHT - 14.0),
                HEIGHT - 6.0,
                format_millis(at_ms)
            );
        }
    }

    /// Steps, since between two looks nothing is known.
    fn path(&self, points: &[(u64, Option<f64>)]) -> String {
        let mut path = String::new();
        let mut before: Option<f64> = None;
        for (at_ms, value) in points {
            let x = self.x(*at_ms);
            if let Some(value) = value {
                let y = self.y(*value);
                let _ = match before {
                    Some(before) if before == y => write!(path, "H{x:.1}"),
                    Some(_) => write!(path, "H{x:.1}V{y:.1}"),
                    None => write!(path, "M{x:.1} {y:.1}"),
                };
                before = Some(y);
            } else {
                before = None;
            }
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a gap would be drawn as a value, or a value outside the picture.
    #[test]
    fn lines_are_steps_within_the_picture_with_gaps() {
        let scale = Scale { end_ms: 1_000, top: 10.0 };
        let points = [(0, Some(0.0)), (500, Some(10.0)), (600, None), (1_000, Some(10.0))];
        assert_eq!(scale.path(&points), "M46.0 196.0H448.0V12.0M850.0 12.0");
    }
}
