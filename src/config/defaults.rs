use super::section::Section;

pub(super) const KEYS: [&str; 4] =
    ["unhealthy_after", "auto_replace", "replace_at_once_percent", "replace_per_hour_percent"];

/// When a pool gives a node up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolHealth {
    /// Unhealthy reports in a row.
    pub(crate) unhealthy_after: u32,
    pub(crate) auto_replace: bool,
    /// Percent of the target; 0: the default.
    pub(crate) replace_at_once_percent: u32,
    /// Percent of the target; 0: the default.
    pub(crate) replace_per_hour_percent: u32,
}

impl PoolHealth {
    /// What holds where neither a pool nor the defaults have a `health` block.
    const UNSAID: Self = Self {
        unhealthy_after: 2,
        auto_replace: true,
        replace_at_once_percent: 0,
        replace_per_hour_percent: 0,
    };

    /// Reads a `health` block: in one that does not say it, `auto_replace` is off.
    pub(crate) fn read(section: &Section<'_>) -> Option<Self> {
        let block = section.section("health", &KEYS)?;
        let percent = |key, most| block.whole(key, 1..=most).unwrap_or(0);
        Some(Self {
            unhealthy_after: block.whole("unhealthy_after", 1..=1_000).unwrap_or(2),
            auto_replace: block.flag("auto_replace").unwrap_or(false),
            replace_at_once_percent: percent("replace_at_once_percent", 100),
            replace_per_hour_percent: percent("replace_per_hour_percent", 10_000),
        })
    }
}

/// The `defaults` block: what pools take that do not say it themselves.
pub(crate) struct Defaults {
    pub(crate) ssh_keys: Vec<String>,
    pub(crate) ssh_user: String,
    pub(crate) ssh_private_key_path: String,
    pub(crate) health: PoolHealth,
}

impl Defaults {
    pub(crate) fn read(file: &Section<'_>) -> Self {
        let mut defaults = Self {
            ssh_keys: Vec::new(),
            ssh_user: "ubuntu".to_owned(),
            ssh_private_key_path: String::new(),
            health: PoolHealth::UNSAID,
        };
        let keys = ["ssh_keys", "ssh_user", "ssh_private_key_path", "health"];
        let Some(block) = file.section("defaults", &keys) else {
            return defaults;
        };
        defaults.ssh_keys = block.texts("ssh_keys").unwrap_or_default();
        let user = block.text("ssh_user").filter(|user| !user.is_empty());
        defaults.ssh_user = user.unwrap_or(defaults.ssh_user);
        defaults.ssh_private_key_path = block.text("ssh_private_key_path").unwrap_or_default();
        defaults.health = PoolHealth::read(&block).unwrap_or(defaults.health);
        defaults
    }
}
