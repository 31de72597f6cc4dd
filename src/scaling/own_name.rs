/// How names begin of what a program that embeds the control plane brings along, so that they never meet those
/// of a later release.
const OWN_PREFIX: &str = "x-";
/// Bytes of such a name.
const MAX_NAME_BYTES: usize = 64;

/// A name that cannot be told from those that come with the control plane, or not from the text around it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} {name:?}: a name of your own is `x-` and then lower-case letters, digits, `-` or `_`, \
     {MAX_NAME_BYTES} bytes in all; rename it"
)]
pub struct OwnNameError {
    /// What bears the name.
    pub what: &'static str,
    /// The name.
    pub name: String,
}

/// Checks the name of `what` a program brings along.
///
/// # Errors
///
/// If it could be mistaken for something else.
pub fn check_own_name(what: &'static str, name: &str) -> Result<(), OwnNameError> {
    let rest = name.strip_prefix(OWN_PREFIX).filter(|rest| !rest.is_empty());
    let letter = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
    };
    let fits = rest.is_some_and(|rest| rest.bytes().all(letter)) && name.len() <= MAX_NAME_BYTES;
    if fits { Ok(()) } else { Err(OwnNameError { what, name: name.to_owned() }) }
}

/// The name with which a reason begins that an own autoscaler gave.
pub(super) fn own_name_of(reason: &str) -> Option<&str> {
    let (name, _) = reason.split_once(": ")?;
    check_own_name("", name).is_ok().then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a source of one's own could pass for one of ours, or a reason for that of an own autoscaler.
    #[test]
    fn own_names_are_told_from_others() {
        for (name, fits) in [
            ("x-night", true),
            ("x-2_b-c", true),
            ("night", false),
            ("x-", false),
            ("", false),
            ("x-Night", false),
            ("x-night shift", false),
            ("x-night: 3", false),
            ("X-night", false),
        ] {
            assert_eq!(check_own_name("metrics source", name).is_ok(), fits, "{name}");
        }
        let refused = check_own_name("metrics source", "slurm").unwrap_err().to_string();
        assert!(refused.starts_with(r#"metrics source "slurm": a name of your own"#), "{refused}");
        for (reason, name) in [
            ("x-night: by day: 1 to 2", Some("x-night")),
            ("queue depth 3: 1 to 2", None),
            ("x-night", None),
            ("", None),
        ] {
            assert_eq!(own_name_of(reason), name, "{reason}");
        }
    }
}
