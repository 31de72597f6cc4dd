use std::{
    fs::File,
    io::{BufRead as _, BufReader, BufWriter, Write as _},
    path::Path,
};

use super::Event;
use crate::error::ChaosError;

/// Writes `events` into a file, one JSON object a line.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write(path: &Path, events: &[Event]) -> Result<(), ChaosError> {
    let written = File::create(path).and_then(|file| {
        let mut file = BufWriter::new(file);
        for event in events {
            serde_json::to_writer(&mut file, event)?;
            file.write_all(b"\n")?;
        }
        file.flush()
    });
    written.map_err(ChaosError::system(format!("write {}", path.display())))
}

/// Reads what [`write()`] wrote.
///
/// # Errors
///
/// If the file cannot be read or a line is no event.
pub fn read(path: &Path) -> Result<Vec<Event>, ChaosError> {
    let events = File::open(path).and_then(|file| {
        let lines = BufReader::new(file).lines();
        lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect()
    });
    events.map_err(ChaosError::system(format!("read {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Operation, Recorder, Value};

    /// Without it a history that somebody keeps could not be checked again, or would be another one.
    #[test]
    fn histories_come_back_as_they_were() {
        let recorder = Recorder::default();
        let key = "pool/a".to_owned();
        let write = Operation::Write { key: key.clone(), value: 3 };
        recorder.invoke(0, 0, write).ok(2, None, Some(9));
        let swap = Operation::CompareAndSet { key: key.clone(), expected: 3, value: 4 };
        recorder.invoke(2, 1, swap).ok(3, Some(Value::Swapped(false)), None);
        recorder.invoke(3, 1, Operation::Read { key }).info(4, "silence".to_owned());
        let scan = Operation::Scan { set: "nodes".to_owned(), replica: "r1".to_owned() };
        let elements = Value::Elements([("n".to_owned(), 1)].into());
        recorder.invoke(5, 2, scan).ok(6, Some(elements), None);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history.jsonl");
        super::write(&path, &recorder.events()).unwrap();
        assert_eq!(read(&path).unwrap(), recorder.events());
        std::fs::write(&path, "{\"nonsense\": 1}\n").unwrap();
        assert!(read(&path).is_err());
    }
}
