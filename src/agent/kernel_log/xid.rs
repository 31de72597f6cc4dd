use crate::agent::gpu::PciAddress;

/// What the driver writes of an error on a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Xid {
    pub(super) address: PciAddress,
    pub(super) code: u32,
    /// What follows the number.
    pub(super) detail: String,
}

/// Begins the driver's report, wherever in the line: `dmesg` and syslog write times in front of it.
const START: &str = "NVRM: Xid (";

impl Xid {
    /// Reads `NVRM: Xid (PCI:0000:65:00): 79, pid=1234, name=python3, GPU has fallen off the bus.` Driver versions
    /// differ in what is between the parentheses (with and without `PCI:`, and a MIG instance after it) and in what follows
    /// the number (with and without process, or nothing).
    pub(super) fn read(text: &str) -> Option<Self> {
        let rest = &text[text.find(START)? + START.len()..];
        let (place, rest) = rest.split_once("):")?;
        let address = place.split_whitespace().next()?.parse().ok()?;
        let rest = rest.trim_start();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let code = rest[..digits].parse().ok()?;
        let detail = rest[digits..].trim_start_matches([',', ' ']).trim_end();
        Some(Self { address, code, detail: detail.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Lines as drivers of several versions have written them.
    const RECORDED: &str = include_str!("recorded.txt");

    /// Without it a driver of another version would go unheard, or be misunderstood.
    #[test]
    fn recorded_lines_are_understood() {
        let mut lines = 0;
        for line in RECORDED.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (expected, text) = line.split_once(" | ").unwrap();
            let found = Xid::read(text);
            let (address, code) = expected.split_once(' ').unwrap();
            match code.parse::<u32>() {
                Ok(code) => {
                    let xid = found.unwrap_or_else(|| panic!("not understood: {text}"));
                    assert_eq!((xid.address, xid.code), (address.parse().unwrap(), code), "{text}");
                    assert!(!xid.detail.starts_with([',', ' ']), "{text}");
                }
                Err(_) => assert_eq!(found, None, "{text}"),
            }
            lines += 1;
        }
        assert!(lines > 15, "{lines}");
        let fallen = "NVRM: Xid (PCI:0000:65:00): 79, pid=1, name=x, GPU has fallen off the bus.";
        let detail = Xid::read(fallen).unwrap().detail;
        assert_eq!(detail, "pid=1, name=x, GPU has fallen off the bus.");
    }

    proptest! {
        /// Without it a line that nobody has thought of could end the thread that reads them.
        #[test]
        fn any_line_is_read_without_panic(text in "(NVRM: Xid \\()?(PCI:)?[0-9a-f:.]{0,12}(\\): )?[0-9]{0,12}.{0,20}") {
            let _ = Xid::read(&text);
        }
    }
}
