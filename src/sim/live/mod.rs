//! Playing a scenario against a real group, with real calls of agents and operators, in real time.
//!
//! | file | holds |
//! |---|---|
//! | `options` | which group, and what may be done to it |
//! | `operator` | what an operator asks of a group |
//! | `holdings` | what a group has already, which no scenario may take away |
//! | `configuration` | the scenario's configuration as the group gets it |
//! | `clouds` | a fake cloud with agents for each provider, in this process |
//! | `scene`, `acts` | the group, the clouds and the agents as one stage |
//! | `clearing` | taking everything back afterwards |

mod acts;
mod clearing;
mod clouds;
mod configuration;
mod holdings;
mod operator;
mod options;
mod scene;

pub use self::options::LiveOptions;
use self::{clouds::Clouds, configuration::Applied, operator::Operator, scene::LiveScene};
use super::{
    error::SimError,
    run::{Mode, Run, play},
    scenario::Scenario,
};

/// Plays a scenario against a running group, and takes back what it brought unless the group ends anyway.
///
/// # Errors
///
/// If the group has a fleet already, or the scenario cannot be played to its end; an assertion that fails is no
/// error.
pub async fn run_live(scenario: &Scenario, options: &LiveOptions) -> Result<Run, SimError> {
    let operator = Operator::new(options)?;
    let clouds = Clouds::start(scenario, options).await?;
    let run = on(&operator, &clouds, scenario, options).await;
    clouds.stop().await;
    run
}

async fn on(
    operator: &Operator,
    clouds: &Clouds,
    scenario: &Scenario,
    options: &LiveOptions,
) -> Result<Run, SimError> {
    let first = Applied::new(&scenario.config, clouds.urls());
    let found = holdings::Holdings::of(operator).await?;
    if found.check(options.force)? {
        let left = Applied::new(found.configuration(scenario)?, clouds.urls());
        options.tell("what an earlier run left is given back first");
        clearing::clear(operator, &left, options).await?;
    }
    let mut scene = match LiveScene::open(operator, clouds, scenario, options).await {
        Ok(scene) => scene,
        Err(error) => {
            // The group may have taken the configuration all the same, and buy by it.
            if error.leaves_open() {
                take_back(operator, &first, options).await;
            }
            return Err(error);
        }
    };
    let run = play(scenario, Mode::Live, &mut scene).await;
    take_back(operator, scene.applied(), options).await;
    run
}

/// Takes back what a scenario has brought, and tells where that fails; the scenario's own result counts.
async fn take_back(operator: &Operator, applied: &Applied, options: &LiveOptions) {
    if options.ends_with_run {
        return;
    }
    options.tell("taking back the scenario's pools and machines");
    if let Err(error) = clearing::clear(operator, applied, options).await {
        options.tell(&format!(
            "the group was not left as it was found: {error}; run this scenario again with --live --force, which \
             begins by taking back the rest"
        ));
    }
}
