//! The pure state machine of a GPU fleet.
