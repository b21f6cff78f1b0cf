//! How a server says that it goes by its own clock: by the reference identifier that it announces.

/// What stands for all of them where one is as good as the other: `LOCL`.
pub const OWN_CLOCK: u32 = 0x4c4f_434c;

/// The words of the programs, each as people know it.
const OWN: [(u32, &str); 4] = [
    // RFC 4330, section 4: W32Time, and ntpd with the driver of its own clock at stratum 0.
    (OWN_CLOCK, "LOCL"),
    // The same driver in the ntpd of older systems (its page `driver1.html`).
    (0x4c43_4c00, "LCL"),
    // ntpd as an orphan (`tos orphan`), and what it says as an orphan of stratum 1 (`timer()` in ntp_timer.c).
    (0x7f00_0001, "127.0.0.1"),
    (0x4c4f_4f50, "LOOP"),
];

/// 127.127.1.1 is chronyd with `local`, and 127.127.1.UNIT an ntpd that follows the driver of its own clock.
const DRIVER: u32 = 0x007f_7f01;

/// 127.127.1.255: a chronyd that smooths what it serves (`smoothtime`), and may well follow a source.
const SMOOTHED: u32 = 0x7f7f_01ff;

/// Returns how people know a reference identifier that stands for the server's own clock; `None` for any other.
pub fn own_clock(reference: u32) -> Option<&'static str> {
    if reference >> 8 == DRIVER && reference != SMOOTHED {
        return Some("127.127.1.x");
    }
    OWN.iter().find(|(own, _)| *own == reference).map(|(_, name)| *name)
}

/// Returns whether a reference identifier, in hexadecimal as the reports have it, stands for the server's own clock.
pub fn is_own_clock(refid: &str) -> bool {
    name_of_own_clock(refid).is_some()
}

/// As `own_clock`, of a reference identifier in hexadecimal.
pub fn name_of_own_clock(refid: &str) -> Option<&'static str> {
    u32::from_str_radix(refid, 16).ok().and_then(own_clock)
}

/// The same as patterns of the shell, for the lines that the probe prints; those that smooth are 127.127.1.240 and above.
pub fn own_clock_patterns() -> String {
    let exact = OWN.iter().map(|(own, _)| format!(r#"*'"refid":"{own:08x}"'*"#));
    let driver = format!(r#"*'"refid":"{DRIVER:06x}'[!f]*"#);
    exact.chain([driver]).collect::<Vec<_>>().join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_of_all_programs_are_known() {
        for (refid, name) in [
            ("4c4f434c", "LOCL"),
            ("4c434c00", "LCL"),
            ("7f000001", "127.0.0.1"),
            ("4c4f4f50", "LOOP"),
            ("7f7f0101", "127.127.1.x"),
            ("7F7F0100", "127.127.1.x"),
        ] {
            assert_eq!((name_of_own_clock(refid), is_own_clock(refid)), (Some(name), true), "{refid}");
        }
        // A source, a smoothed time, a reference clock, another driver, another address of the loopback, none.
        for refid in ["0a000001", "7f7f01ff", "47505300", "7f7f1c00", "7f000002", "00000000", ""] {
            assert!(!is_own_clock(refid), "{refid}");
        }
    }
}
