/// The candidate that is likely meant by `word`: at most a third of it away (at least 2) in
/// single-letter edits, or containing it, or contained in it.
pub(crate) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let allowed = (word.chars().count() / 3).max(2);
    let near = candidates
        .iter()
        .map(|candidate| (distance(&word, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.len())
        .min();
    let part = || {
        let shares = |candidate: &&&str| {
            word.len() >= 4 && (candidate.contains(word.as_str()) || word.contains(**candidate))
        };
        candidates.iter().find(shares).copied()
    };
    near.map(|(_, candidate)| candidate).or_else(part)
}

/// Insertions, deletions and replacements that turn one word into the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (from, letter) in left.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = from + 1;
        for (to, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[to + 1];
            row[to + 1] = replaced.min(row[to] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a typing slip would be answered with a list of thirty keys.
    #[test]
    fn finds_the_key_that_was_meant() {
        let keys = ["min_nodes", "max_nodes", "cooldown", "instance_type", "ssh_keys", "region"];
        for (word, expected) in [
            ("max_nods", Some("max_nodes")),
            ("maxnodes", Some("max_nodes")),
            ("Region", Some("region")),
            ("cooldown_period", Some("cooldown")),
            ("instance", Some("instance_type")),
            ("regions", Some("region")),
            ("strategy", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, &keys), expected, "{word}");
        }
    }
}
