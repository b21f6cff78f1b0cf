//! Lines of its file that a service did not understand, or cannot use: it logs them when it starts, and
//! goes on without them. The file on the disk may be the wanted one and not rule all the same.

/// Shell text that prints `NUMBER LINE`, after the word `$fc_key`, for each line of `$fc_config` that the running `$fc_unit` has
/// passed over. Nothing is said of a file that is younger than the start, nor when the journal does not
/// reach back so far. `@FOUND@` makes line numbers of what the service said.
const TEXT: &str = r#"fc_t=$(systemctl show -p MainPID -p InvocationID -p ExecMainStartTimestamp -p InactiveExitTimestamp "$fc_unit.service" 2>/dev/null)
fc_of() { printf '%s\n' "$fc_t" | sed -n "s/^$1=//p"; }
fc_n=$(date -d "$(fc_of ExecMainStartTimestamp)" +%s 2>/dev/null)
if [ "$(fc_of MainPID)" != 0 ] && [ "$(stat -c %Y "$fc_config" 2>/dev/null || echo 9999999999)" -le "${fc_n:-0}" ]; then
fc_i=$(fc_of InvocationID)
# Invocations have a number since systemd 232.
if [ -n "$fc_i" ]; then set -- "_SYSTEMD_INVOCATION_ID=$fc_i"; else set -- -u "$fc_unit.service" --since="$(date -d "$(fc_of InactiveExitTimestamp)" '+%F %T')"; fi
journalctl -b -q -n 400 -o cat --no-pager "$@" 2>/dev/null | { @FOUND@; } | sort -un |
while read -r fc_n; do printf '%s%s %s\n' "${fc_key-}" "$fc_n" "$(sed -n "${fc_n}p" "$fc_config")"; done
fi
:"#;

/// Returns the text for a service: `found` makes line numbers of what it said, and
/// `only_if` succeeds where there may be such a line.
pub fn over(found: &str, only_if: Option<&str>) -> String {
    let text = TEXT.replace("@FOUND@", found);
    match only_if {
        Some(condition) => format!("if {condition}; then\n{text}\nfi"),
        None => text,
    }
}

/// Says of a line that was printed what the text above found.
pub fn words(printed: &str) -> Option<String> {
    let (number, line) = printed.trim_end().split_once(' ')?;
    let line = line.trim();
    let way = if line.starts_with("leapsec") {
        "; the table that it names is not on the host: for `right/UTC` the package tzdata has it, on Debian 13 and Ubuntu 24.04 tzdata-legacy"
    } else {
        ""
    };
    Some(format!("line {number} is passed over: `{line}`{way}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(chrony: bool) -> String {
        use crate::provider::{ALL, LinuxProvider};
        let is_it = |one: &&&dyn LinuxProvider| (one.name() == "chrony") == chrony;
        ALL.iter().find(is_it).unwrap().passed_over()
    }

    /// What comes of a journal, and a file of three lines that is older than the start, or younger.
    fn found(chrony: bool, journal: &str, younger: bool) -> String {
        let file = if chrony {
            "server 10.0.0.1\\nleapsectz right/UTC\\nrtcsync\\n"
        } else {
            "tos orphan 5\\nserver 10.0.0.1 iburst nonsense\\nrestrict sourcex\\n"
        };
        let start = if younger { 5 } else { 4_000_000_000_u64 };
        let script = format!(
            "fc_config=$(mktemp) fc_unit=x; printf '{file}' >\"$fc_config\"\n\
             systemctl() {{ printf 'MainPID=7\\nInvocationID=abc\\nExecMainStartTimestamp=@{start}\\nInactiveExitTimestamp=\\n'; }}\n\
             journalctl() {{ case \"$*\" in *_SYSTEMD_INVOCATION_ID=abc*) cat <<'END'\n{journal}\nEND\n;; esac; }}\n{}\nrm -f \"$fc_config\"",
            text(chrony)
        );
        #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
        let output = std::process::Command::new("dash").args(["-c", &script]).output().unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The words of ntpsec 1.2.2, ntpd 4.2.8p15 and chronyd 4.3.
    #[test]
    fn each_service_says_what_it_has_passed_over() {
        let sec = "CONFIG: line 2 column 24 syntax error\nCONFIG: syntax error in /etc/ntpsec/ntp.conf line 2, column 24\n\
                   CONFIG: syntax error in /etc/ntpsec/ntp.conf line 2, column 24\nCONFIG: restrict: ignoring line 3, address/host 'sourcex' unusable.";
        let classic = "line 2 column 25 syntax error, unexpected T_String, expecting T_EOC\nsyntax error in /etc/ntp.conf line 2, column 25\nbasedate set to 2020-09-11";
        let leap = "chronyd version 4.3 starting\nTimezone right/UTC failed leap second check, ignoring";
        let both = "2 server 10.0.0.1 iburst nonsense\n3 restrict sourcex\n";
        assert_eq!(found(false, sec, false), both);
        assert_eq!(found(false, classic, false), "2 server 10.0.0.1 iburst nonsense\n");
        assert_eq!(found(true, leap, false), "2 leapsectz right/UTC\n");
        assert_eq!(found(false, sec, true), "", "the file was written since");
        let six = "restrict: ignoring line 3, address/host '::1' unusable.\nrestrict: ignoring line 2, mask '255.x' unusable.";
        assert_eq!(found(false, six, false), "2 server 10.0.0.1 iburst nonsense\n");
        assert_eq!(found(false, "proto: precision = 0.040 usec (-24)", false) + &found(true, sec, false), "");
    }

    #[test]
    fn a_chronyd_without_tables_of_leap_seconds_costs_no_question() {
        let asks = |line: &str| {
            let script = format!(
                "fc_config=$(mktemp) fc_unit=x; echo '{line}' >\"$fc_config\"; exec 3>&2; systemctl() {{ echo asked >&3; }}\n{}\nrm -f \"$fc_config\"",
                text(true)
            );
            #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
            let output = std::process::Command::new("dash").args(["-c", &script]).output().unwrap();
            assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
            String::from_utf8_lossy(&output.stderr).contains("asked")
        };
        assert!(!asks("rtcsync") && !asks("# leapsectz right/UTC"));
        assert!(asks("leapsectz right/UTC") && asks("  leapseclist /usr/share/zoneinfo/leap-seconds.list"));
    }

    #[test]
    fn it_is_said_in_words() {
        assert_eq!(words("14 nonsense 1 2\n").as_deref(), Some("line 14 is passed over: `nonsense 1 2`"));
        assert!(words("2 leapsectz right/UTC").unwrap().ends_with("on Debian 13 and Ubuntu 24.04 tzdata-legacy"));
        assert_eq!(words(""), None);
    }
}
