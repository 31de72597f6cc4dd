//! From etcd's public `rpc.proto`.

/// `etcdserverpb.PutRequest`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
}

/// `etcdserverpb.PutResponse`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PutResponse {}

/// `etcdserverpb.StatusRequest`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StatusRequest {}

/// `etcdserverpb.StatusResponse`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StatusResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) header: Option<ResponseHeader>,
    #[prost(string, tag = "2")]
    pub(super) version: String,
    /// The leader's member id; 0: none.
    #[prost(uint64, tag = "4")]
    pub(super) leader: u64,
    #[prost(uint64, tag = "6")]
    pub(super) raft_term: u64,
}

/// `etcdserverpb.ResponseHeader`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ResponseHeader {
    /// Who answered.
    #[prost(uint64, tag = "2")]
    pub(super) member_id: u64,
}

/// `etcdserverpb.MoveLeaderRequest`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MoveLeaderRequest {
    /// The member that is to lead.
    #[prost(uint64, tag = "1")]
    pub(super) target_id: u64,
}

/// `etcdserverpb.MoveLeaderResponse`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MoveLeaderResponse {}
