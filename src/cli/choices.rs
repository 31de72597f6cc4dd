use std::collections::BTreeMap;

use clap::ValueEnum;
use navarch_proto::api;

/// A status to filter nodes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NodeStatusChoice {
    /// Takes work.
    Active,
    /// Takes no new work.
    Cordoned,
    /// Being emptied.
    Draining,
    /// Unhealthy or lost.
    Unhealthy,
    /// Gone.
    Terminated,
}

impl From<NodeStatusChoice> for api::NodeStatus {
    fn from(choice: NodeStatusChoice) -> Self {
        match choice {
            NodeStatusChoice::Active => Self::Active,
            NodeStatusChoice::Cordoned => Self::Cordoned,
            NodeStatusChoice::Draining => Self::Draining,
            NodeStatusChoice::Unhealthy => Self::Unhealthy,
            NodeStatusChoice::Terminated => Self::Terminated,
        }
    }
}

/// A state to filter instances by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InstanceStateChoice {
    /// Ordered from the provider.
    Provisioning,
    /// Bought; its agent has not registered yet.
    PendingRegistration,
    /// Its node is registered.
    Running,
    /// Being given back.
    Terminating,
    /// Given back.
    Terminated,
    /// The order or the machine failed.
    Failed,
}

impl From<InstanceStateChoice> for api::InstanceState {
    fn from(choice: InstanceStateChoice) -> Self {
        match choice {
            InstanceStateChoice::Provisioning => Self::Provisioning,
            InstanceStateChoice::PendingRegistration => Self::PendingRegistration,
            InstanceStateChoice::Running => Self::Running,
            InstanceStateChoice::Terminating => Self::Terminating,
            InstanceStateChoice::Terminated => Self::Terminated,
            InstanceStateChoice::Failed => Self::Failed,
        }
    }
}

/// What a node can be ordered to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CommandTypeChoice {
    /// Take no new work (done by the control plane).
    Cordon,
    /// Take work again (done by the control plane).
    Uncordon,
    /// Finish what runs and take no new work (done by the control plane).
    Drain,
    /// Examine the machine (done by the agent).
    RunDiagnostic,
    /// Shut the machine down (done by the agent).
    Terminate,
}

impl From<CommandTypeChoice> for api::NodeCommandType {
    fn from(choice: CommandTypeChoice) -> Self {
        match choice {
            CommandTypeChoice::Cordon => Self::Cordon,
            CommandTypeChoice::Uncordon => Self::Uncordon,
            CommandTypeChoice::Drain => Self::Drain,
            CommandTypeChoice::RunDiagnostic => Self::RunDiagnostic,
            CommandTypeChoice::Terminate => Self::Terminate,
        }
    }
}

/// Reads `name=value`.
pub(crate) fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is no pair: write name=value")),
    }
}

/// Pairs as a map; of two with one name the later counts.
pub(crate) fn pairs(pairs: &[(String, String)]) -> BTreeMap<String, String> {
    pairs.iter().cloned().collect()
}

/// `NODE_STATUS_ACTIVE` without its prefix, as tables show it: `active`.
pub(crate) fn short(full_name: &str, prefix: &str) -> String {
    let rest = full_name.strip_prefix(prefix).unwrap_or(full_name);
    rest.trim_start_matches('_').to_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a label with `=` in its value could not be given, or a typing error would be swallowed.
    #[test]
    fn pairs_split_at_the_first_sign() {
        assert_eq!(parse_pair("k=v=w"), Ok(("k".to_owned(), "v=w".to_owned())));
        assert_eq!(parse_pair("k="), Ok(("k".to_owned(), String::new())));
        assert!(parse_pair("k").unwrap_err().contains("`k`"));
        assert!(parse_pair("=v").is_err());
    }

    /// Without it a filter would ask for another state than it says.
    #[test]
    fn choices_are_spelled_as_tables_show_them() {
        for choice in NodeStatusChoice::value_variants() {
            let status = api::NodeStatus::from(*choice);
            let value = choice.to_possible_value().unwrap();
            assert_eq!(value.get_name(), short(status.as_str_name(), "NODE_STATUS"));
        }
        for choice in InstanceStateChoice::value_variants() {
            let state = api::InstanceState::from(*choice);
            let value = choice.to_possible_value().unwrap();
            assert_eq!(value.get_name(), short(state.as_str_name(), "INSTANCE_STATE"));
        }
        for choice in CommandTypeChoice::value_variants() {
            let kind = api::NodeCommandType::from(*choice);
            let value = choice.to_possible_value().unwrap();
            assert_eq!(value.get_name(), short(kind.as_str_name(), "NODE_COMMAND_TYPE"));
        }
    }
}
