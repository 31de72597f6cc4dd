//! A state that remembers everything it was shown, for tests of what stands around it.

use std::{
    io::{self, Read as _},
    sync::{Arc, Mutex},
};

use bytes::Bytes;

use super::contract::{ApplyFault, Image, InstallError, StateMachine};

/// What a [`TestMachine`] has published, to be watched from outside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Published(Arc<Mutex<(u64, Payloads)>>);

/// Payloads with their indexes.
pub(crate) type Payloads = Vec<(u64, Vec<u8>)>;

impl Published {
    /// The last index published, and all payloads with their indexes.
    pub(crate) fn get(&self) -> (u64, Payloads) {
        self.0.lock().unwrap().clone()
    }
}

/// Keeps all payloads; answers with the payload; `fault` cannot be applied, `panic` panics.
#[derive(Debug, Default)]
pub(crate) struct TestMachine {
    applied: Payloads,
    published: Published,
}

impl TestMachine {
    pub(crate) fn new() -> (Self, Published) {
        let machine = Self::default();
        let published = machine.published.clone();
        (machine, published)
    }
}

impl StateMachine for TestMachine {
    fn apply(&mut self, index: u64, payload: &[u8]) -> Result<Bytes, ApplyFault> {
        assert_ne!(payload, b"panic");
        if payload == b"fault" {
            return Err(ApplyFault::new("of an unknown kind"));
        }
        self.applied.push((index, payload.to_vec()));
        Ok(Bytes::copy_from_slice(payload))
    }

    fn batch_applied(&mut self, last_index: u64) {
        *self.published.0.lock().unwrap() = (last_index, self.applied.clone());
    }

    fn image(&self) -> Box<dyn Image> {
        Box::new(TestImage(self.applied.clone()))
    }

    fn install(&mut self, _last_index: u64, reader: &mut dyn io::Read) -> Result<(), InstallError> {
        let applied = read_image(reader).map_err(|error| InstallError::new(error.to_string()))?;
        self.applied = applied;
        Ok(())
    }
}

/// What a [`TestMachine`] held.
pub(crate) struct TestImage(pub(crate) Payloads);

impl Image for TestImage {
    fn write_to(&self, writer: &mut dyn io::Write) -> io::Result<()> {
        for (index, payload) in &self.0 {
            writer.write_all(&index.to_le_bytes())?;
            writer.write_all(&(payload.len() as u64).to_le_bytes())?;
            writer.write_all(payload)?;
        }
        Ok(())
    }
}

/// Reads what a [`TestImage`] wrote.
pub(crate) fn read_image(reader: &mut dyn io::Read) -> io::Result<Payloads> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    let mut rest = bytes.as_slice();
    let mut applied = Vec::new();
    while !rest.is_empty() {
        let mut number = || {
            let mut bytes = [0; 8];
            rest.read_exact(&mut bytes).map(|()| u64::from_le_bytes(bytes))
        };
        let (index, length) = (number()?, number()?);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        rest.read_exact(&mut payload)?;
        applied.push((index, payload));
    }
    Ok(applied)
}
