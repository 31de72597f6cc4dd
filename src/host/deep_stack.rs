use std::{io, thread};

/// Runs `body` on a thread of its own with `stack_bytes` of stack and waits for it, blocking the
/// caller: for parsers that recurse as deep as their input is nested. A panic in `body` becomes an
/// error.
///
/// # Errors
///
/// If the thread cannot be started, or panicked.
pub fn with_deep_stack<T: Send>(
    name: &str,
    stack_bytes: usize,
    body: impl FnOnce() -> T + Send,
) -> io::Result<T> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().name(name.to_owned());
        let running = builder.stack_size(stack_bytes).spawn_scoped(scope, body)?;
        let panicked = |_| io::Error::other(format!("the thread `{name}` panicked"));
        running.join().map_err(panicked)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(levels: u64) -> u64 {
        let padding = std::hint::black_box([levels; 64]);
        match levels {
            0 => 0,
            _ => 1 + depth(levels - 1) + padding[0] - levels,
        }
    }

    /// Without it deeply nested input would end the process instead of being refused.
    #[test]
    fn the_stack_is_as_deep_as_asked() {
        let levels = with_deep_stack("deep", 64 << 20, || depth(50_000)).expect("runs");
        assert_eq!(levels, 50_000);
    }

    /// Without it a parser's bug would take the caller with it.
    #[test]
    fn a_panic_is_an_error() {
        let result = with_deep_stack("panics", 1 << 20, || assert!(std::hint::black_box(false)));
        assert!(result.is_err());
    }
}
