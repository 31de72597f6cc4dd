/// One record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The kernel's number of it; none in a plain line.
    pub(super) sequence: Option<u64>,
    /// Microseconds since boot; none in a plain line.
    pub(super) at_us: Option<u64>,
    /// Whether the kernel wrote it, and not a program through `/dev/kmsg`.
    pub(super) from_kernel: bool,
    pub(super) text: String,
}

impl Line {
    /// Reads `priority,sequence,microseconds,flags;text`, as the kernel documents `/dev/kmsg`
    /// (Documentation/ABI/testing/dev-kmsg); what has no such head is a plain line, as `dmesg` prints it. Further lines of a
    /// record are properties of the device, and nobody here wants them.
    pub(super) fn read(record: &str) -> Self {
        let first = record.lines().next().unwrap_or_default();
        Self::with_head(first).unwrap_or_else(|| Self {
            sequence: None,
            at_us: None,
            from_kernel: true,
            text: first.to_owned(),
        })
    }

    fn with_head(line: &str) -> Option<Self> {
        let (head, text) = line.split_once(';')?;
        let mut fields = head.split(',');
        let priority: u64 = fields.next()?.parse().ok()?;
        let sequence = fields.next()?.parse().ok()?;
        let at_us = fields.next()?.parse().ok()?;
        // Above the three bits of the level stands the facility: 0 is the kernel.
        let from_kernel = priority >> 3 == 0;
        let text = text.to_owned();
        Some(Self { sequence: Some(sequence), at_us: Some(at_us), from_kernel, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it numbers and times of lines would be made up, or a program could pretend to be the driver.
    #[test]
    fn heads_are_read() {
        let table = [
            ("4,1339,5140900,-;NVRM: x; y\n SUBSYSTEM=pci\n", Some(1339), true, "NVRM: x; y"),
            ("30,7,12,-,caller=T1;systemd[1]: hello", Some(7), false, "systemd[1]: hello"),
            ("[  812.5] NVRM: x", None, true, "[  812.5] NVRM: x"),
            ("a,b,c;NVRM", None, true, "a,b,c;NVRM"),
            ("", None, true, ""),
        ];
        for (record, sequence, from_kernel, text) in table {
            let line = Line::read(record);
            assert_eq!(
                (line.sequence, line.from_kernel, &*line.text),
                (sequence, from_kernel, text)
            );
        }
        assert_eq!(Line::read("4,1,5140900,-;x").at_us, Some(5_140_900));
    }
}
