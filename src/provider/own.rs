use std::{collections::BTreeMap, fmt, sync::Arc};

use navarch_proto::fleet::ProviderSpec;

use super::Provider;

/// Makes a provider of what the fleet's configuration has under its name, or says why that cannot be. It is called
/// again whenever that part of the configuration changes.
pub type BuildOwn = Arc<dyn Fn(&ProviderSpec) -> Result<Arc<dyn Provider>, String> + Send + Sync>;

/// The providers that a program which embeds the control plane brings along, by the configured name. Only one
/// of `type: custom` is looked for here.
#[derive(Clone, Default)]
pub struct OwnProviders(BTreeMap<String, BuildOwn>);

impl OwnProviders {
    /// One more, in place of an earlier one of that name.
    pub fn add(&mut self, name: &str, build: BuildOwn) {
        self.0.insert(name.to_owned(), build);
    }

    /// What makes the one of that name.
    pub(super) fn get(&self, name: &str) -> Option<&BuildOwn> {
        self.0.get(name)
    }
}

impl fmt::Debug for OwnProviders {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}
