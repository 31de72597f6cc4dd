use std::path::Path;

use navarch_fuzz::Target;

use super::identity::{Identity, MAGIC, decode, encode};

/// Without it an identity file that nobody wrote could end the replica as it starts.
#[test]
fn fuzz_identities_are_read_or_refused() {
    let identity = Identity {
        store_id: "store".to_owned(),
        cluster_id: Some("cluster".to_owned()),
        replica_id: Some(3),
    };
    let bytes = encode(&identity);
    let target = Target::message("identity").seed(&bytes[MAGIC.len()..bytes.len() - 4]);
    let read = |bytes: &[u8]| decode(Path::new("d"), Path::new("d/identity"), bytes);
    target.check(|encoded| {
        let _ = read(encoded);
        let content = [MAGIC, encoded].concat();
        let sealed = [content.as_slice(), &crc32fast::hash(&content).to_le_bytes()].concat();
        if let Ok((identity, _)) = read(&sealed) {
            assert_eq!(read(&encode(&identity)).unwrap().0, identity);
        }
    });
}
