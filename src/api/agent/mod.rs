//! `navarch.ControlPlaneService`: what agents and the original's command line call.

mod ack_command;
mod drain_outcome;
mod get_instance;
mod get_node;
mod get_node_commands;
mod heartbeat;
mod issue_command;
mod list_instances;
mod list_nodes;
mod poll_commands;
mod register_node;
mod report_health;

pub(super) use self::{
    ack_command::ack_command, get_instance::get_instance, get_node::get_node,
    get_node_commands::get_node_commands, heartbeat::heartbeat, issue_command::issue_command,
    list_instances::list_instances, list_nodes::list_nodes, poll_commands::poll_commands,
    register_node::register_node, report_health::report_health,
};

/// Who a node call is journalled as.
pub(super) fn agent_author(node_id: &str) -> crate::ledger::Author {
    crate::ledger::Author::caller(format!("agent:{node_id}"))
}
