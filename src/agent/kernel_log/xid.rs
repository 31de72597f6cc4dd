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
    use navarch_fuzz::Target;

    use super::*;
    use crate::agent::kernel_log::line::Line;

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

    /// Without it a line that nobody has thought of could end the thread that reads them.
    #[test]
    fn fuzz_lines_are_read_or_passed_over() {
        const SIGNS: [&str; 10] = [
            "NVRM: Xid (",
            "PCI:",
            "0000:65:00",
            ".0",
            "): ",
            "79",
            ",",
            "4,1,2,-;",
            "\u{e4}",
            ":",
        ];
        let mut target = Target::text("kernel-log", &SIGNS);
        for line in RECORDED.lines().filter_map(|line| line.split_once(" | ")) {
            target =
                target.seed(line.1).seed(format!("4,1339,5140900,-;{}\n SUBSYSTEM=pci", line.1));
        }
        target.check(|bytes| {
            let line = Line::read(&String::from_utf8_lossy(bytes));
            if let Some(xid) = Xid::read(&line.text) {
                assert!(line.text.contains(&xid.code.to_string()), "{line:?} {xid:?}");
            }
        });
    }
}
