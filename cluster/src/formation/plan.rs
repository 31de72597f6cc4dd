use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use navarch_proto::peer;
use prost::Message as _;
use uuid::Uuid;

use crate::{
    codec::{decode_membership, encode_membership},
    directory::replace_file,
    replica_error::StartError,
    types::{Membership, ReplicaInfo},
};

const FORMAT_VERSION: u32 = 1;

/// The group that one replica has decided to form: its id, and its first membership, which names the stores of
/// all initial replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) cluster_id: String,
    pub(crate) store_id: String,
    pub(crate) members: BTreeMap<u64, ReplicaInfo>,
}

impl Plan {
    /// A plan of the replica with `store_id`; ids follow the order of `infos`, from 1.
    pub(crate) fn new(store_id: String, infos: Vec<ReplicaInfo>) -> Self {
        Self {
            cluster_id: Uuid::new_v4().to_string(),
            store_id,
            members: (1..).zip(infos).collect(),
        }
    }

    /// The id of the replica that forms the group.
    pub(crate) fn own_id(&self) -> u64 {
        let own = self.members.iter().find(|(_, info)| info.store_id == self.store_id);
        // Its maker is always among them.
        own.map_or(0, |(&id, _)| id)
    }

    pub(crate) fn others(&self) -> impl Iterator<Item = (u64, ReplicaInfo)> {
        self.members
            .iter()
            .filter(|(_, info)| info.store_id != self.store_id)
            .map(|(&id, info)| (id, info.clone()))
    }
}

/// Where a plan lies until the log holds it.
pub(crate) struct PlanFile {
    path: PathBuf,
}

impl PlanFile {
    /// In `data_dir`.
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { path: data_dir.join("formation-plan") }
    }

    /// Writes `plan`, synced when this returns.
    pub(crate) fn write(&self, plan: &Plan) -> Result<(), StartError> {
        let voters: BTreeSet<u64> = plan.members.keys().copied().collect();
        let membership = Membership::new(vec![voters], plan.members.clone())
            .map_err(|error| StartError::Config(error.to_string()))?;
        let message = peer::FormationPlan {
            format_version: FORMAT_VERSION,
            cluster_id: plan.cluster_id.clone(),
            store_id: plan.store_id.clone(),
            membership: Some(encode_membership(&membership)),
        };
        let mut bytes = message.encode_to_vec();
        let crc = crc32fast::hash(&bytes);
        bytes.extend(crc.to_le_bytes());
        Ok(replace_file(&self.path, &bytes)?)
    }

    /// The plan on disk, if there is one.
    pub(crate) fn read(&self) -> Result<Option<Plan>, StartError> {
        let path = &self.path;
        match fs::read(path) {
            Ok(bytes) => self.decode(path, &bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StartError::DataDir { path: path.clone(), source }),
        }
    }

    /// Forgets the plan, once the log holds it.
    pub(crate) fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            // It is not looked at again while the log has its membership.
            tracing::warn!(path = %self.path.display(), %error, "the formation plan was not removed");
        }
    }

    fn decode(&self, path: &Path, bytes: &[u8]) -> Result<Plan, StartError> {
        let damaged = |reason: &str| StartError::WrongData {
            path: path.to_owned(),
            reason: format!(
                "{reason}; empty the data directory of every replica and form the group again"
            ),
        };
        let (content, crc) = bytes
            .split_last_chunk::<4>()
            .ok_or_else(|| damaged("the formation plan is cut short"))?;
        if crc32fast::hash(content) != u32::from_le_bytes(*crc) {
            return Err(damaged("the formation plan's checksum does not match"));
        }
        let message = peer::FormationPlan::decode(content)
            .map_err(|error| damaged(&format!("the formation plan does not decode: {error}")))?;
        if message.format_version > FORMAT_VERSION {
            return Err(StartError::WrongData {
                path: path.to_owned(),
                reason: format!(
                    "the formation plan has format version {}, this program knows up to {FORMAT_VERSION}; start the newer version that wrote it",
                    message.format_version
                ),
            });
        }
        let membership = decode_membership(message.membership.unwrap_or_default())
            .map_err(|error| damaged(&error.to_string()))?;
        let members = membership.nodes().map(|(&id, info)| (id, info.clone()));
        Ok(Plan {
            cluster_id: message.cluster_id,
            store_id: message.store_id,
            members: members.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let info = |name: &str| ReplicaInfo {
            name: name.to_owned(),
            address: format!("{name}:1"),
            public_address: format!("{name}:2"),
            store_id: format!("store-{name}"),
        };
        Plan::new("store-b".to_owned(), vec![info("a"), info("b"), info("c")])
    }

    /// Without it a forming replica that is killed would form a second group, with another id.
    #[test]
    fn a_plan_survives_its_writer() {
        let dir = tempfile::tempdir().unwrap();
        let file = PlanFile::new(dir.path());
        assert_eq!(file.read().unwrap(), None);
        let written = plan();
        file.write(&written).unwrap();
        assert_eq!(file.read().unwrap(), Some(written.clone()));
        assert_eq!(written.own_id(), 2);
        assert_eq!(written.others().map(|(id, _)| id).collect::<Vec<_>>(), [1, 3]);
        file.remove();
        assert_eq!(file.read().unwrap(), None);
    }

    /// Without it a plan that another version wrote, or the disk, could end the replica as it starts.
    #[test]
    fn fuzz_plans_are_read_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = PlanFile::new(dir.path());
        file.write(&plan()).unwrap();
        let bytes = fs::read(&file.path).unwrap();
        let target = navarch_fuzz::Target::message("formation-plan");
        target.seed(&bytes[..bytes.len() - 4]).check(|content| {
            let sealed = [content, &crc32fast::hash(content).to_le_bytes()].concat();
            if let Ok(plan) = file.decode(&file.path, &sealed) {
                let _ = (plan.own_id(), plan.others().count());
            }
        });
    }

    /// Without it a flipped bit could name a store that does not exist, and the group would never form.
    #[test]
    fn a_damaged_plan_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = PlanFile::new(dir.path());
        file.write(&plan()).unwrap();
        let path = dir.path().join("formation-plan");
        let mut bytes = fs::read(&path).unwrap();
        bytes[5] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(matches!(file.read(), Err(StartError::WrongData { .. })));
    }
}
