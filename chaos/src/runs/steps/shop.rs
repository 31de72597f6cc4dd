use std::sync::Arc;

use navarch::provider::{
    Order, OrderSpec, Provider as _,
    http::{HttpOptions, HttpProvider},
    labels,
};

use super::settle::trouble;
use crate::{error::ChaosError, host::Host};

/// What the names of machines begin with that nobody in the group ordered.
pub(super) const PLANTED: &str = "planted-";

/// Buys machines at the fake cloud behind the group's back.
#[derive(Clone)]
pub(super) struct Shop {
    cloud: Arc<HttpProvider>,
}

impl Shop {
    /// The shop of the fake cloud at `address`, `host:port`.
    pub(super) fn new(host: &Host, address: &str) -> Result<Self, ChaosError> {
        let options = HttpOptions::new(format!("http://{address}"), host.clock.clone());
        let cloud = HttpProvider::new(options);
        let cloud = cloud.map_err(|error| trouble("the fake cloud")(error.to_string()))?;
        Ok(Self { cloud: Arc::new(cloud) })
    }

    /// Buys a machine that bears the tag of `cluster_id`; answers its id.
    pub(super) async fn buy(&self, name: &str, cluster_id: &str) -> Result<String, ChaosError> {
        let spec = OrderSpec {
            name: name.to_owned(),
            instance_type: "h100-8x".to_owned(),
            labels: [(labels::CLUSTER.to_owned(), cluster_id.to_owned())].into(),
            ..OrderSpec::default()
        };
        let order = Order { instance_id: name.to_owned(), request_body: spec.request_body() };
        let machine = self.cloud.order(&order, 0).await;
        let machine = machine.map_err(|error| trouble("the fake cloud")(error.to_string()))?;
        Ok(machine.id)
    }
}
