//! What only the leader does: one session a tenure, and the control loops that live and die with it.
//!
//! | file | holds |
//! |---|---|
//! | `controller` | [`Controller`]: the trait behind every control loop |
//! | `crash_point` | where a chaos run may have a leader die |
//! | `driver` | runs controllers: period, wake-ups, last report |
//! | `report` | [`Report`] and [`Reports`]: a controller's last result |
//! | `session` | [`Leader`]: opens a session behind a barrier, ends it with the tenure |
//! | `tenure` | [`Tenure`]: what a controller may use while its session lasts |
//! | `wake_ups` | wakes controllers as events of their kinds appear |

mod controller;
mod crash_point;
mod driver;
mod report;
mod session;
mod tenure;
mod wake_ups;

pub use self::{
    controller::Controller,
    report::{Report, Reports},
    session::{ControllerSet, Leader, LeaderParts},
    tenure::{Doubt, Tenure},
};
