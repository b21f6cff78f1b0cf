//! The probe on a host: shell text that puts the program there, runs it, and takes it away.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::report::SourceReport;
use crate::transport::quote::sh;

/// The compiled program; empty where it could not be compiled.
static PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/probe"));

/// What `uname -m` says where the program can run.
const MACHINE: &str = std::env::consts::ARCH;

/// The probe for all other places.
const FALLBACK: &str = include_str!("fallback.bash");

/// Returns POSIX shell text that defines `fc_probe SAMPLES TIMEOUT_MS LIMIT_NS PORTS SOURCE...` and
/// puts the probe in place. Addresses in `$fc_also` are asked, too, if no source has them.
///
/// PORTS is `any`, `both` (also from source port 123, if no other program holds it) or `raw` (also
/// from there, even so). `fc_probe` prints one JSON object for each address of each source, and succeeds when one of
/// them serves synchronised time within the limit. The program lives in a private folder, on a
/// tmpfs where that allows execution, which is removed when the script ends.
pub fn functions() -> String {
    let program = if PROGRAM.is_empty() { String::new() } else { STANDARD.encode(PROGRAM) };
    FUNCTIONS.replace("@MACHINE@", MACHINE).replace("@PROGRAM@", &program).replace("@FALLBACK@", &sh(FALLBACK))
}

// The program goes through a pipe and not a here-document: some shells keep those in files.
const FUNCTIONS: &str = r#"fc_dir=; fc_kind=none
# What a script has left that was killed outright: its folder bears the number of its process.
fc_sweep() {
for fc_o in "$1"/fleetclock.*.??????; do
[ -d "$fc_o" ] && [ ! -h "$fc_o" ] && [ -O "$fc_o" ] || continue
fc_p=${fc_o%.*}; fc_p=${fc_p##*.}
case $fc_p in '' | *[!0-9]*) continue ;; esac
[ -d "/proc/$fc_p" ] || rm -rf "$fc_o"
done
}
fc_probe_done() { [ -z "$fc_dir" ] || rm -rf "$fc_dir"; fc_dir=; fc_kind=none; }
fc_probe_open() {
for fc_d in /dev/shm /run /tmp /var/tmp; do
[ "$(uname -m)" = @MACHINE@ ] || break
fc_sweep "$fc_d"
fc_dir=$(mktemp -d "$fc_d/fleetclock.$$.XXXXXX" 2>/dev/null) || continue
printf %s @PROGRAM@ | base64 -d >"$fc_dir/probe" 2>/dev/null && chmod 700 "$fc_dir/probe"
"$fc_dir/probe" >/dev/null 2>&1
[ $? = 2 ] && { fc_kind=static; return; }
fc_probe_done
done
command -v bash >/dev/null 2>&1 && fc_kind=bash
return 0
}
fc_resolve() {
case $1 in
*[!0-9.]*) case $1 in *:*) echo "$1" ;; *) getent ahosts "$1" | while read -r fc_a fc_rest; do echo "$fc_a"; done | sort -u | head -n 4 ;; esac ;;
*) echo "$1" ;;
esac
}
fc_probe() {
fc_p1=$1; fc_p2=$2; fc_p3=$3; fc_p4=$4; shift 4
fc_list=
for fc_s in "$@"; do
fc_all=$(fc_resolve "$fc_s")
[ -n "$fc_all" ] || printf '{"probe":"%s","source":"%s","outcome":"unresolved"}\n' "$fc_kind" "$fc_s"
for fc_a in $fc_all; do fc_list="$fc_list $fc_s=$fc_a"; done
done
for fc_a in ${fc_also-}; do
case "$fc_list " in *"=$fc_a "*) ;; *) fc_list="$fc_list $fc_a=$fc_a" ;; esac
done
[ -n "$fc_list" ] || return 1
case $fc_kind in
static) "$fc_dir/probe" "$fc_p1" "$fc_p2" "$fc_p3" "$fc_p4" $fc_list ;;
bash) bash -c @FALLBACK@ probe "$fc_p1" "$fc_p2" "$fc_p3" $fc_list ;;
*) for fc_s in $fc_list; do printf '{"probe":"none","source":"%s","outcome":"no_probe"}\n' "${fc_s%=*}"; done; return 1 ;;
esac
}
trap fc_probe_done EXIT
# Not every shell runs that when a signal ends it.
for fc_s in 'HUP 129' 'INT 130' 'PIPE 141' 'TERM 143'; do trap "exit ${fc_s#* }" "${fc_s% *}"; done
fc_probe_open"#;

/// Reads what `fc_probe` printed; other lines are not ours.
pub fn parse(printed: &str) -> Vec<SourceReport> {
    printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_small() {
        assert!(!PROGRAM.is_empty(), "the program was not compiled");
        assert!(STANDARD.encode(PROGRAM).len() < 100_000, "{} bytes", PROGRAM.len());
    }

    /// Runs a shell that puts the probe in place and then waits, and ends it with a signal.
    fn folder_after(shell: &str, signal: Option<&str>) -> (String, bool) {
        let end = signal.map_or("kill -9 $$".to_owned(), |name| format!("kill -{name} $$; sleep 5"));
        let script = format!("{}\necho \"$fc_dir\"\n{end}", functions());
        #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
        let output = std::process::Command::new(shell).arg("-c").arg(script).output().unwrap();
        let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let there = std::path::Path::new(&folder).exists();
        (folder, there)
    }

    #[test]
    fn the_folder_goes_with_its_script_however_that_ends() {
        for shell in ["dash", "bash"] {
            for signal in ["HUP", "TERM", "PIPE", "INT"] {
                let (folder, there) = folder_after(shell, Some(signal));
                assert!(folder.contains("/fleetclock.") && !there, "{shell}, {signal}: {folder}");
            }
        }
        // What nothing can be done about is swept by the next script.
        let (dead, there) = folder_after("dash", None);
        assert!(there, "{dead}");
        folder_after("dash", Some("TERM"));
        assert!(!std::path::Path::new(&dead).exists(), "{dead} is left");
    }
}
