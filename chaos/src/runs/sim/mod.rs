//! `navarch-chaos sim`: many simulated runs, each in a process of its own so that it repeats itself.
//!
//! | file | for |
//! |---|---|
//! | `options` | [`SimOptions`] |
//! | `child` | one seed in a process of its own |
//! | `batch` | [`sim`](fn@sim): all of them, some twice, failed ones with fewer faults |
//! | `tally` | what they came to, all together |
//! | `hunt` | [`hunt`](fn@hunt): seeds with a planted bug, until it is found |
//! | `shrink` | the fewest faults with which a seed still fails |

mod batch;
mod child;
mod hunt;
mod options;
mod shrink;
mod tally;

pub use batch::sim;
pub use child::{play_here, replay};
pub(super) use hunt::hunt;
pub use options::SimOptions;
pub use tally::SimReport;
