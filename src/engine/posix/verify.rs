//! The proof: the host asks its sources itself, the time service says what it follows, and
//! both are measured against the limits. The scripts; the waiting happens on the host.

use super::asking;
use crate::inventory::HostSpec;
use crate::ntp::remote;
use crate::provider::{self, LinuxProvider};
use crate::transport::quote::sh;
use crate::verdict::settling;

/// The source ports that a measurement asks from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ports {
    /// One that the kernel chooses.
    Any,
    /// 123, if no other program holds it, else any: one answer says both.
    First,
    /// Also 123, as W32Time and ntpd do, unless a program holds it that does not share it.
    Both,
    /// Also 123, even past the program that holds it.
    Raw,
}

impl Ports {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Ports::Any => "any",
            Ports::First => "first",
            Ports::Both => "both",
            Ports::Raw => "raw",
        }
    }
}

/// Returns shell text that waits until the service follows a source and one of them, or what it follows by a name
/// that leads elsewhere now, is within the limits, or until the deadline; a service that does not run, or cannot be asked what it does, is not
/// waited for. The first measurement is kept for [`FIRST`].
pub(crate) fn wait(spec: &HostSpec, provider: &dyn LinuxProvider, unit: &str, boundary: &str) -> String {
    let upstream = spec.time.sources.iter().any(|source| !source.orphan);
    // An isolated master waits for nobody, but lets a service that has just started look for its upstream.
    let alone = match (spec.time.isolated, upstream) {
        (Some(_), false) => "true".to_owned(),
        (Some(_), true) => format!("! fc_follows && fc_is_old {}", sh(unit)),
        (None, _) => "false".to_owned(),
    };
    let measure = asking::all(spec, 1, asking::TIMEOUT_MS, Ports::First);
    WAIT.replace("@READY@", provider.ready())
        .replace("@FOLLOWED@", provider.followed())
        .replace("@ALSO@", if asking::by_name(spec) { "$fc_now" } else { "" })
        .replace("@ALONE@", &alone)
        .replace("@ALIVE@", &provider::alive(unit))
        .replace("@TALKS@", provider.talks())
        .replace("@MUTE@", &MUTE_S.to_string())
        .replace("@AGE@", provider.age())
        .replace("@MEASURE@", &measure)
        .replace("@SETTLES@", &settling::shell(spec))
        .replace("@SECONDS@", &spec.limits.deadline.as_secs().max(1).to_string())
        .replace("@BOUNDARY@", boundary)
}

/// A service that has not answered its own tool for so long will not; one that has just been started may be
/// busy for a moment. Seconds.
const MUTE_S: u32 = 15;

/// Says what is waited for when that changes, and every ten seconds.
const WAIT: &str = r#"fc_up() { read -r fc_u fc_x </proc/uptime; fc_u=${fc_u%%.*}; }
fc_first=; fc_since=
fc_ready() { @READY@; }
fc_age() {
@AGE@
}
fc_follows() { fc_now=$(@FOLLOWED@); [ -n "$fc_now" ]; }
fc_is_old() {
fc_t=$(systemctl show -p ActiveEnterTimestampMonotonic "$1.service")
fc_up; [ $((fc_u - ${fc_t#*=} / 1000000)) -gt 30 ]
}
fc_alone() { @ALONE@; }
fc_measure() {
fc_also=@ALSO@
fc_seen=$(@MEASURE@ 2>/dev/null); fc_r=$?
[ -n "$fc_first" ] || { fc_first=$fc_seen; fc_up; fc_since=$fc_u; }
return $fc_r
}
fc_settles() {
@SETTLES@
}
fc_mute() {
@TALKS@ && { fc_quiet=; return 1; }
fc_up; fc_quiet=${fc_quiet:-$fc_round}
[ $((fc_u - fc_quiet)) -ge @MUTE@ ]
}
fc_end=$(($(date +%s) + @SECONDS@)); fc_said=; fc_quiet=; fc_up; fc_round=$fc_u
until fc_seen= && fc_ready && { fc_alone || { fc_follows && fc_pace && fc_measure; }; }; do
fc_left=$((fc_end - $(date +%s)))
[ "$fc_left" -gt 0 ] || break
@ALIVE@ || break
! fc_mute || break
fc_up; fc_round=$fc_u
fc_settles && break
fc_what='no source is within the limits yet'
{ fc_ready && fc_follows; } || fc_what='no source is selected yet'
if [ "$fc_what" != "$fc_said" ] || [ $((fc_left % 10)) = 0 ]; then
echo "@BOUNDARY@ progress $fc_what ($fc_left s left)"
fi
fc_said=$fc_what
sleep 1
done"#;

/// Shell text that prints how long ago the first measurement of [`wait`] was, seconds, and the measurement.
pub(crate) const FIRST: &str =
    r#"[ -z "$fc_first" ] || { fc_up; printf '%s\n%s\n' $((fc_u - fc_since)) "$fc_first"; }"#;

/// Returns shell text that asks the sources into `$fc_seen`. Where time is `needed`, it succeeds
/// only when at least one of them serves synchronised time.
pub(crate) fn guard(spec: &HostSpec, needed: bool) -> Option<String> {
    let ask = asking::guard(spec)?;
    // An isolated master goes on without them.
    let needed = needed && spec.time.isolated.is_none();
    Some(if needed { format!("{ask}\ncase $fc_seen in *'\"outcome\":\"ok\"'*) ;; *) exit 1 ;; esac") } else { ask })
}

/// Returns the functions that the texts above call.
pub(crate) fn functions() -> String {
    format!("{}\n{}", remote::functions(), asking::FUNCTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sample;

    /// How long is waited for a service, seconds: one that is mute, or talks and has nothing selected.
    fn waited(index: usize, tool: &str, deadline: u64) -> f64 {
        let mut spec = sample::host("l1");
        spec.limits.deadline = std::time::Duration::from_secs(deadline);
        let text = wait(&spec, provider::ALL[index], "x", "--").replace(&format!("-ge {MUTE_S}"), "-ge 1");
        let script = format!(
            "timeout() {{ shift; \"$@\"; }}\nsystemctl() {{ :; }}\nchronyc() {{ {tool}; }}\nntpq() {{ {tool}; }}\n{text}"
        );
        let began = std::time::Instant::now();
        #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
        let output = std::process::Command::new("dash").arg("-c").arg(script).output().unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        began.elapsed().as_secs_f64()
    }

    /// A chronyd that follows 10.9.9.9, and a probe that nobody answers whom the inventory names.
    fn follows_elsewhere(source: &str) -> bool {
        let fleet = format!("hosts: {{ h1: {{ address: 10.0.0.1, role: slave, upstream: ['{source}'] }} }}");
        let mut spec = sample::fleet(&fleet).remove(0);
        spec.limits.deadline = std::time::Duration::from_secs(2);
        let script = format!(
            "timeout() {{ shift; \"$@\"; }}\nsystemctl() {{ :; }}\nfc_pace() {{ :; }}\n\
             chronyc() {{ case $* in *tracking) echo 0A090909,10.9.9.9,5 ;; *) echo '^,*,10.9.9.9,5,6,377,3,0.0,0.0,0.0' ;; esac; }}\n\
             fc_probe() {{ case \"$fc_also\" in 10.9.9.9) echo within ;; *) false ;; esac; }}\n{}\necho \"$fc_seen\"",
            wait(&spec, provider::ALL[0], "x", "--")
        );
        #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
        let output = std::process::Command::new("dash").arg("-c").arg(script).output().unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        output.stdout == b"within\n"
    }

    #[test]
    fn what_is_followed_counts_where_a_name_may_have_led_there() {
        assert!(follows_elsewhere("ntp.example"));
        assert!(!follows_elsewhere("10.0.0.9"));
    }

    #[test]
    fn a_service_that_cannot_be_asked_is_not_waited_for() {
        let mute = "echo '***Request timed out'; false";
        assert!(waited(0, mute, 30) < 10.0 && waited(1, mute, 30) < 10.0);
        // One that talks is waited for until the deadline.
        assert!(waited(0, "echo '00000000,,0,0.0'", 4) >= 3.0 && waited(1, "echo leap=11", 4) >= 3.0);
    }
}
