use crate::provider::Machine;

/// What became of an order that was carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Ordered {
    /// The machine, as it is now.
    pub machine: Machine,
    /// Whether this request bought it; if not, an earlier one under the same key did.
    pub created: bool,
}

/// What became of a termination.
#[derive(Clone, Debug, PartialEq)]
pub enum Terminated {
    /// This request ended it.
    Now(Machine),
    /// It had been ended before; it is terminating or terminated.
    Before(Machine),
    /// There is no such machine to be seen.
    Unknown,
}

/// Which machines a listing is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Labels that a machine must carry, all of them.
    pub labels: Vec<(String, String)>,
    /// Only machines whose id comes after this one.
    pub after: Option<String>,
    /// At most this many.
    pub limit: usize,
}

/// A part of a listing, ordered by id.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The machines.
    pub machines: Vec<Machine>,
    /// The `after` of the next part; `None`: this is the last.
    pub next: Option<String>,
}
