use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use navarch::client::rpc::ListPools;
use navarch_proto::api::{ListPoolsRequest, PoolInfo};

use super::{cloud::Market, replica::MAXIMA, trace::Trace};
use crate::{error::ChaosError, host::Host, operator::Operator, wait::until};

/// How long peace may take: pauses after capacity failures last minutes, and what a cloud does not show is not
/// believed for more than one.
const LIMIT: Duration = Duration::from_secs(400);
/// So long breakers have to close by themselves, a window and a little more.
const BREAKER_PATIENCE: Duration = Duration::from_secs(25);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// The second phase: nothing strikes any more, and every pool has to come to its target.
pub(super) struct Peace<'a> {
    pub(super) host: &'a Host,
    pub(super) operator: Operator,
    pub(super) market: &'a Market,
    pub(super) trace: &'a Trace,
}

impl Peace<'_> {
    /// Waits until every pool has its target, all of it running, and the cloud has as many machines, each with its agent: one
    /// that fell silent a moment ago is about to be lost, and its pool at peace only after that.
    pub(super) async fn settle(&self) -> Result<(), ChaosError> {
        let begun = self.host.clock.now();
        let told = RefCell::new(String::new());
        until(self.host, "peace", LIMIT, || async {
            self.host.clock.sleep(PAUSE).await;
            self.operator.clear_the_well().await;
            if self.host.clock.now().since(begun) > BREAKER_PATIENCE {
                self.operator.close_breakers().await;
            }
            let missing = self.missing().await;
            if let Err(missing) = &missing
                && *missing != *told.borrow()
            {
                self.trace.tell(format_args!("no peace yet: {missing}"));
                told.replace(missing.clone());
            }
            missing
        })
        .await
    }

    /// What peace lacks.
    async fn missing(&self) -> Result<(), String> {
        let listed = self.operator.call::<ListPools>(ListPoolsRequest {}).await;
        let pools = listed.ok_or("nobody tells of pools")?.pools;
        let powered = self.market.powered();
        let mut rented: BTreeMap<String, u32> = BTreeMap::new();
        let mut silent = 0;
        for (machine, pool) in self.market.live() {
            *rented.entry(pool).or_default() += 1;
            silent += u32::from(!powered.contains(&machine));
        }
        let mut missing: Vec<String> = pools
            .iter()
            .filter_map(|pool| unsettled(pool, rented.get(&pool.name).copied().unwrap_or(0)))
            .collect();
        if silent > 0 {
            missing.push(format!("{silent} machines are without their agent"));
        }
        if pools.len() != MAXIMA.len() {
            missing.push(format!("{} pools of {}", pools.len(), MAXIMA.len()));
        }
        if missing.is_empty() { Ok(()) } else { Err(missing.join("; ")) }
    }
}

/// In which way a pool is not at its target.
fn unsettled(pool: &PoolInfo, rented: u32) -> Option<String> {
    let PoolInfo { name, target, size, running, occupancy, healthy_nodes, .. } = pool;
    let sizes = [*size, *running, *occupancy, *healthy_nodes, rented];
    sizes.iter().any(|size| size != target).then(|| {
        format!(
            "{name}: target {target}, size {size}, running {running}, occupancy {occupancy}, healthy \
             {healthy_nodes}, rented {rented}"
        )
    })
}
