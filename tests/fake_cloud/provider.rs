use std::{collections::BTreeMap, time::Duration};

use navarch::provider::{
    Conclusion, Machine, MachineState, Order, Provider, ProviderError, Termination,
    http::{HttpOptions, HttpProvider},
    labels,
};
use secrecy::SecretString;
use serde_json::json;

use crate::support::{Cloud, order, passing, spec};

/// Without it the two halves of the protocol could be wrong in the same way, or not fit.
#[tokio::test]
async fn the_provider_and_the_cloud_fit() {
    let cloud = Cloud::start().await;
    let provider = cloud.provider();
    let bought = provider.order(&order("i-1", "p"), 41).await.unwrap();
    assert_eq!(bought.state, MachineState::Provisioning);
    assert_eq!(provider.order(&order("i-1", "p"), 42).await.unwrap(), bought);
    assert_eq!(provider.get(&bought.id).await.unwrap(), Some(bought.clone()));
    assert_eq!(provider.get("m-none").await.unwrap(), None);
    assert_eq!(provider.get("../instance-types").await.unwrap(), None);
    assert_eq!(provider.terminate(&bought.id, 43).await, Ok(Termination::Accepted));
    cloud.time.advance(Duration::from_secs(1)).await;
    assert_eq!(provider.terminate(&bought.id, 43).await, Ok(Termination::Gone));
    assert_eq!(provider.terminate("m-none", 43).await, Ok(Termination::NeverExisted));
    assert_eq!(provider.instance_types().await.unwrap().len(), 7);
    let ledger = cloud.ledger().await;
    let sessions: Vec<_> = ledger.iter().map(|line| line["session"].clone()).collect();
    assert_eq!(sessions[..2], [json!(41), json!(42)]);
    assert!(ledger[0]["caller"].as_str().unwrap().starts_with("navarch/"));
}

/// Without it a listing would stop at its first page, and machines beyond it would look gone.
#[tokio::test]
async fn a_listing_is_complete() {
    let cloud = Cloud::start().await;
    let provider = cloud.provider();
    for number in 0..1_203 {
        let pool = if number < 1_200 { "p" } else { "q" };
        provider.order(&order(&format!("i-{number}"), pool), 1).await.unwrap();
    }
    let listed = provider.list((labels::POOL, "p")).await.unwrap();
    assert_eq!(listed.len(), 1_200);
    assert!(listed.is_sorted_by(|left, right| left.id < right.id));
    assert_eq!(provider.list((labels::POOL, "none")).await.unwrap(), []);
}

/// Without it a refusal would be concluded wrongly from: something bought twice, or an order stuck.
#[tokio::test]
async fn refusals_are_told_apart() {
    let cloud = Cloud::start_with(|options| {
        options.cloud.capacity = BTreeMap::from([("l4-1x".to_owned(), 0)]);
        options.cloud.quota = 1;
        options.token = Some(SecretString::from("t"));
    })
    .await;
    let stranger = cloud.provider().order(&order("i", "p"), 1).await.unwrap_err();
    assert!(matches!(stranger, ProviderError::Unauthorized(_)), "{stranger}");
    let mut options = HttpOptions::new(&cloud.url, cloud.clock.clone());
    options.token = Some(SecretString::from("t"));
    let provider = HttpProvider::new(options).unwrap();
    let full = provider.order(&order("i", "p"), 1).await.unwrap_err();
    assert!(matches!(full, ProviderError::Capacity(_)), "{full}");
    let nonsense = Order::new("i", &spec("p", ""));
    let nonsense = provider.order(&nonsense, 1).await.unwrap_err();
    assert!(matches!(nonsense, ProviderError::Invalid(_)), "{nonsense}");
    provider.order(&Order::new("i", &spec("p", "a10-1x")), 1).await.unwrap();
    let other = provider.order(&Order::new("i", &spec("q", "a10-1x")), 1).await.unwrap_err();
    assert!(matches!(other, ProviderError::Ambiguous(_)), "{other}");
    let quota = provider.order(&Order::new("j", &spec("p", "a10-1x")), 1).await.unwrap_err();
    assert!(matches!(quota, ProviderError::Quota(_)), "{quota}");
}

/// Asks until the order is settled, as a provisioner does.
async fn settle(provider: &dyn Provider, order: &Order) -> Result<Machine, ProviderError> {
    loop {
        match provider.order(order, 1).await {
            Ok(machine) => return Ok(machine),
            Err(error) => match error.conclusion() {
                Conclusion::Final => return Err(error),
                Conclusion::Wait(_) | Conclusion::Ambiguous => {}
            },
        }
    }
}

/// Without it an ambiguous answer could lead to a second machine, or to one that nobody knows of.
#[tokio::test]
async fn ambiguity_is_resolved_by_asking_again_with_the_same_key() {
    for seed in 0..6 {
        let cloud = Cloud::start().await;
        let provider = cloud.provider();
        let kinds = [
            ("success_then_timeout", 100),
            ("delayed_commit", 3_000),
            ("rate_limited", 0),
            ("error_before", 0),
            ("error_after", 0),
            ("slow", 200),
            ("spurious_404", 0),
        ];
        let faults: Vec<_> = kinds
            .iter()
            .map(|(kind, delay_ms)| json!({"kind": kind, "rate": 0.25, "delay_ms": delay_ms}))
            .collect();
        cloud.faults(json!({"seed": seed, "faults": faults})).await;
        let orders: Vec<Order> = (0..12).map(|number| order(&format!("i-{number}"), "p")).collect();
        let settled =
            futures::future::join_all(orders.iter().map(|order| settle(&provider, order)));
        let machines = passing(&cloud.time, settled).await;
        cloud.faults(json!({"faults": []})).await;
        cloud.time.advance(Duration::from_secs(60)).await;
        let listed = provider.list((labels::POOL, "p")).await.unwrap();
        let keys = |machines: &[Machine]| -> Vec<(String, String)> {
            let mut keys: Vec<_> = machines
                .iter()
                .map(|machine| (machine.idempotency_key.clone(), machine.id.clone()))
                .collect();
            keys.sort();
            keys
        };
        let bought: Vec<Machine> = machines.into_iter().map(Result::unwrap).collect();
        assert_eq!(bought.len(), 12);
        assert_eq!(keys(&bought), keys(&listed), "seed {seed}");
        let ledger = cloud.ledger().await;
        let mut created: Vec<_> = ledger
            .iter()
            .filter(|line| line["effect"] == "created")
            .map(|line| line["idempotency_key"].to_string())
            .collect();
        let all = created.len();
        created.sort();
        created.dedup();
        assert_eq!((created.len(), all), (12, 12), "seed {seed}");
    }
}

/// Without it a terminated machine could go on costing because its answer was lost.
#[tokio::test]
async fn a_termination_is_resolved_by_asking_again() {
    let cloud = Cloud::start().await;
    let provider = cloud.provider();
    let machine = provider.order(&order("i", "p"), 1).await.unwrap();
    let faults = [json!({"kind": "error_after"})];
    cloud.faults(json!({"faults": faults})).await;
    let lost = provider.terminate(&machine.id, 1).await.unwrap_err();
    assert_eq!(lost.conclusion(), Conclusion::Ambiguous);
    cloud.faults(json!({"faults": []})).await;
    cloud.time.advance(Duration::from_secs(1)).await;
    assert_eq!(provider.terminate(&machine.id, 1).await, Ok(Termination::Gone));
}
