use std::{fs, path::Path, time::Duration};

use navarch::config::parse_duration;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{error::ChaosError, faults::catalogue, invariants};

/// Longest scenario.
const LONGEST: Duration = Duration::from_secs(4 * 3_600);

/// What a scenario file says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What it is to show.
    #[serde(default)]
    pub about: String,
    /// How long faults befall the group; settling and judging come on top.
    #[serde(rename = "for", deserialize_with = "duration")]
    pub length: Duration,
    /// Decides what the file leaves open.
    #[serde(default)]
    pub seed: u64,
    /// Replicas of the group.
    #[serde(default = "three")]
    pub replicas: usize,
    /// Clients that write and read. Without machines only.
    #[serde(default)]
    pub load: Option<Load>,
    /// Pools of a fake cloud, with simulated agents on their machines.
    #[serde(default)]
    pub machines: Option<Machines>,
    /// Faults at certain times.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Faults at times that the seed draws.
    #[serde(default)]
    pub random: Option<Draws>,
    /// What must hold of it beside what is always checked under such a load.
    #[serde(default)]
    pub invariants: Vec<String>,
}

/// Clients.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Clients that write; one for each replica reads.
    pub clients: usize,
    /// Pools whose targets are registers that three clients each set and read at once.
    #[serde(default)]
    pub registers: u32,
}

/// Machines.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machines {
    /// Least of the pool.
    pub least: u32,
    /// Most of the pool.
    pub most: u32,
    /// Between two changes of what is wanted.
    #[serde(deserialize_with = "duration")]
    pub change_every: Duration,
}

/// One fault at a certain time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When, from the start.
    #[serde(deserialize_with = "duration")]
    pub at: Duration,
    /// Which, by its name in the catalogue.
    pub fault: String,
    /// How long it lasts.
    #[serde(rename = "for", deserialize_with = "duration")]
    pub lasts: Duration,
}

/// Faults drawn one after the other.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draws {
    /// From the start until the first one, and from the end of one until the next, half as much more or less.
    #[serde(deserialize_with = "duration")]
    pub every: Duration,
    /// How long each lasts, half as much more or less.
    #[serde(rename = "for", deserialize_with = "duration")]
    pub lasts: Duration,
    /// Of which it is drawn.
    pub faults: Vec<String>,
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// What is wrong with it: the key, its value, and what to write instead.
    pub fn read(path: &Path) -> Result<Self, ChaosError> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(ChaosError::system(format!("read {name}")))?;
        Self::parse(&text).map_err(|problem| ChaosError::Scenario { file: name, problem })
    }

    /// Reads a file's text.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let scenario: Self = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        scenario.check()?;
        Ok(scenario)
    }

    fn check(&self) -> Result<(), String> {
        if self.name.is_empty() {
            return Err("`name` is empty; give the scenario one".to_owned());
        }
        if self.length.is_zero() || self.length > LONGEST {
            return Err(format!("`for` is {:?}; it must lie between 1s and 4h", self.length));
        }
        if !(1..=7).contains(&self.replicas) {
            let replicas = self.replicas;
            return Err(format!("`replicas` is {replicas}; 1 to 7 are possible, 3 or 5 usual"));
        }
        if self.load.is_some() == self.machines.is_some() {
            let what = "one of `load` and `machines` must be given, and not both";
            return Err(what.to_owned());
        }
        if let Some(Machines { least, most, .. }) = self.machines
            && (least == 0 || most <= least || most > 50)
        {
            return Err(format!(
                "`machines` has least {least} and most {most}; write 1 or more for `least`, and more than that for `most`, 50 at most"
            ));
        }
        if self.steps.is_empty() && self.random.is_none() {
            return Err("neither `steps` nor `random` is given; name a fault".to_owned());
        }
        self.check_faults()?;
        let known: Vec<_> = invariants::all().iter().map(|one| one.name()).collect();
        match self.invariants.iter().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(format!(
                "`invariants` names `{name}`, which there is not; there are {}",
                known.join(", ")
            )),
            None => Ok(()),
        }
    }

    fn check_faults(&self) -> Result<(), String> {
        let known = catalogue::names();
        let check = |key: &str, name: &String| match known.contains(name) {
            true => Ok(()),
            false => Err(format!(
                "`{key}` names the fault `{name}`, which there is not; there are {}",
                known.join(", ")
            )),
        };
        for (number, step) in self.steps.iter().enumerate() {
            check(&format!("steps[{number}].fault"), &step.fault)?;
            if step.at >= self.length {
                return Err(format!(
                    "`steps[{number}].at` is {:?}, but the scenario ends after {:?}; begin it earlier",
                    step.at, self.length
                ));
            }
        }
        let Some(draws) = &self.random else { return Ok(()) };
        if draws.faults.is_empty() {
            return Err("`random.faults` is empty; name at least one".to_owned());
        }
        if draws.every.is_zero() {
            return Err("`random.every` is 0; write 1s or more".to_owned());
        }
        draws.faults.iter().try_for_each(|name| check("random.faults", name))
    }
}

fn three() -> usize {
    3
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text)
        .map_err(|error| D::Error::custom(format!("{error}; write 500ms, 10s or 2m")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
name: a
for: 10s
load: {clients: 2}
steps:
  - {at: 1s, fault: kill-leader, for: 500ms}
";

    /// Without it a slip of the pen would give another scenario than the one that is written.
    #[test]
    fn mistakes_are_told_by_key_value_and_remedy() {
        let scenario = Scenario::parse(GOOD).unwrap();
        assert_eq!((scenario.replicas, scenario.length), (3, Duration::from_secs(10)));
        let table = [
            ("name: a", "name: ''", "`name` is empty"),
            ("for: 10s", "for: 0s", "`for` is 0"),
            ("for: 10s", "for: soon", "write 500ms, 10s or 2m"),
            ("for: 10s", "for: 10s\nreplicas: 9", "`replicas` is 9"),
            ("load: {clients: 2}", "", "one of `load` and `machines`"),
            ("clients: 2", "client: 2", "client"),
            ("kill-leader", "kill-reader", "`steps[0].fault` names the fault `kill-reader`"),
            ("at: 1s", "at: 10s", "`steps[0].at` is 10s"),
            ("for: 10s", "for: 10s\ninvariants: [peace]", "`invariants` names `peace`"),
            ("for: 10s", "for: 10s\nrandom: {every: 1s, for: 1s, faults: []}", "`random.faults`"),
        ];
        for (old, new, expected) in table {
            let told = Scenario::parse(&GOOD.replace(old, new)).unwrap_err();
            assert!(told.contains(expected), "{new}: {told}");
        }
    }

    /// Without it a scenario that is shipped could name what there is not.
    #[test]
    fn shipped_scenarios_are_sound() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let mut faults = std::collections::BTreeSet::new();
        for entry in fs::read_dir(folder).unwrap() {
            let scenario = Scenario::read(&entry.unwrap().path()).unwrap();
            faults.extend(scenario.steps.iter().map(|step| step.fault.clone()));
            faults.extend(scenario.random.iter().flat_map(|draws| draws.faults.clone()));
        }
        let missing: Vec<_> =
            catalogue::names().into_iter().filter(|name| !faults.contains(name)).collect();
        assert!(missing.is_empty(), "no scenario has {missing:?}");
    }
}
