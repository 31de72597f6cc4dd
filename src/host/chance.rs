use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use rand::{Rng, RngExt as _, SeedableRng as _, rngs::StdRng};

/// The one source of chance of whatever must repeat itself in a simulation; cheap to clone.
#[derive(Clone)]
pub struct Chance(Source);

#[derive(Clone)]
enum Source {
    System,
    Seeded(Arc<Mutex<StdRng>>),
}

impl Chance {
    /// The operating system's randomness.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// Draws that look random and are the same for the same seed, in the order in which they are made.
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))))
    }

    /// `N` bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.draw(|source| source.fill_bytes(&mut bytes));
        bytes
    }

    /// A number from 0 to below 1.
    pub fn share(&self) -> f64 {
        self.draw(|source| source.random::<f64>())
    }

    /// A number from 0 to below `end`; 0 if there is none.
    pub fn below(&self, end: usize) -> usize {
        if end == 0 {
            return 0;
        }
        self.draw(|source| source.random_range(0..end))
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut dyn Rng) -> T) -> T {
        match &self.0 {
            Source::System => draw(&mut rand::rng()),
            Source::Seeded(source) => {
                draw(&mut *source.lock().unwrap_or_else(PoisonError::into_inner))
            }
        }
    }
}

impl fmt::Debug for Chance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.0 {
            Source::System => "system",
            Source::Seeded(_) => "seeded",
        };
        write!(formatter, "Chance({kind})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a simulation would not repeat itself, or all of them would be one.
    #[test]
    fn a_seed_repeats_its_draws() {
        let draws = |seed| {
            let chance = Chance::seeded(seed);
            (chance.bytes::<10>(), chance.below(1_000_000), chance.share())
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
        assert_ne!(Chance::system().bytes::<16>(), Chance::system().bytes::<16>());
        assert_eq!(Chance::seeded(1).below(0), 0);
    }
}
