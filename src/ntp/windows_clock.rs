//! The clock of a Windows host as a number, which no language of the system changes: for a host that
//! follows nobody, and whose clock only that of this machine can be compared with.

use super::powershell::{FILE_TIME_EPOCH, PROGRAM};

/// What stands before the number.
const WORD: &str = "fc clock ";

/// Returns the command line that prints it. Restricted languages of PowerShell have this type as well.
pub fn command() -> String {
    // Without an input: PowerShell may wait for the end of one that has none.
    format!(
        "{PROGRAM}-NoProfile -NonInteractive -InputFormat None -Command \"'{WORD}' + [DateTime]::UtcNow.ToFileTimeUtc()\" <nul"
    )
}

/// Reads what it printed: seconds since 1970.
pub fn parse(printed: &str) -> Option<f64> {
    let ticks = printed.lines().find_map(|line| line.trim().strip_prefix(WORD)?.parse::<i64>().ok())?;
    Some(ticks.checked_sub(FILE_TIME_EPOCH)? as f64 / 1e7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_moment_and_words_are_none() {
        assert_eq!(parse("warning\r\nfc clock 134396928005000000\r\n"), Some(1_795_219_200.5));
        assert_eq!(parse("This program is blocked by group policy."), None);
        assert_eq!((parse("fc clock x"), parse("fc clock -9223372036854775808")), (None, None));
    }
}
