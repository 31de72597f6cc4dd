use std::{fmt, num::ParseIntError, str::FromStr};

/// What no number is written as.
const NONE: &str = "none";

/// Numbers of those faults of a plan that strike, from 0; written as `0,2`, or `none`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept(Vec<usize>);

impl Kept {
    /// The first `count` faults.
    pub fn first(count: usize) -> Self {
        Self((0..count).collect())
    }

    /// The same without one.
    #[must_use]
    pub fn without(&self, number: usize) -> Self {
        Self(self.0.iter().copied().filter(|kept| *kept != number).collect())
    }

    /// Whether the fault `number` strikes.
    pub fn has(&self, number: usize) -> bool {
        self.0.contains(&number)
    }
}

impl FromStr for Kept {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == NONE {
            return Ok(Self::default());
        }
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str(NONE);
        }
        let numbers: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        formatter.write_str(&numbers.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it the line that replays a run would be refused, or replay another one.
    #[test]
    fn what_is_written_can_be_read() {
        for (kept, text) in
            [(Kept::first(0), "none"), (Kept::first(1), "0"), (Kept::first(4).without(1), "0,2,3")]
        {
            assert_eq!(kept.to_string(), text);
            assert_eq!(text.parse(), Ok(kept));
        }
        assert!("".parse::<Kept>().is_err() && "1,x".parse::<Kept>().is_err());
    }
}
