//! Taking back what a live run has brought: machines, pools, providers and the records of nodes.

use std::time::Duration;

use navarch_proto::api::{ForgetNodeRequest, ListNodesRequest, NodeStatus, ScalePoolRequest};

use super::{
    configuration::{Applied, SIMULATED},
    operator::{Manner, Operator},
    options::LiveOptions,
};
use crate::{
    client::{
        Failure,
        rpc::{ForgetNode, ScalePool},
    },
    sim::error::SimError,
};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long machines may take to be gone.
const LIMIT: Duration = Duration::from_secs(300);

/// Takes a fleet away: scales its pools to nothing, waits until no machine is left, and removes everything. The
/// settings are the defaults afterwards.
pub(super) async fn clear(
    operator: &Operator,
    applied: &Applied,
    options: &LiveOptions,
) -> Result<(), SimError> {
    operator.apply(&applied.at_zero(), Manner::Plain).await?;
    // A pool that is being removed goes by itself, and is not scaled any more.
    for pool in operator.pools().await?.into_iter().filter(|pool| !pool.retiring) {
        let request = ScalePoolRequest { name: pool.name, nodes: 0, hold_ms: None };
        unless_gone(operator.call::<ScalePool>("scale a pool to nothing", request).await)?;
    }
    let clock = &options.client.clock;
    let until = clock.now() + LIMIT;
    loop {
        let pools = operator.pools().await?;
        let left: u32 = pools.iter().map(|pool| pool.occupancy).sum();
        if left == 0 {
            break;
        }
        if clock.now() >= until {
            return Err(SimError::NotCleared { left, waited: LIMIT });
        }
        clock.sleep(LOOK_EVERY).await;
    }
    forget(operator).await?;
    operator.apply(&Applied::nothing(), Manner::Plain).await?;
    Ok(())
}

/// Removes the records of simulated nodes whose machines are gone.
async fn forget(operator: &Operator) -> Result<(), SimError> {
    let status = NodeStatus::Terminated.into();
    let labels = [(SIMULATED.to_owned(), "true".to_owned())].into();
    let request = ListNodesRequest { status, labels, ..ListNodesRequest::default() };
    for node in operator.nodes(request).await? {
        let request = ForgetNodeRequest { node_id: node.node_id };
        // The group forgets such nodes by itself, too.
        unless_gone(operator.call::<ForgetNode>("forget a node", request).await)?;
    }
    Ok(())
}

/// Takes what is not there any more for done.
fn unless_gone<T>(called: Result<T, SimError>) -> Result<(), SimError> {
    match called {
        Ok(_) => Ok(()),
        Err(SimError::Call { source, .. }) if source.failure() == Failure::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
