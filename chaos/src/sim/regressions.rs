/// Seeds whose run found a bug once, each with what it was. They are run before any others.
pub const REGRESSIONS: [(u64, &str); 5] = [
    (182, "a machine that was drained for a verdict stayed after a good report"),
    (277, "a replacement was bought for a machine that had just failed"),
    (1178, "a machine with a verdict stayed drained when its pool wanted it again"),
    (1381, "an order beyond the target, planned before a replaced machine was kept after all"),
    (4193, "a replacement for one machine too many was bought and given back for ever"),
];
