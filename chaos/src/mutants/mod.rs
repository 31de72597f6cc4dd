//! The gate that the suite itself has to pass: bugs that are planted in the program, and the invariant that must find
//! each of them, by name.
//!
//! A `navarch` that was built with `--features planted-bugs` has the one bug that the environment variable
//! [`VARIABLE`](navarch_host::planted::VARIABLE) names; `navarch-chaos mutants --navarch FILE` runs it with each in
//! turn. Where bugs are hunted in simulation, `navarch-chaos` itself has to be built with that feature. A bug that is not
//! found is a gap in the suite; one that is known says why.
//!
//! | bug | what it does | run | found by |
//! |---|---|---|---|
//! | `skip-sync` | the log acknowledges entries that it only syncs with the next ones | `kills` of all replicas at once | `acknowledged-kept`, `registers-linearizable` |
//! | `drop-fence` | a controller of an older session still acts | `sim`, 60 seeds | `one-session-acts`: not found, a known gap |
//! | `count-only-registered` | machines that are ordered or boot are not counted | `sim`, 50 seeds at most | `ordered-within-target` |
//! | `forget-request-table` | a call that is sent again takes effect again | `kills` | `applied-once` |
//! | `buy-before-intent` | a machine is bought before that is decided on | `sim`, 50 seeds at most | `intent-first` |
//! | `node-clock-expiry` | silence is judged by the node's own clock | `clocks` | `healthy-kept` |
//!
//! | file | for |
//! |---|---|
//! | `hunt` | [`Hunt`], [`Ground`]: a bug, where it is looked for, and what must find it; [`HUNTS`] lists them |

mod hunt;

pub use hunt::{Ground, HUNTS, Hunt};
