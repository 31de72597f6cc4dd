//! The tags of a machine, by which it is found again whatever was lost.

/// The cluster that rented the machine. Machines without ours are never touched.
pub const CLUSTER: &str = "navarch.cluster";

/// The pool that the machine was rented for.
pub const POOL: &str = "navarch.pool";

/// The `InstanceId` of the order, which is also the order's idempotency key.
pub const INSTANCE: &str = "navarch.instance";

/// The configured name of the provider; a simulated agent registers its node under it.
pub const PROVIDER: &str = "navarch.provider";
