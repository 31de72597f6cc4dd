/// A scenario that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// Its file's name, without `.yaml`.
    pub name: &'static str,
    /// Its file's text.
    pub text: &'static str,
}

macro_rules! scenarios {
    ($($name:literal),* $(,)?) => {
        [$(Shipped {
            name: $name,
            text: include_str!(concat!("../../deploy/scenarios/", $name, ".yaml")),
        }),*]
    };
}

/// The scenarios of `deploy/scenarios`, the simplest first.
pub fn shipped() -> &'static [Shipped] {
    const SCENARIOS: [Shipped; 8] = scenarios![
        "basic-fleet",
        "live-smoke",
        "gpu-failure",
        "cordon-and-drain",
        "queue-burst",
        "capacity-drought",
        "scheduled-day",
        "thousand-nodes",
    ];
    &SCENARIOS
}
