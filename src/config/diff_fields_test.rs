//! Every field of a specification is told of.

use navarch_proto::fleet::{
    Autoscaling, Bootstrap, Composite, FleetSpec, NotifierSpec, PoolMetricsSpec, PoolProvider,
    PoolSpec, Predictive, PrometheusSpec, ProviderSpec, Queue, Reactive, Scheduled, Settings,
    Window, autoscaling::Strategy,
};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, Value};

use super::diff;

/// A value that is no default; none for a message, whose fields are tried by themselves.
fn other(field: &FieldDescriptor) -> Option<Value> {
    let text = || Value::String("x".to_owned());
    if field.is_map() {
        return Some(Value::Map([(MapKey::String("x".to_owned()), text())].into()));
    }
    let value = match field.kind() {
        Kind::String => text(),
        Kind::Bool => Value::Bool(true),
        Kind::Uint32 => Value::U32(7_000),
        Kind::Uint64 => Value::U64(7_000),
        Kind::Int32 => Value::I32(7),
        Kind::Double => Value::F64(7.0),
        Kind::Message(_) => return None,
        kind => panic!("{}: {kind:?} is not known to this test", field.full_name()),
    };
    Some(if field.is_list() { Value::List(vec![value]) } else { value })
}

/// Changes one field after the other of a message in a specification.
fn try_fields<T: Message + Default>(name: &str, within: fn(T) -> FleetSpec) {
    let pool = DescriptorPool::decode(navarch_proto::DESCRIPTORS).unwrap();
    let name = format!("navarch.fleet.v1.{name}");
    let descriptor = pool.get_message_by_name(&name).unwrap_or_else(|| panic!("no {name}"));
    for field in descriptor.fields() {
        // An entry's name is its key, and no file marks what retires.
        let is_key = ["PoolSpec.name", "ProviderSpec.name", "retiring"]
            .iter()
            .any(|key| field.full_name().ends_with(key));
        let Some(value) = other(&field).filter(|_| !is_key) else { continue };
        let mut message = DynamicMessage::new(descriptor.clone());
        message.set_field(&field, value);
        let changed = T::decode(&*message.encode_to_vec()).unwrap();
        let lines = diff(&within(T::default()), &within(changed));
        assert!(!lines.is_empty(), "a change of {} is not told", field.full_name());
    }
}

fn of_pool(pool: PoolSpec) -> FleetSpec {
    FleetSpec { pools: vec![pool], ..FleetSpec::default() }
}

fn scaled(strategy: Strategy) -> FleetSpec {
    let autoscaling = Some(Autoscaling { strategy: Some(strategy) });
    of_pool(PoolSpec { autoscaling, ..PoolSpec::default() })
}

/// Without it `apply` would take a file that changes but one key for what the fleet is already, and change nothing.
#[test]
fn a_change_of_any_field_is_told() {
    try_fields("FleetSpec", |spec: FleetSpec| spec);
    try_fields("Settings", |settings: Settings| FleetSpec {
        settings: Some(settings),
        ..FleetSpec::default()
    });
    try_fields("NotifierSpec", |notifier: NotifierSpec| {
        let settings = Settings { notifier: Some(notifier), ..Settings::default() };
        FleetSpec { settings: Some(settings), ..FleetSpec::default() }
    });
    try_fields("ProviderSpec", |provider: ProviderSpec| FleetSpec {
        providers: vec![provider],
        ..FleetSpec::default()
    });
    try_fields("PoolSpec", of_pool);
    try_fields("PoolProvider", |provider: PoolProvider| {
        of_pool(PoolSpec { providers: vec![provider], ..PoolSpec::default() })
    });
    try_fields("Bootstrap", |bootstrap: Bootstrap| {
        of_pool(PoolSpec { bootstrap: Some(bootstrap), ..PoolSpec::default() })
    });
    try_fields("PoolMetricsSpec", |metrics: PoolMetricsSpec| {
        of_pool(PoolSpec { metrics: Some(metrics), ..PoolSpec::default() })
    });
    try_fields("PrometheusSpec", |prometheus: PrometheusSpec| {
        let metrics = PoolMetricsSpec { prometheus: Some(prometheus), ..Default::default() };
        of_pool(PoolSpec { metrics: Some(metrics), ..PoolSpec::default() })
    });
}

/// Without it a strategy's figure could change in the file and not in the fleet.
#[test]
fn a_change_of_any_field_of_a_strategy_is_told() {
    try_fields("Reactive", |reactive: Reactive| scaled(Strategy::Reactive(reactive)));
    try_fields("Queue", |queue: Queue| scaled(Strategy::Queue(queue)));
    try_fields("Scheduled", |one: Scheduled| scaled(Strategy::Scheduled(Box::new(one))));
    try_fields("Predictive", |one: Predictive| scaled(Strategy::Predictive(Box::new(one))));
    try_fields("Composite", |composite: Composite| scaled(Strategy::Composite(composite)));
    try_fields("Window", |window: Window| {
        let scheduled = Scheduled { schedule: vec![window], ..Scheduled::default() };
        scaled(Strategy::Scheduled(Box::new(scheduled)))
    });
}
