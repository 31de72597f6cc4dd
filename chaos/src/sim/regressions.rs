/// Seeds whose run found a bug once, each with what it was. They are run before any others.
pub const REGRESSIONS: [(u64, &str); 0] = [];
