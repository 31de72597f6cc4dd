//! Compiles the `.proto` files in pure Rust, so that a fresh machine needs no protoc.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const FILES: [&str; 10] = [
    "navarch/control_plane.proto",
    "navarch/operator.proto",
    "navarch/replica.proto",
    "navarch/fleet/v1/spec.proto",
    "navarch/fleet/v1/proposal.proto",
    "navarch/fleet/v1/outcome.proto",
    "navarch/fleet/v1/snapshot.proto",
    "navarch/peer/v1/peer.proto",
    "navarch/peer/v1/raft.proto",
    "navarch/peer/v1/relayed_call.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".navarch.fleet.v1")
        .bytes(".navarch.peer.v1")
        // What the fleet state encodes must be the same bytes on every replica: ordered maps.
        .btree_map(".navarch.fleet.v1")
        .btree_map(".navarch.NodeMetadata")
        .btree_map(".navarch.NodeCommand")
        // And what a request id is bound to: the same call must have the same hash.
        .btree_map(".navarch.IssueCommandRequest")
        .compile_fds(descriptors)?;
    Ok(())
}
