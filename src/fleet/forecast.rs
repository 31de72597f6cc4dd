//! What would follow if adopt mode ended now.

use navarch_proto::api::{EndAdoptionResponse, PoolForecast};

use crate::{
    model::{Instance, InstanceState},
    state::FleetState,
};

impl FleetState {
    /// What the records alone say would be bought and given back: without what an autoscaler decides anew, and
    /// without nodes that turn out to be lost.
    pub fn forecast(&self) -> EndAdoptionResponse {
        let pools = self.spec.iter().flat_map(|spec| &spec.pools);
        let given_back = self.instances.iter().filter(|instance| match instance.state {
            InstanceState::Terminating => true,
            InstanceState::Failed => instance.may_have_machine(),
            InstanceState::Running => instance.is_being_replaced(),
            InstanceState::Provisioning
            | InstanceState::PendingRegistration
            | InstanceState::Terminated => false,
        });
        EndAdoptionResponse {
            pools: pools.map(|spec| self.pool_forecast(&spec.name, spec.max_nodes)).collect(),
            terminations: given_back.map(|one| line(one)).collect(),
            unregistered: self
                .instances
                .in_state(InstanceState::PendingRegistration)
                .map(|one| line(one))
                .collect(),
            ..EndAdoptionResponse::default()
        }
    }

    fn pool_forecast(&self, name: &str, max_nodes: u32) -> PoolForecast {
        let counts = self.instances.counts(name);
        let target = self.pools.get(name).map_or(0, |pool| pool.target);
        let size = counts.size();
        let room = max_nodes.saturating_sub(counts.occupancy());
        PoolForecast {
            name: name.to_owned(),
            target,
            size,
            unanswered_orders: counts.provisioning,
            to_buy: target.saturating_sub(size).min(room),
            to_terminate: size.saturating_sub(target),
        }
    }
}

fn line(instance: &Instance) -> String {
    let machine = instance.provider_ref.as_ref().map_or("", |known| known.as_str());
    let Instance { id, pool, provider, state, .. } = instance;
    format!("{id} ({state}, machine {machine} of {provider}, pool {pool})")
}
