use std::sync::{Mutex, PoisonError};

/// A value that is only ever reached through `&mut`, and so may be shared between threads although its type may
/// not.
#[derive(Debug)]
pub(super) struct Exclusive<T>(Mutex<T>);

impl<T> Exclusive<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(super) fn get(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}
