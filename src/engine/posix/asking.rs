//! How a host asks its sources: as seldom as it can be, and never just before or after a question of
//! its own time service. Servers limit the rate for each address, and the service shares it.

use std::net::IpAddr;

use crate::inventory::HostSpec;
use crate::transport::quote::sh;

use super::verify::Ports;

/// How long one answer may take, milliseconds.
pub(crate) const TIMEOUT_MS: u32 = 1000;

/// Questions to a source that does not answer, until it is given up.
const TRIES: u32 = 3;

/// Any bound will do.
const NO_LIMIT: u128 = i64::MAX as u128;

/// Returns shell text that asks all sources until each has given one answer within the limit, with so
/// many questions at most. Needs the functions of the probe.
pub(crate) fn all(spec: &HostSpec, tries: u32, timeout_ms: u32, ports: Ports) -> String {
    let list = sources(spec);
    let limit = spec.limits.max_error.as_nanos();
    if list.is_empty() { ":".to_owned() } else { text(limit, tries, timeout_ms, ports, &list) }
}

/// Whether a source is a name, which may have led the service elsewhere when it started.
pub(crate) fn by_name(spec: &HostSpec) -> bool {
    spec.time.sources.iter().any(|source| source.address.parse::<IpAddr>().is_err())
}

/// Returns the measurement that counts. What the wait before it has found within the limits
/// (`$fc_seen`) is not asked again; an address that the service follows (`$fc_also`) is asked, if it is not among that.
pub(crate) fn proof(spec: &HostSpec, ports: Ports) -> String {
    let list = sources(spec);
    if list.is_empty() {
        return ":".to_owned();
    }
    let ask = text(spec.limits.max_error.as_nanos(), TRIES, TIMEOUT_MS, ports, "$fc_left_out");
    PROOF.replace("@SOURCES@", &list).replace("@ASK@", &ask)
}

const PROOF: &str = r#"fc_left_out=; fc_names=; fc_kept=
for fc_x in @SOURCES@; do
fc_names="$fc_names $fc_x"
fc_lines=$(printf '%s\n' "$fc_seen" | grep -F '"source":"'"$fc_x"'"') || fc_lines=
if [ -z "$fc_lines" ] || printf '%s\n' "$fc_lines" | grep -qv '"within":true' || printf '%s\n' "$fc_lines" | grep -q '"from_123":"unsure"'; then
fc_left_out="$fc_left_out $fc_x"
else
printf '%s\n' "$fc_lines"
fc_kept=$fc_kept$fc_lines
fi
done
fc_more=
for fc_x in ${fc_also-}; do
case $fc_kept in *'"address":"'"$fc_x"'"'*) ;; *) fc_more="$fc_more $fc_x" ;; esac
done
fc_also=$fc_more
[ -z "$fc_left_out$fc_also" ] || @ASK@"#;

/// Returns shell text that asks the sources into `$fc_seen`: what the plan has heard a moment ago,
/// or anew; once more, and after a rest if the rate is limited, when nobody serves time.
pub(crate) fn guard(spec: &HostSpec) -> Option<String> {
    let list = sources(spec);
    let ask = |tries| text(NO_LIMIT, tries, TIMEOUT_MS, Ports::Any, &list);
    (!list.is_empty()).then(|| GUARD.replace("@FIRST@", &ask(2)).replace("@AGAIN@", &ask(TRIES)))
}

const GUARD: &str = r#"FC_RECENT=1
fc_seen=$(@FIRST@ || :)
FC_RECENT=
case $fc_seen in
*'"outcome":"ok"'*) ;;
*)
case $fc_seen in *'"kiss":"RATE"'*) sleep 21 ;; esac
fc_seen=$(@AGAIN@ || :)
;;
esac
printf '%s\n' "$fc_seen""#;

/// Shell functions. `fc_pace` waits, after the service was found ready, until its last question is
/// long enough ago, and its next one far enough away: in the burst of a start it asks every two
/// seconds. `fc_age` of the service says in which second before this one its last answer came; that
/// is no age to the tenth. So we look until an answer comes, or four seconds say that the burst is
/// over; an answer of the first half of this second is as good as seen.
/// `fc_calm` waits until our own last question is long enough ago for the service to start.
pub(crate) const FUNCTIONS: &str = r#"fc_pace() {
fc_k=0; fc_before=
while [ "$fc_k" -lt 30 ]; do
fc_k=$((fc_k + 1))
fc_a=$(fc_age 2>/dev/null)
case $fc_a in 0 | 1 | 2 | 3) ;; *) return 0 ;; esac
case "$fc_before $fc_a $(date +%N)" in
[123]' 0 '* | ' 0 '[0-4]*) fc_nap 75; return 0 ;;
esac
fc_before=$fc_a
fc_nap 15
done
}
fc_calm() {
fc_c=0
for fc_k in "$FC_ASKED"/*; do
fc_recall "${fc_k##*/}"
if [ $((120 - fc_ago)) -gt "$fc_c" ]; then fc_c=$((120 - fc_ago)); fi
done
fc_nap "$fc_c"
}"#;

fn text(limit: u128, tries: u32, timeout_ms: u32, ports: Ports, sources: &str) -> String {
    format!("fc_probe 1 {tries} {timeout_ms} {limit} {} {sources}", ports.word())
}

fn sources(spec: &HostSpec) -> String {
    spec.time.sources.iter().map(|source| sh(&source.address)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sample;
    use crate::provider::ALL;

    /// Runs shell text in which nobody sleeps and `fc_probe` says whom it was asked for.
    fn run(text: &str) -> String {
        let before = "fc_nap() { echo \"nap $1\"; }\nsleep() { echo \"sleep $1\" >&2; }\nfc_ready() { echo again; }\n\
                      fc_probe() { shift 5; echo \"asked $*\"; }\nFC_ASKED=/nowhere\nfc_recall() { fc_ago=999999; }\n";
        #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
        let output = std::process::Command::new("dash").arg("-c").arg(format!("{before}{text}")).output().unwrap();
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    }

    #[test]
    fn what_was_found_within_the_limits_is_not_asked_again() {
        let spec = sample::host("l1");
        let source = &spec.time.sources[0].address;
        let seen = |rest: &str| format!("fc_seen='{{\"source\":\"{source}\"{rest}}}'\n{}", proof(&spec, Ports::Both));
        let asked = |rest: &str| run(&seen(rest)).contains(&format!("asked {source}"));
        assert!(!asked(",\"outcome\":\"ok\",\"within\":true,\"from_123\":\"ok\""));
        assert!(asked(",\"outcome\":\"ok\",\"within\":true,\"from_123\":\"unsure\""));
        assert!(asked(",\"outcome\":\"timeout\"") && asked("x"));
        assert!(run(&proof(&spec, Ports::Both)).contains("asked"), "nothing was waited for");
    }

    #[test]
    fn the_guard_asks_again_when_nobody_serves_and_rests_when_it_asked_too_often() {
        let guard = guard(&sample::host("l1")).unwrap();
        let answers = |line: &str| run(&format!("fc_probe() {{ echo '{line}'; }}\n{guard}"));
        assert_eq!(answers("\"outcome\":\"ok\"").lines().count(), 1);
        assert!(!answers("\"outcome\":\"timeout\"").contains("sleep"));
        assert!(answers("\"outcome\":\"kiss\",\"kiss\":\"RATE\"").contains("sleep 21"));
    }

    /// A name that has led the service to one address, and leads to another one now, where nobody answers.
    #[test]
    fn an_address_that_is_followed_is_asked_with_the_name_that_leads_elsewhere() {
        let spec = sample::host("l1");
        let source = &spec.time.sources[0].address;
        let line = |address: &str, rest: &str| {
            format!("{{\"source\":\"{source}\",\"address\":\"{address}\",\"from_123\":\"ok\",{rest}}}")
        };
        let (good, dead) = ("\"outcome\":\"ok\",\"within\":true", "\"outcome\":\"timeout\"");
        let asked = |lines: &str| {
            run(&format!(
                "fc_probe() {{ shift 5; echo \"asked $* also${{fc_also}}\"; }}\nfc_also=10.9.9.9 fc_seen='{lines}'\n{}",
                proof(&spec, Ports::Both)
            ))
        };
        let moved = format!("{}\n{}", line("10.9.9.8", dead), line("10.9.9.9", good));
        assert_eq!(asked(&moved), format!("asked {source} also 10.9.9.9\n"));
        assert_eq!(asked(&line("10.9.9.9", good)), line("10.9.9.9", good) + "\n");
    }

    /// Ages that are seen one after the other, and how many rests it takes until we ask.
    #[test]
    fn our_question_keeps_away_from_those_of_the_service() {
        let naps = |ages: &str, part: &str| {
            let tools = format!("date() {{ echo {part}; }}\nfc_age() {{ echo ${{ages%% *}}; }}");
            let nap = "fc_nap() { echo $1; ages=${ages#* }; }";
            let text = run(&format!("{FUNCTIONS}\nages='{ages}'\n{tools}\n{nap}\nfc_pace"));
            text.lines().map(|line| line.parse::<u32>().unwrap()).sum::<u32>()
        };
        assert_eq!(["63", "4", "not-known", "4294967295"].map(|ages| naps(ages, "123456789")), [0; 4]);
        // The burst goes on: half a second and more after its next answer.
        assert_eq!((naps("1 2 0 9", "723456789"), naps("2 3 3 0 9", "123456789")), (15 * 2 + 75, 15 * 3 + 75));
        // It is over.
        assert_eq!((naps("1 2 3 4", "123456789"), naps("0 1 2 3 4", "723456789")), (15 * 3, 15 * 4));
        // An answer of this second.
        assert_eq!((naps("0 9", "123456789"), naps("0 1 4", "723456789"), naps("0 1 4", "N")), (75, 30, 30));
        // A clock of its own is asked all the time, and we do not wait for ever.
        assert_eq!(naps("0", "723456789"), 15 * 30);
    }

    #[test]
    fn a_restart_keeps_away_from_our_question() {
        let calm = |ago: &str| run(&format!("{FUNCTIONS}\nfc_recall() {{ fc_ago={ago}; }}\nfc_calm"));
        assert_eq!((calm("30").as_str(), calm("500").as_str()), ("nap 90\n", "nap 0\n"));
    }

    #[test]
    fn every_service_says_when_its_last_answer_came() {
        let age = |index: usize, printed: &str| {
            let tool = format!("chronyc() {{ echo '{printed}'; }}\nntpq() {{ echo '{printed}'; }}\n");
            run(&format!("{tool}fc_age() {{\n{}\n}}\nfc_age", ALL[index].age())).trim().to_owned()
        };
        assert_eq!(age(0, "^,*,10.0.0.1,5,6,17,12,0.1,0.1,0.1\n^,+,10.0.0.2,5,6,17,3,0.1,0.1,0.1"), "3");
        assert_eq!(age(0, "506 Cannot talk to daemon"), "");
        let head = "     remote           refid      st t when poll reach   delay   offset  jitter\n=====";
        assert_eq!(
            age(1, &format!("{head}\n*10.0.0.1 .LOCL. 5 u 12 64 17 0.1 0.1 0.1\n 10.0.0.2 .INIT. 16 u - 64 0 0 0 0")),
            "12"
        );
        assert_eq!(age(1, &format!("{head}\n*10.0.0.1 .LOCL. 5 u 2m 64 17 0.1 0.1 0.1")), "");
    }
}
