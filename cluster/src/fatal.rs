use std::{error::Error, fmt, process, sync::Arc};

/// The exit code after a fault that this replica must not survive; the same as for a refused command.
const FAULT_EXIT_CODE: i32 = 1;

/// What happens at a fault that this replica must not survive: a failed write or sync, an entry that cannot be
/// applied. The process ends; a test may watch instead, and then nothing is acknowledged any more.
#[derive(Clone)]
pub struct FatalHook(Arc<Hook>);

type Hook = dyn Fn(&(dyn Error + 'static)) + Send + Sync;

impl FatalHook {
    /// Says what happened on standard error and in the log, and ends the process at once.
    pub fn exit() -> Self {
        Self::new(|fault| {
            tracing::error!(%fault, "this replica stops");
            eprintln!("navarch: fatal: {fault}");
            process::exit(FAULT_EXIT_CODE);
        })
    }

    /// Calls `hook` instead.
    pub fn new(hook: impl Fn(&(dyn Error + 'static)) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }

    /// Reports `fault`; with [`FatalHook::exit`] it does not return.
    pub(crate) fn report(&self, fault: &(dyn Error + 'static)) {
        (self.0)(fault);
    }
}

impl fmt::Debug for FatalHook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FatalHook")
    }
}
