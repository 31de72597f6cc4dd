use std::{collections::BTreeSet, fmt::Write as _};

use super::{
    chart::{Chart, Curve},
    escape::Escaped,
};
use crate::{
    config::format_millis,
    sim::run::{PoolSample, Run},
};

const STYLE: &str = "\
body{font:15px/1.45 system-ui,sans-serif;color:#1b1f24;background:#fff;max-width:920px;margin:2em auto;padding:0 1em}
h1{margin-bottom:.1em}h2{margin-top:1.6em;border-bottom:1px solid #d0d7de}
table{border-collapse:collapse;width:100%;font-size:13px}
th,td{text-align:left;vertical-align:top;padding:.25em .8em .25em 0;border-bottom:1px solid #eaeef2}
.pass{color:#116329;font-weight:600}.fail{color:#b3261e;font-weight:600}
figure{margin:1em 0}figcaption{font-weight:600}figcaption span{font-weight:400;margin-left:.7em}
svg{width:100%;height:auto}svg text{font-size:11px;fill:#57606a}
.grid{stroke:#eaeef2}.mark{stroke:#8c959f;stroke-dasharray:3 3}.line{fill:none;stroke-width:1.8}
code{font-size:12px;word-break:break-all}";

/// The page about a run.
pub(super) fn render(run: &Run) -> String {
    let mut page = String::new();
    let title = Escaped(&run.scenario);
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1><p>{}</p>",
        Escaped(&run.description)
    );
    summary(run, &mut page);
    assertions(run, &mut page);
    page.push_str("<h2>Fleet over time</h2>");
    charts(run, &mut page);
    timeline(run, &mut page);
    journal(run, &mut page);
    page.push_str("</body></html>\n");
    page
}

fn summary(run: &Run, page: &mut String) {
    let failed = run.assertions.iter().filter(|one| !one.passed).count();
    let (class, word) = if run.passed { ("pass", "passed") } else { ("fail", "failed") };
    let _ = write!(
        page,
        "<p><span class=\"{class}\">{word}</span>: {} of {} assertions held. {} mode, seed {}, {} long; {} machines \
         bought for {:.2} dollars; {} events.",
        run.assertions.len() - failed,
        run.assertions.len(),
        run.mode,
        run.seed,
        format_millis(run.duration_ms),
        run.machines_bought,
        run.dollars_spent,
        run.events
    );
    if let Some(hash) = &run.journal_hash {
        let _ = write!(page, " Journal <code>{hash}</code>");
    }
    page.push_str("</p>");
}

fn assertions(run: &Run, page: &mut String) {
    page.push_str(
        "<h2>Assertions</h2><table><tr><th>Result<th>Assertion<th>What must hold<th>When<th>Evidence</tr>",
    );
    for one in &run.assertions {
        let (class, word) = if one.passed { ("pass", "pass") } else { ("fail", "FAIL") };
        let _ = write!(
            page,
            "<tr><td class=\"{class}\">{word}<td>{}<td>{}<td>{}<td>{}</tr>",
            Escaped(&one.name),
            Escaped(&one.claim),
            Escaped(&one.when),
            Escaped(&one.evidence)
        );
    }
    page.push_str("</table>");
}

fn charts(run: &Run, page: &mut String) {
    let pools: BTreeSet<_> = run.samples.iter().flat_map(|sample| sample.pools.keys()).collect();
    let chart = |title: &str, at_least, lines| {
        Chart { title, lines, end_ms: run.duration_ms, at_least, marks: &run.timeline }.render()
    };
    for pool in &pools {
        let line = |name, value: fn(&PoolSample) -> u32| {
            curve(run, name, |sample| Some(f64::from(value(sample.pools.get(*pool)?))))
        };
        let lines = vec![
            line("target", |one| one.target),
            line("size", |one| one.size),
            line("healthy", |one| one.healthy),
        ];
        page.push_str(&chart(&format!("Pool {pool}"), 1.0, lines));
    }
    let lines = pools.iter().map(|pool| {
        curve(run, pool, |sample| sample.pools.get(*pool).and_then(|one| one.utilization))
    });
    page.push_str(&chart("GPU utilisation, percent", 100.0, lines.collect()));
    let bought = curve(run, "bought so far", |sample| Some(f64::from(sample.machines_bought)));
    page.push_str(&chart("Machines bought", 1.0, vec![bought]));
    let spent = curve(run, "spent so far", |sample| Some(sample.dollars_spent));
    page.push_str(&chart("Dollars", 1.0, vec![spent]));
}

fn curve<'a>(
    run: &Run,
    name: &'a str,
    value: impl Fn(&crate::sim::run::Sample) -> Option<f64>,
) -> Curve<'a> {
    let points = run.samples.iter().map(|sample| (sample.at_ms, value(sample)));
    Curve { name, points: points.collect() }
}

fn timeline(run: &Run, page: &mut String) {
    page.push_str("<h2>Timeline</h2><table><tr><th>At<th>Step<th>Result</tr>");
    for done in &run.timeline {
        let (at, step, result) =
            (format_millis(done.at_ms), Escaped(&done.step), Escaped(&done.result));
        let _ = write!(page, "<tr><td>{at}<td>{step}<td>{result}</tr>");
    }
    page.push_str("</table>");
}

fn journal(run: &Run, page: &mut String) {
    let _ = write!(
        page,
        "<h2>Journal</h2><p>Without what happens to every machine; {} lines from the middle are left out.</p>\
         <table><tr><th>Time<th>Event<th>Subject<th>By<th>Why, and what changed</tr>",
        run.journal_left_out
    );
    for line in &run.journal {
        let time = jiff::Timestamp::from_millisecond(line.time_ms).unwrap_or_default();
        let _ = write!(
            page,
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{}</tr>",
            time.strftime("%d %H:%M:%S"),
            Escaped(&line.kind),
            Escaped(&line.subject),
            Escaped(&line.actor),
            Escaped(&line.text)
        );
    }
    page.push_str("</table>");
}
