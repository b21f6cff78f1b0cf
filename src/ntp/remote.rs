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

/// Returns POSIX shell text that defines `fc_probe SAMPLES TRIES TIMEOUT_MS LIMIT_NS PORTS SOURCE...`
/// and puts the probe in place. Addresses in `$fc_also` are asked, too, if no source has them: each by the name of
/// the source (one of those asked, or of `$fc_names`) that leads there, or has led there since the boot.
///
/// Each source is asked, all side by side, until it has given SAMPLES good answers or TRIES
/// questions are used up. PORTS is `any`, `first` (from 123, if no other program holds it), `both`
/// (any, and then also from 123) or `raw` (also from there, even if another program holds it).
/// `fc_probe` prints one JSON object for each address of each source, and succeeds when one of
/// them serves synchronised time within the limit. `FC_RECENT=1` takes an answer that is younger
/// than two seconds instead of asking again. The program lives in a private folder, on a tmpfs
/// where that allows execution, which is removed when the script ends.
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
fc_dir=$(mktemp -d 2>/dev/null) || { fc_dir=; return 0; }
if command -v bash >/dev/null 2>&1; then fc_kind=bash; fi
}
fc_resolve() {
case $1 in
*[!0-9.]*) case $1 in *:*) echo "$1" ;; *) getent ahosts "$1" | while read -r fc_a fc_rest; do echo "$fc_a"; done | sort -u | head -n 4 ;; esac ;;
*) echo "$1" ;;
esac
}
# Where names have led is kept until the machine is booted again: a service looks a name up when it starts,
# and ntpd does not say by which name it found a server.
FC_LED=/run/fleetclock/led
fc_led() {
case $1 in *:*) return 0 ;; *[!0-9.]*) ;; *) return 0 ;; esac
if grep -qsxF -e "$1 $2" "$FC_LED"; then return 0; fi
# The names of pools lead to others all the time.
if [ "$(grep -c . "$FC_LED" 2>/dev/null)" -gt 500 ] 2>/dev/null; then
tail -n 250 "$FC_LED" >"$FC_LED.$$" && mv -f "$FC_LED.$$" "$FC_LED"
fi
echo "$1 $2" 2>/dev/null >>"$FC_LED" || :
}
# Prints which of the names leads to an address, to all of its addresses, or has led there; else the address.
fc_found() {
fc_t=$1; shift
for fc_s do
case $fc_s in *:*) continue ;; *[!0-9.]*) ;; *) continue ;; esac
if grep -qsxF -e "$fc_s $fc_t" "$FC_LED" ||
getent ahosts "$fc_s" | while read -r fc_a fc_rest; do echo "$fc_a"; done | grep -qxF -e "$fc_t"; then
echo "$fc_s"; return 0
fi
done
echo "$fc_t"
}
# When each address was asked is kept until the machine is booted again, so that one run does not
# ask just after another: servers drop what comes faster than every two seconds, and for a while
# every eight (ntpd: `limited`, `discard`). A line: when, until when eight, the answer.
FC_ASKED=/run/fleetclock/asked
fc_clock() { read -r fc_u fc_rest </proc/uptime; fc_u=${fc_u%.*}${fc_u#*.}; }
# Reads it into fc_ago, fc_slow (hundredths of a second) and fc_last, and how long to wait into fc_due.
fc_recall() {
fc_clock; fc_ago=999999; fc_slow=0; fc_last=; fc_due=0
{ read -r fc_t fc_slow fc_last; } 2>/dev/null <"$FC_ASKED/$1" || return 0
case $fc_t$fc_slow in '' | *[!0-9]*) fc_slow=0; return 0 ;; esac
fc_ago=$((fc_u - fc_t)); fc_due=$((205 - fc_ago))
if [ "$fc_u" -lt "$fc_slow" ]; then fc_due=$((800 - fc_ago)); fi
}
fc_note() { if [ -d "$FC_ASKED" ]; then { printf '%s %s %s\n' "$2" "$3" "$4" >"$FC_ASKED/$1.$$" && mv -f "$FC_ASKED/$1.$$" "$FC_ASKED/$1"; } 2>/dev/null || :; fi; }
fc_nap() { [ "$1" -le 0 ] || sleep "$(($1 / 100)).$(($1 / 10 % 10))$(($1 % 10))" 2>/dev/null || sleep "$(($1 / 100 + 1))"; }
# Asks one address: SAMPLES TRIES TIMEOUT_MS LIMIT_NS PORTS NAME=ADDRESS.
fc_one() {
fc_name=${6%=*}; fc_to=${6##*=}
fc_recall "$fc_to"
# It has said that it was asked too often, and counts on until it is left in peace.
case $fc_last in *'"kiss":"RATE"'*) if [ "$fc_ago" -lt 2000 ]; then
printf '{"probe":"%s","source":"%s","address":"%s","outcome":"kiss","kiss":"RATE","sent":0,"received":0}\n' "$fc_kind" "$fc_name" "$fc_to"
return 1
fi ;; esac
if [ -n "$FC_RECENT" ] && [ "$fc_ago" -lt 200 ]; then
case $fc_last in *'"source":"'"$fc_name"'",'*'"outcome":"ok"'*) echo "$fc_last"; return 0 ;; esac
fi
if [ "$fc_due" -gt 0 ]; then fc_note "$fc_to" $((fc_u + fc_due)) "$fc_slow"; fc_nap "$fc_due"; fi
fc_status=0
case $fc_kind in
static) fc_said=$("$fc_dir/probe" "$@") || fc_status=$? ;;
*) fc_said=$(bash -c @FALLBACK@ probe "$1" "$2" "$3" "$4" "$6") || fc_status=$? ;;
esac
fc_clock
case $fc_said in *'"kiss":"RATE"'*) fc_slow=$((fc_u + 9000)) ;; esac
fc_note "$fc_to" "$fc_u" "$fc_slow" "$fc_said"
echo "$fc_said"
return $fc_status
}
fc_probe() {
fc_p1=$1; fc_p2=$2; fc_p3=$3; fc_p4=$4; fc_p5=$5; shift 5
fc_list=
[ -d "$FC_ASKED" ] || (umask 077; mkdir -p "$FC_ASKED") 2>/dev/null
for fc_s in "$@"; do
fc_all=$(fc_resolve "$fc_s")
[ -n "$fc_all" ] || printf '{"probe":"%s","source":"%s","outcome":"unresolved"}\n' "$fc_kind" "$fc_s"
for fc_a in $fc_all; do fc_list="$fc_list $fc_s=$fc_a"; fc_led "$fc_s" "$fc_a"; done
done
for fc_a in ${fc_also-}; do
case "$fc_list " in *"=$fc_a "*) ;; *) fc_list="$fc_list $(fc_found "$fc_a" "$@" ${fc_names-})=$fc_a" ;; esac
done
[ -n "$fc_list" ] || return 1
if [ "$fc_kind" = none ]; then
for fc_s in $fc_list; do printf '{"probe":"none","source":"%s","outcome":"no_probe"}\n' "${fc_s%=*}"; done
return 1
fi
fc_n=100; fc_jobs=; fc_good=1; fc_begun=; fc_later=
for fc_s in $fc_list; do
# Two names of one address are asked one after the other.
case "$fc_begun " in *" ${fc_s##*=} "*) fc_later="$fc_later $fc_s"; continue ;; esac
fc_begun="$fc_begun ${fc_s##*=}"; fc_n=$((fc_n + 1))
fc_one "$fc_p1" "$fc_p2" "$fc_p3" "$fc_p4" "$fc_p5" "$fc_s" >"$fc_dir/answer.$fc_n" &
fc_jobs="$fc_jobs $!"
done
for fc_j in $fc_jobs; do if wait "$fc_j"; then fc_good=0; fi; done
for fc_s in $fc_later; do
fc_n=$((fc_n + 1))
if fc_one "$fc_p1" "$fc_p2" "$fc_p3" "$fc_p4" "$fc_p5" "$fc_s" >"$fc_dir/answer.$fc_n"; then fc_good=0; fi
done
cat "$fc_dir"/answer.*
rm -f "$fc_dir"/answer.*
return $fc_good
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

    /// What the probe says of an address that is followed: by which name it is asked. `led` is what was noted.
    fn asked_by(names: &str, led: &str) -> (String, String) {
        let folder = tempfile::tempdir().unwrap();
        let notes = folder.path().join("led").display().to_string();
        std::fs::write(&notes, led).unwrap();
        let script = format!(
            "{}\ngetent() {{ case $2 in many.example) for fc_i in 1 2 3 4 5 6; do echo \"10.0.0.$fc_i STREAM\"; done ;; \
             one.example) echo '10.0.0.7 STREAM' ;; esac; }}\n\
             fc_one() {{ echo \"$6\"; }}\nFC_LED={notes} FC_ASKED={} fc_also=$1; shift; fc_probe 1 1 1 1 any \"$@\"",
            functions(),
            folder.path().display()
        );
        #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
        let output =
            std::process::Command::new("dash").args(["-c", &script, "x"]).args(names.split(' ')).output().unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        let asked = String::from_utf8(output.stdout).unwrap().lines().last().unwrap_or_default().to_owned();
        (asked, std::fs::read_to_string(notes).unwrap())
    }

    #[test]
    fn an_address_that_is_followed_is_asked_by_the_name_that_leads_or_has_led_there() {
        for (names, led, asked) in [
            // More addresses than are asked.
            ("10.0.0.6 many.example", "", "many.example=10.0.0.6"),
            ("10.0.0.9 one.example many.example", "many.example 10.0.0.9\n", "many.example=10.0.0.9"),
            ("10.0.0.9 one.example", "other.example 10.0.0.9\none.example 10.0.0.99\n", "10.0.0.9=10.0.0.9"),
            ("10.0.0.9 10.0.0.1 fd00::1", "", "10.0.0.9=10.0.0.9"),
        ] {
            assert_eq!(asked_by(names, led).0, asked, "{names} {led}");
        }
        let noted = asked_by("10.0.0.9 one.example 10.0.0.1 fd00::1", "one.example 10.0.0.2\n").1;
        assert_eq!(noted, "one.example 10.0.0.2\none.example 10.0.0.7\n");
        let many: String =
            (0..600).map(|number| format!("pool.example 10.1.{}.{}\n", number / 250, number % 250)).collect();
        assert_eq!(asked_by("10.0.0.9 one.example", &many).1.lines().count(), 251);
    }
}
