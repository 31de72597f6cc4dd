//! How each kind of record looks in a table: one file a kind.

mod breaker;
mod fleet_event;
mod gpu;
mod instance;
mod node;
mod node_command;
mod pool;
mod replica;

/// Labels as `k=v,k=v`, ordered by name.
fn labels<'a>(labels: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let mut pairs: Vec<_> = labels.into_iter().collect();
    pairs.sort();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join(",")
}
