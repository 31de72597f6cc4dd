use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use navarch::{
    fake_cloud::ledger::Effect,
    provider::{
        Order, OrderSpec, Provider as _,
        http::{HttpOptions, HttpProvider},
    },
};

use super::{
    Begun, Fault, Seen, Stage,
    cloud::{ledger, trouble},
};
use crate::error::ChaosError;

/// Somebody repeats an order of the group's under its idempotency key, with other parameters. The cloud must refuse,
/// and nobody may take that for a machine.
#[derive(Default)]
pub(super) struct ChangedOrder {
    refused: Option<String>,
}

#[async_trait(?Send)]
impl Fault for ChangedOrder {
    fn name(&self) -> String {
        "cloud-changed-parameters".to_owned()
    }

    async fn inject(&mut self, stage: &mut Stage) -> Result<Begun, ChaosError> {
        if !stage.has_cloud {
            return Ok(Begun::Skipped("there is no cloud in this scenario".to_owned()));
        }
        let entries = ledger(stage).await?;
        let bought = entries.iter().filter(|entry| entry.effect == Effect::Created);
        let Some(key) = bought.filter_map(|entry| entry.idempotency_key.clone()).next_back() else {
            return Ok(Begun::Skipped("the group has bought nothing yet".to_owned()));
        };
        let url = format!("http://{}", stage.group.cloud_address());
        let cloud = HttpProvider::new(HttpOptions::new(url, stage.host.clock.clone()));
        let cloud = cloud.map_err(|error| trouble(error.to_string()))?;
        let spec = OrderSpec {
            name: "changed".to_owned(),
            instance_type: "another-type".to_owned(),
            labels: BTreeMap::new(),
            ..OrderSpec::default()
        };
        let order = Order { instance_id: key.clone(), request_body: spec.request_body() };
        let answer =
            stage.host.clock.timeout(Duration::from_secs(10), cloud.order(&order, 0)).await;
        match answer {
            Ok(Err(error)) => self.refused = Some(error.to_string()),
            Ok(Ok(machine)) => stage.violations.push(format!(
                "the cloud gave {} for order {key} with changed parameters",
                machine.id
            )),
            Err(_) => {}
        }
        Ok(Begun::Struck(vec!["cloud".to_owned()]))
    }

    async fn heal(&mut self, _: &mut Stage) -> Result<Seen, ChaosError> {
        Ok(Seen::when(self.refused.take().is_some(), "the cloud's refusal"))
    }
}
