use std::{env, fmt, fs, io, path::PathBuf, process, str::FromStr, time::Instant};

use crate::{
    finding::{corpus, failure, keep, shorten},
    mutator::{Mutator, Shape},
    random::Random,
};

/// Inputs for a target that asks for no other number.
const CASES: usize = 2_000;
/// Where inputs start where nobody says otherwise.
const SEED: u64 = 0x6e61_7661_7263_6800;

/// Something that reads bytes from elsewhere and must not panic, whatever they are.
#[derive(Debug)]
pub struct Target {
    name: &'static str,
    shape: Shape,
    seeds: Vec<Vec<u8>>,
    cases: usize,
}

impl Target {
    fn new(name: &'static str, shape: Shape) -> Self {
        Self { name, shape, seeds: Vec::new(), cases: CASES }
    }

    /// A target that reads bytes; `name` is its folder in `chaos/fuzz/corpus`.
    #[must_use]
    pub fn bytes(name: &'static str) -> Self {
        Self::new(name, Shape::Bytes)
    }

    /// A target that reads a protobuf message: what is in it is changed, and the lengths around it are put right.
    #[must_use]
    pub fn message(name: &'static str) -> Self {
        Self::new(name, Shape::Message)
    }

    /// A target that reads text in which `words` mean something.
    #[must_use]
    pub fn text(name: &'static str, words: &'static [&'static str]) -> Self {
        Self::new(name, Shape::Text(words))
    }

    /// How many inputs it is given where `NAVARCH_FUZZ_CASES` does not say; for one that is slow.
    #[must_use]
    pub fn cases(mut self, cases: usize) -> Self {
        self.cases = cases;
        self
    }

    /// A valid input: it is tried, and others are made of it.
    #[must_use]
    pub fn seed(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.seeds.push(input.into());
        self
    }

    /// Gives `check` the inputs of the corpus, the seeds, and as many mutated ones as were asked for.
    ///
    /// # Panics
    ///
    /// If `check` panics on one of them: names the file with a shortened form of it.
    pub fn check(mut self, check: impl Fn(&[u8])) {
        for (path, input) in self.kept() {
            if let Some(reason) = failure(&check, &input) {
                panic!("{}: {}: {reason}", self.name, path.display());
            }
            self.seeds.push(input);
        }
        for (place, seed) in self.seeds.iter().enumerate() {
            if let Some(reason) = failure(&check, seed) {
                panic!("{}: seed {place}: {reason}", self.name);
            }
        }
        let cases = variable("NAVARCH_FUZZ_CASES");
        let begin = variable("NAVARCH_FUZZ_SEED").unwrap_or(SEED);
        let random = Random::new(begin);
        let mut mutator = Mutator { shape: self.shape, seeds: &self.seeds, random };
        let mut slowest = Slowest::default();
        for _ in 0..cases.unwrap_or(self.cases) {
            let input = mutator.next();
            if cases.is_some() {
                self.set_aside(&input);
            }
            let failed = slowest.time(&input, || failure(&check, &input));
            if let Some(reason) = failed {
                let shorter = shorten(&check, input);
                let reason = failure(&check, &shorter).unwrap_or(reason);
                let place = match keep(self.name, &shorter) {
                    Ok(path) => path.display().to_string(),
                    Err(error) => format!("(not kept: {error}) {}", shorter.escape_ascii()),
                };
                panic!("{}: {place}: {reason}", self.name);
            }
        }
        println!(
            "{}: {} inputs from seed {begin:#x}; {slowest}",
            self.name,
            cases.unwrap_or(self.cases)
        );
    }

    /// The inputs that are kept for it, by name.
    fn kept(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let entries = match fs::read_dir(corpus(self.name)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => panic!("{}: its corpus: {error}", self.name),
        };
        let read = |entry: io::Result<fs::DirEntry>| {
            let path = entry?.path();
            fs::read(&path).map(|input| (path, input))
        };
        let mut inputs: Vec<_> = match entries.map(read).collect() {
            Ok(inputs) => inputs,
            Err(error) => panic!("{}: its corpus: {error}", self.name),
        };
        inputs.sort();
        inputs
    }

    /// An input that ends the process, or that is never done with, is found here.
    fn set_aside(&self, input: &[u8]) {
        let path = env::temp_dir().join(format!("navarch-fuzz-{}-{}", self.name, process::id()));
        if let Err(error) = fs::write(&path, input) {
            panic!("{}: {}: {error}", self.name, path.display());
        }
    }
}

/// A number from the environment.
fn variable<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{name}={text}: a number is wanted, without sign"),
    }
}

/// The input that took longest, for people: it decides nothing.
#[derive(Default)]
struct Slowest {
    micros: u128,
    bytes: usize,
}

impl Slowest {
    #[allow(clippy::disallowed_methods, reason = "what is measured is told and decides nothing")]
    fn time<T>(&mut self, input: &[u8], run: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = run();
        let micros = begun.elapsed().as_micros();
        if micros > self.micros {
            *self = Self { micros, bytes: input.len() };
        }
        done
    }
}

impl fmt::Display for Slowest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the slowest took {} us, with {} bytes", self.micros, self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::panic;

    use super::*;

    /// Without it every target could pass because nothing is ever changed, or a finding be lost.
    #[test]
    fn a_reader_that_panics_is_found_out() {
        let reader = |input: &[u8]| {
            // The length of a text, believed.
            let (Some(length), Some(text)) = (input.get(1), input.get(2..)) else { return };
            if input[0] == 10 {
                let _ = &text[..usize::from(*length)];
            }
        };
        let target = Target::message("its-own-test").seed([10, 1, b'a']).cases(10_000);
        let found = panic::catch_unwind(|| target.check(reader)).unwrap_err();
        let text = found.downcast_ref::<String>().unwrap();
        let (_, path) = text.split_once(": ").unwrap();
        let (path, reason) = path.split_once(": ").unwrap();
        assert!(reason.contains("out of range"), "{text}");
        let kept = fs::read(path).unwrap();
        assert!(failure(&reader, &kept).is_some() && kept.len() <= 4, "{kept:?}");
        let again = panic::catch_unwind(|| Target::bytes("its-own-test").cases(0).check(reader));
        assert!(again.unwrap_err().downcast_ref::<String>().unwrap().contains(path));
        fs::remove_dir_all(corpus("its-own-test")).unwrap();
    }
}
