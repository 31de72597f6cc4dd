use navarch_proto::fleet::{
    Autoscaling, Composite, FleetSpec, PoolProvider, PoolSpec, Predictive, ProviderSpec, Queue,
    Reactive, Scheduled, Settings, Window, autoscaling::Strategy,
};

/// The provider of all machines.
pub(super) const PROVIDER: &str = "cloud";
/// The type of all machines.
pub(super) const INSTANCE_TYPE: &str = "h100-8x";
/// Where they are.
pub(super) const REGION: &str = "eu";
/// Jobs that a node of a queue pool runs.
pub(super) const JOBS_PER_NODE: u32 = 8;
/// Longer than what a predictive pool looks back on takes to gather.
const COOLDOWN_MS: u64 = 300_000;

/// The name of a pool; in the order of its number.
pub(super) fn pool_name(number: usize) -> String {
    format!("pool-{number:04}")
}

/// A fleet of `pools` with so many nodes each, of which none has a reason to change.
pub(super) fn spec(pools: usize, nodes_each: impl Fn(usize) -> u32) -> FleetSpec {
    let provider = ProviderSpec {
        name: PROVIDER.to_owned(),
        r#type: "fake".to_owned(),
        region: REGION.to_owned(),
        ..ProviderSpec::default()
    };
    let settings = Settings {
        heartbeat_interval_ms: 10_000,
        heartbeat_timeout_ms: 30_000,
        max_registered_nodes: 1_000_000,
        ..Settings::default()
    };
    FleetSpec {
        settings: Some(settings),
        providers: vec![provider],
        pools: (0..pools).map(|number| pool(number, nodes_each(number))).collect(),
        ..FleetSpec::default()
    }
}

fn pool(number: usize, nodes: u32) -> PoolSpec {
    PoolSpec {
        name: pool_name(number),
        providers: vec![PoolProvider {
            name: PROVIDER.to_owned(),
            weight: 1,
            ..PoolProvider::default()
        }],
        instance_type: INSTANCE_TYPE.to_owned(),
        region: REGION.to_owned(),
        min_nodes: nodes / 2,
        max_nodes: (nodes * 2).max(1),
        cooldown_ms: COOLDOWN_MS,
        unhealthy_after: 2,
        auto_replace: true,
        autoscaling: Some(autoscaling(number)),
        ..PoolSpec::default()
    }
}

/// Each strategy in turn.
fn autoscaling(number: usize) -> Autoscaling {
    let reactive = || Strategy::Reactive(Reactive { scale_up_at: 80.0, scale_down_at: 20.0 });
    let queue = || Strategy::Queue(Queue { jobs_per_node: JOBS_PER_NODE });
    let of = |strategy| Autoscaling { strategy: Some(strategy) };
    of(match number % 5 {
        0 => reactive(),
        1 => queue(),
        2 => Strategy::Scheduled(Box::new(Scheduled {
            schedule: vec![Window { end_hour: 24, max_nodes: 1_000, ..Window::default() }],
            fallback: Some(Box::new(of(reactive()))),
            time_zone: String::new(),
        })),
        3 => Strategy::Predictive(Box::new(Predictive {
            lookback_window: 10,
            growth_factor: 1.0,
            fallback: Some(Box::new(of(reactive()))),
        })),
        _ => Strategy::Composite(Composite {
            mode: "max".to_owned(),
            autoscalers: vec![of(reactive()), of(queue())],
        }),
    })
}
