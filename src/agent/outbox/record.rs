use navarch_proto::api::HealthEvent;

/// One line of the file: whatever of it is set holds from here on.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Record {
    /// An event that was seen.
    #[prost(message, optional, tag = "1")]
    pub(super) event: Option<HealthEvent>,
    /// Events that need not be kept any more, by id.
    #[prost(string, repeated, tag = "2")]
    pub(super) removed: Vec<String>,
    /// The batch that is being reported.
    #[prost(message, optional, tag = "3")]
    pub(super) sealed: Option<Sealed>,
    /// How far the kernel log has been read.
    #[prost(message, optional, tag = "4")]
    pub(super) position: Option<Position>,
    /// Events given up so far, all together; 0: as before.
    #[prost(uint64, tag = "5")]
    pub(super) dropped: u64,
    /// The memory errors that have been told.
    #[prost(message, optional, tag = "6")]
    pub(super) counters: Option<KeptCounters>,
}

/// The oldest `count` events, reported under one id.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Sealed {
    #[prost(string, tag = "1")]
    pub(super) request_id: String,
    #[prost(uint64, tag = "2")]
    pub(super) count: u64,
}

/// How far a kernel log has been read.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(in crate::agent) struct Position {
    /// The boot, or the file, that numbers belong to.
    #[prost(string, tag = "1")]
    pub(in crate::agent) log: String,
    /// The first number that has not been read.
    #[prost(uint64, tag = "2")]
    pub(in crate::agent) next: u64,
}

/// Memory errors of all GPUs as they were read last, so that those of the time between two agents are told.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(in crate::agent) struct KeptCounters {
    /// The boot in which they were read.
    #[prost(string, tag = "1")]
    pub(in crate::agent) boot: String,
    #[prost(message, repeated, tag = "2")]
    pub(in crate::agent) gpus: Vec<GpuCounters>,
}

/// Memory errors of one GPU since its driver was loaded; none: the board does not tell.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(in crate::agent) struct GpuCounters {
    #[prost(string, tag = "1")]
    pub(in crate::agent) uuid: String,
    #[prost(uint64, optional, tag = "2")]
    pub(in crate::agent) corrected: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    pub(in crate::agent) uncorrected: Option<u64>,
}

impl Record {
    pub(super) fn of(event: HealthEvent) -> Self {
        Self { event: Some(event), ..Self::default() }
    }
}
