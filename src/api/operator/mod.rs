//! `navarch.OperatorService`: pools, breakers, GPUs that were given up on, the fleet's configuration, node commands, journal and status.

mod adopt_mode;
mod apply_fleet;
mod clear_rule_verdicts;
mod end_adoption;
mod explain;
mod forget_node;
mod forgive_gpu;
mod get_command;
mod get_fleet_status;
mod get_pool;
mod list_breakers;
mod list_commands;
mod list_events;
mod list_given_up_gpus;
mod list_pools;
mod override_breaker;
mod pause_pool;
mod report_pool_metrics;
mod scale_pool;
mod watch_events;

pub(super) use self::{
    apply_fleet::apply_fleet,
    clear_rule_verdicts::clear_rule_verdicts,
    end_adoption::end_adoption,
    explain::explain,
    forget_node::forget_node,
    forgive_gpu::forgive_gpu,
    get_command::get_command,
    get_fleet_status::get_fleet_status,
    get_pool::get_pool,
    list_breakers::list_breakers,
    list_commands::list_commands,
    list_events::list_events,
    list_given_up_gpus::list_given_up_gpus,
    list_pools::list_pools,
    override_breaker::{override_breaker, reset_breaker},
    pause_pool::pause_pool,
    report_pool_metrics::report_pool_metrics,
    scale_pool::scale_pool,
    watch_events::{watch_event_frames, watch_events},
};
