mod live;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use self::live::LiveArguments;
use crate::{
    cli::{
        failure::Failure,
        invocation::Invocation,
        output::{Cell, Column, Format, message, render},
        signals,
    },
    config::{ConfigError, format_millis, nearest},
    sim::{self, Run, Scenario, shipped},
};

/// `navarch sim`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum SimCommand {
    /// Play scenarios and judge what they assert
    Run(RunArguments),
    /// List the scenarios that come with this program
    List,
    /// Check scenario files
    Validate(ValidateArguments),
}

/// `navarch sim run`
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArguments {
    /// Scenario files, or names that `navarch sim list` prints
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Draw everything random from this seed instead of the file's
    #[arg(long, value_name = "SEED")]
    seed: Option<u32>,
    /// Write report.json and report.html into this folder; of several scenarios each into one of its own there
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    #[command(flatten)]
    live: LiveArguments,
}

/// `navarch sim validate`
#[derive(Clone, Debug, Args)]
pub(crate) struct ValidateArguments {
    /// Scenario files, or names that `navarch sim list` prints
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl SimCommand {
    /// Whether it asks no replica anything.
    pub(crate) fn offline(&self) -> bool {
        match self {
            Self::Run(arguments) => !arguments.live.live,
            Self::List | Self::Validate(_) => true,
        }
    }

    pub(crate) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        match self {
            Self::Run(arguments) => arguments.run(invocation).await,
            Self::List => list(invocation),
            Self::Validate(arguments) => arguments.run(invocation),
        }
    }
}

impl RunArguments {
    async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        // All of them first: a mistake in the last must not cost the time of the others.
        let scenarios = self.files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
        let alone = scenarios.len() == 1;
        let stop = if self.live.live {
            scenarios.iter().try_for_each(|scenario| self.live.check(scenario))?;
            Some(signals::stop_on_signal(&invocation.spawner)?)
        } else {
            None
        };
        let mut runs = Vec::new();
        for mut scenario in scenarios {
            if let Some(seed) = self.seed {
                scenario.seed = seed.into();
            }
            let folder = |folder: &PathBuf| match alone {
                true => folder.clone(),
                false => folder.join(&scenario.name),
            };
            let (report, data) =
                (self.report.as_ref().map(folder), self.live.data_dir.as_ref().map(folder));
            let begun = invocation.clock.now();
            let run = self.play(scenario, data, stop.as_ref(), invocation).await?;
            let took = invocation.clock.now().since(begun).as_secs_f64();
            show(&run, took, invocation)?;
            if let Some(folder) = report {
                let page = sim::write_report(&run, &folder)
                    .map_err(|error| Failure::refused(error.to_string()))?;
                message(&format!("report: {}", page.display()));
            }
            runs.push(run);
        }
        if matches!(invocation.printer.format(), Format::Json | Format::Yaml) {
            match runs.as_slice() {
                [run] => invocation.printer.value(run)?,
                runs => invocation.printer.value(&json!({ "runs": runs }))?,
            }
        }
        verdict(&runs)
    }

    /// Live where there is something that stops it.
    async fn play(
        &self,
        scenario: Scenario,
        data: Option<PathBuf>,
        stop: Option<&CancellationToken>,
        invocation: &Invocation,
    ) -> Result<Run, Failure> {
        if let Some(stop) = stop {
            return self.live.play(&scenario, data, (stop, invocation)).await;
        }
        let name = scenario.name.clone();
        let run = sim::run_fast(scenario, &*invocation.spawner).await;
        run.map_err(|error| Failure::refused(format!("{name}: {error}")))
    }
}

/// A failure where an assertion failed.
fn verdict(runs: &[Run]) -> Result<(), Failure> {
    let failed = runs.iter().flat_map(|run| run.assertions.iter().filter(|one| !one.passed));
    match failed.count() {
        0 => Ok(()),
        1 => Err(Failure::refused("1 assertion failed")),
        count => Err(Failure::refused(format!("{count} assertions failed"))),
    }
}

fn show(run: &Run, took: f64, invocation: &mut Invocation) -> Result<(), Failure> {
    const COLUMNS: &[Column] = &[
        Column::always("RESULT"),
        Column::always("ASSERTION"),
        Column::always("WHAT MUST HOLD"),
        Column::always("WHEN"),
        Column::always("EVIDENCE"),
    ];
    match invocation.printer.format() {
        Format::Json | Format::Yaml => return Ok(()),
        Format::Name => {
            let word = if run.passed { "passed" } else { "failed" };
            return invocation.printer.line(&format!("{} {word}", run.scenario));
        }
        Format::Table | Format::Wide => {}
    }
    let journal = run.journal_hash.as_deref().map(|hash| {
        let start = &hash[..hash.len().min(16)];
        format!(", journal {start}")
    });
    let head = format!(
        "{}: {} in {took:.1} s; {} machines bought, {:.2} dollars, {} events{}",
        run.scenario,
        format_millis(run.duration_ms),
        run.machines_bought,
        run.dollars_spent,
        run.events,
        journal.unwrap_or_default()
    );
    let rows: Vec<Vec<Cell>> = run
        .assertions
        .iter()
        .map(|one| {
            let word = if one.passed { "pass" } else { "FAIL" };
            [word, &one.name, &one.claim, &one.when, &one.evidence].map(Cell::from).into()
        })
        .collect();
    let screen = invocation.printer.screen();
    invocation.printer.line(&head)?;
    invocation.printer.line(&render(COLUMNS, &rows, true, screen))
}

fn list(invocation: &mut Invocation) -> Result<(), Failure> {
    const COLUMNS: &[Column] = &[
        Column::always("NAME"),
        Column::always("DURATION"),
        Column::always("ASSERTIONS"),
        Column::always("WHAT IT SHOWS"),
    ];
    let mut scenarios = Vec::new();
    for one in shipped() {
        scenarios.push(sim::parse(one.text, one.name).map_err(Failure::wrong_file)?);
    }
    match invocation.printer.format() {
        Format::Name => scenarios.iter().try_for_each(|one| invocation.printer.line(&one.name)),
        Format::Json | Format::Yaml => {
            let value = |one: &Scenario| {
                json!({
                    "name": one.name, "description": one.description, "duration_ms": one.duration_ms,
                    "assertions": one.assertions(), "steps": one.steps(),
                })
            };
            let values: Vec<_> = scenarios.iter().map(value).collect();
            invocation.printer.value(&values)
        }
        Format::Table | Format::Wide => {
            let row = |one: &Scenario| {
                let duration = format_millis(one.duration_ms);
                let cells = [&one.name, &duration, &one.assertions().to_string(), &one.description];
                cells.map(|text| Cell::from(text.as_str())).into()
            };
            let rows: Vec<Vec<Cell>> = scenarios.iter().map(row).collect();
            let screen = invocation.printer.screen();
            invocation.printer.line(&render(COLUMNS, &rows, true, screen))
        }
    }
}

impl ValidateArguments {
    fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        for file in &self.files {
            let scenario = read(file)?;
            let text = format!(
                "{}: scenario {}, {} steps and {} assertions in {}",
                file.display(),
                scenario.name,
                scenario.steps(),
                scenario.assertions(),
                format_millis(scenario.duration_ms)
            );
            let value = json!({ "file": file, "name": scenario.name, "valid": true });
            invocation.printer.result(&text, &scenario.name, &value)?;
        }
        Ok(())
    }
}

/// The file, or the shipped scenario of that name where there is no such file.
fn read(file: &Path) -> Result<Scenario, Failure> {
    let name = file.to_string_lossy();
    if !file.exists() {
        if let Some(one) = shipped().iter().find(|one| *one.name == *name) {
            return sim::parse(one.text, one.name).map_err(Failure::wrong_file);
        }
        let names: Vec<_> = shipped().iter().map(|one| one.name).collect();
        let help = match nearest(&name, &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                "`navarch sim list` prints the scenarios that come with this program".to_owned()
            }
        };
        return Err(Failure::usage(format!("there is no file {name}")).help(help));
    }
    sim::load(file).map_err(|error| match error {
        ConfigError::Invalid(problems) => Failure::wrong_file(*problems),
        other => Failure::wrong_file(other),
    })
}
