//! Every bound of the fleet state that no configuration changes.

/// Bytes of an identifier, and of the short texts beside one (provider, region, zone, type).
pub const MAX_ID_BYTES: usize = 256;
/// Labels of a node.
pub const MAX_LABELS: usize = 64;
/// Bytes of a label's key and value together, and of each text of a node's metadata.
pub const MAX_LABEL_BYTES: usize = 1024;
/// GPUs of a node.
pub const MAX_GPUS: usize = 64;
/// Bytes of a reason; longer ones are cut.
pub const MAX_REASON_BYTES: usize = 1024;
/// Node numbers of one digest chunk.
pub const MAX_DIGEST_NUMBERS: usize = 65_536;

/// Commands that wait for one node, delivered or not.
pub const MAX_OPEN_COMMANDS: usize = 100;
/// Finished commands kept of one node; the oldest go first.
pub const MAX_FINISHED_COMMANDS: usize = 100;
/// Parameters of a command.
pub const MAX_PARAMETERS: usize = 64;
/// Bytes of all of a command's parameters, keys and values together.
pub const MAX_PARAMETER_BYTES: usize = 16 * 1024;
/// Bytes of a command's output, and of its error; longer ones are cut.
pub const MAX_OUTPUT_BYTES: usize = 64 * 1024;
/// How long a command waits that names no deadline.
pub const DEFAULT_COMMAND_DEADLINE_MS: u64 = 24 * 60 * 60 * 1000;
/// How long a finished command is kept.
pub const RETAIN_COMMANDS_MS: u64 = 24 * 60 * 60 * 1000;

/// Bytes of the request body that a provider is asked with.
pub const MAX_REQUEST_BODY_BYTES: usize = 64 * 1024;
/// Pools of a fleet.
pub const MAX_POOLS: usize = 1000;
/// Providers of a fleet.
pub const MAX_PROVIDERS: usize = 100;
/// Bytes of a whole encoded fleet specification, the policy's text included.
pub const MAX_SPEC_BYTES: usize = 4 * 1024 * 1024;
/// Instances that a pool may ask for.
pub const MAX_POOL_NODES: u32 = 200_000;
/// How long a pool's figures hold that were told without a time.
pub const DEFAULT_METRICS_TTL_MS: u64 = 5 * 60 * 1000;
/// The longest that they may hold: a system that reports no more must be noticed.
pub const LONGEST_METRICS_TTL_MS: u64 = 60 * 60 * 1000;
/// First pause after a capacity failure; it doubles with each further one.
pub const FIRST_BACKOFF_MS: u64 = 30 * 1000;
/// Longest pause after capacity failures, and how long their count is remembered after it.
pub const LONGEST_BACKOFF_MS: u64 = 30 * 60 * 1000;

/// How long a GPU of a machine that was given up on is refused: a week.
pub const RETAIN_GIVEN_UP_GPUS_MS: u64 = 7 * 24 * 3_600 * 1000;
/// GPUs that are remembered as given up on; further ones are not.
pub const MAX_GIVEN_UP_GPUS: usize = 10_000;

/// How long a health event is remembered, and so the longest window that a rule may look over: a week.
pub const RETAIN_HISTORY_MS: u64 = 7 * 24 * 3_600 * 1000;
/// How late forgotten events are dropped, so that a busy fleet drops them once an hour.
pub const HISTORY_SLACK_MS: u64 = 3_600 * 1000;
/// Health events of one kind that are remembered of a node; the oldest go first.
pub const MAX_KIND_HISTORY: usize = 128;
/// Health events of all nodes that are remembered, at 32 bytes each; beyond it a node's new events displace its own.
pub const MAX_HISTORY: usize = 1_000_000;
/// Health events that one verdict carries.
pub const MAX_REPORTED_EVENTS: usize = 9 * MAX_KIND_HISTORY;
/// How long the same remark on a rule is not made again: an hour.
pub const RETAIN_RULE_REMARKS_MS: u64 = 3_600 * 1000;
/// Remarks on rules an hour: beyond it the journal has no more of them, and the metrics count alone.
pub const MAX_RULE_REMARKS: usize = 1_000;
/// Rules and checks, beside the first, that are kept of those that found a latched node unhealthy.
pub const MAX_FINDINGS: usize = 16;
/// Bytes of the message that is kept of the event that decided.
pub const MAX_EVENT_MESSAGE_BYTES: usize = 256;

/// Breakers that have a record.
pub const MAX_BREAKERS: usize = 10_000;
/// Bytes of a breaker's name: a zone's with its provider and region.
pub const MAX_BREAKER_NAME_BYTES: usize = 3 * MAX_ID_BYTES + 2;
/// How long a breaker may be overridden: a week.
pub const LONGEST_OVERRIDE_MS: u64 = 7 * 24 * 3_600 * 1000;
/// How long the record of a breaker is kept after it closed: far longer than any time-out.
pub const RETAIN_BREAKERS_MS: u64 = 24 * 3_600 * 1000;
/// Verdicts that one proposal clears.
pub const MAX_CLEARED: usize = 10_000;

/// How long a call's outcome is remembered under its request id.
pub const RETAIN_REQUESTS_MS: u64 = 5 * 60 * 1000;
/// Outcomes remembered at once.
pub const MAX_REQUESTS: usize = 100_000;
/// Bytes of all remembered outcomes.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024 * 1024;

/// Fleet events kept.
pub const MAX_EVENTS: usize = 100_000;
/// Bytes of all fleet events kept, as they lie in memory.
pub const MAX_EVENT_BYTES: usize = 64 * 1024 * 1024;

/// Records that one `DropExpired` or `ExpireCommands` changes; what is left waits for the next one.
pub const MAX_EXPIRED: usize = 10_000;

/// Bytes of one snapshot item: above any record that the limits here allow.
pub const MAX_SNAPSHOT_ITEM_BYTES: usize = 16 * 1024 * 1024;
