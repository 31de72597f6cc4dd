use clap::Args;
use navarch_proto::api;

use super::confirm::confirm;
use crate::{
    cli::{
        failure::Failure,
        invocation::Invocation,
        output::{Cell, Column, Format, Screen, message, message_value, render},
    },
    client::rpc::EndAdoption,
};

const WHAT: &str = "end adopt mode";
const MESSAGE: &str = "navarch.EndAdoptionResponse";

const COLUMNS: [Column; 6] = [
    Column::always("Pool"),
    Column::always("Target"),
    Column::always("Size"),
    Column::always("Unanswered orders"),
    Column::always("To buy"),
    Column::always("To give back"),
];

/// `navarch snapshot end-adoption`
#[derive(Clone, Debug, Args)]
pub(crate) struct EndAdoptionArguments {
    /// Show what would be bought and given back, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// End it without asking
    #[arg(long)]
    yes: bool,
    /// End it although a provider was not listed or a machine could not become a record
    #[arg(long)]
    force: bool,
}

impl EndAdoptionArguments {
    pub(super) async fn run(self, invocation: &mut Invocation) -> Result<(), Failure> {
        let request = api::EndAdoptionRequest { dry_run: true, force: self.force };
        let forecast = invocation.call::<EndAdoption>(WHAT, request).await?;
        if self.dry_run {
            return print(&forecast, invocation);
        }
        message(&render_forecast(&forecast, Screen::default()));
        if !self.yes {
            confirm("adopt mode ends, and the above follows", "end", "--yes").await?;
        }
        let request = api::EndAdoptionRequest { dry_run: false, force: self.force };
        let ended = invocation.call::<EndAdoption>(WHAT, request).await?;
        let value = message_value(MESSAGE, &ended)?;
        invocation.printer.result("adopt mode has ended", "ended", &value)
    }
}

fn print(forecast: &api::EndAdoptionResponse, invocation: &mut Invocation) -> Result<(), Failure> {
    let printer = &mut invocation.printer;
    match printer.format() {
        Format::Table | Format::Wide => {
            let text = render_forecast(forecast, printer.screen());
            printer.line(&text)?;
            message("nothing was changed (--dry-run)");
            Ok(())
        }
        Format::Name => forecast.pools.iter().try_for_each(|pool| printer.line(&pool.name)),
        Format::Json | Format::Yaml => printer.value(&message_value(MESSAGE, forecast)?),
    }
}

fn render_forecast(forecast: &api::EndAdoptionResponse, screen: Screen) -> String {
    let rows: Vec<Vec<Cell>> = forecast
        .pools
        .iter()
        .map(|pool| {
            let counts =
                [pool.target, pool.size, pool.unanswered_orders, pool.to_buy, pool.to_terminate];
            let counts = counts.iter().map(|count| Cell::from(count.to_string()));
            [Cell::from(pool.name.as_str())].into_iter().chain(counts).collect()
        })
        .collect();
    let mut parts = vec![render(&COLUMNS, &rows, true, screen)];
    let unknown = match forecast.unknown_agents {
        0 => Vec::new(),
        count => vec![format!("{count} agents: {}", forecast.unknown_agent_ids.join(", "))],
    };
    let sections = [
        ("Given back in any case:", &forecast.terminations),
        ("Given back unless their agents register in time:", &forecast.unregistered),
        ("Silent, so declared lost, and replaced where the pool says so:", &forecast.silent_nodes),
        ("Beat but do not register; restart them:", &unknown),
        ("Speaks against ending it now:", &forecast.objections),
    ];
    for (title, lines) in sections {
        if !lines.is_empty() {
            parts.push(format!("{title}\n  {}", lines.join("\n  ")));
        }
    }
    parts.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it an operator would end the mode without seeing what it costs.
    #[test]
    fn the_forecast_names_what_follows() {
        let forecast = api::EndAdoptionResponse {
            pools: vec![api::PoolForecast {
                name: "training".to_owned(),
                target: 2,
                size: 5,
                to_terminate: 3,
                ..Default::default()
            }],
            unregistered: vec!["i-7".to_owned()],
            unknown_agents: 2,
            unknown_agent_ids: vec!["n-1".to_owned(), "n-2".to_owned()],
            ..Default::default()
        };
        let text = render_forecast(&forecast, Screen::default());
        for part in ["training", "To give back", "register in time:\n  i-7", "2 agents: n-1, n-2"] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        assert!(!text.contains("Speaks against"), "{text}");
    }
}
