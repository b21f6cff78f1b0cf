//! Bounds that are above the limit and fall by themselves. A server that has just started has one
//! sample in its clock filter, and RFC 5905 (appendix A.5.2) counts 16 s for each sample that is
//! missing: it announces a root dispersion of about 8 s, and half of it after each further poll.
//! W32Time polls every 64 s at most, so its followers see a large bound for minutes though the clock
//! is right, and pass it on to theirs.

use std::time::Duration;

use crate::inventory::HostSpec;
use crate::inventory::spec::Source;
use crate::model::{Prober, SourceReport, is_own_clock, own_clock_patterns};
use crate::text::number::{signed, span};

/// The most that a filter with one sample can add, and what was there before, seconds.
const MOST_S: f64 = 16.0;

/// An unknown server with more than that has just started; one that has lost its own source would
/// need two days to get there (RFC 5905, PHI).
const JUST_STARTED_S: f64 = 3.0;

/// All of the last eight polls of a source were answered (the reach register of RFC 5905).
const HEARD_LONG: u8 = 0o377;

/// What is left in a filter after six of eight polls, and a little drift, seconds.
const FULL_FILTER_S: f64 = MOST_S / 64.0;

/// The shortest interval in which W32Time polls by itself.
const POLL: Duration = Duration::from_secs(64);

/// How many polls of the source it takes until the bound is within the limit, if the rest of the
/// bound is already, and nothing but the announced dispersion is in the way.
pub(crate) fn polls_left(spec: &HostSpec, declared: Option<&Source>, seen: &SourceReport) -> Option<u32> {
    let (bound, dispersion) = (seen.error_bound_s?, seen.root_dispersion_s?);
    let room = spec.limits.max_error.as_secs_f64() - (bound - dispersion);
    // A server on its own clock has nothing to wait for.
    let follows = seen.stratum.is_some_and(|stratum| stratum >= 2 && stratum <= spec.limits.max_stratum);
    // `w32tm /stripchart` shows no dispersion: that of the service itself stands in.
    let own = seen.probe == Some(Prober::W32tm);
    let settles = own || declared.is_some_and(|source| source.windows) || dispersion > JUST_STARTED_S;
    // A start explains it for eight polls; a server outside of the inventory that goes on like that is just bad.
    let foreign = declared.is_none_or(|source| source.host.is_none());
    let stuck = foreign && dispersion > JUST_STARTED_S && seen.reach == Some(HEARD_LONG);
    let alone = seen.refid.as_deref().is_some_and(is_own_clock);
    let fits = seen.is_ok() && follows && settles && !stuck && !alone && dispersion <= MOST_S;
    (fits && room > 0.0 && dispersion > room).then(|| (dispersion / room).log2().ceil() as u32)
}

/// Takes back what was promised of a server outside of the inventory that goes on announcing seconds, where the
/// service of the host keeps no register of its polls, as W32Time: its own filter adds to what the server
/// announces, and adds nothing worth a word any more when it has polled so often that any start is over.
pub(crate) fn doubt(spec: &HostSpec, own_s: Option<f64>, sources: &mut [SourceReport]) {
    let foreign = |seen: &SourceReport| {
        spec.time.sources.iter().all(|source| source.address != seen.address || source.host.is_none())
    };
    let full = |announced: f64| own_s.is_some_and(|own| (own - announced).abs() < FULL_FILTER_S);
    for seen in sources.iter_mut().filter(|seen| seen.selected && seen.probe != Some(Prober::W32tm)) {
        let announced = seen.root_dispersion_s.unwrap_or_default();
        if announced > JUST_STARTED_S && foreign(seen) && full(announced) {
            seen.polls_left = None;
        }
    }
}

/// Whether a source announces more than anything but a start explains.
pub(crate) fn just_started(sources: &[SourceReport]) -> bool {
    let fresh = |seen: &SourceReport| {
        let dispersion = seen.root_dispersion_s.unwrap_or_default();
        seen.is_ok() && seen.stratum > Some(1) && dispersion > JUST_STARTED_S && dispersion <= MOST_S
    };
    sources.iter().any(fresh)
}

/// The host with all its sources marked as Windows hosts; `None` if they are, or none can be.
pub(crate) fn marked(spec: &HostSpec) -> Option<HostSpec> {
    let mut marked = spec.clone();
    let open = marked.time.sources.iter_mut().filter(|source| !source.windows && !source.pool);
    let count = open.map(|source| source.windows = true).count();
    (count > 0).then_some(marked)
}

/// Counts the polls again after the sources were marked; who has just been started is known without.
pub(crate) fn judge_anew(spec: &HostSpec, sources: &mut [SourceReport]) {
    for seen in sources.iter_mut().filter(|seen| seen.root_dispersion_s <= Some(JUST_STARTED_S)) {
        let declared = spec.time.sources.iter().find(|source| source.address == seen.address);
        seen.polls_left = polls_left(spec, declared, seen);
    }
}

/// How long that takes, if the source polls as eagerly as it can.
pub(crate) fn time(polls: u32) -> Duration {
    POLL * polls
}

/// Shell text that succeeds when one of the answers in `$fc_seen` is such a bound, and it takes longer
/// than the `$fc_left` seconds to fall: nobody has to wait for it then.
pub(crate) fn shell(spec: &HostSpec) -> String {
    let windows = spec.time.sources.iter().any(|source| source.windows);
    let least = if windows { 0.0 } else { JUST_STARTED_S };
    SHELL
        .replace("@OWN@", &own_clock_patterns())
        .replace("@LIMIT@", &spec.limits.max_error.as_nanos().to_string())
        .replace("@LEAST@", &format!("{:.0}", least * 1e9))
        .replace("@MOST@", &format!("{:.0}", MOST_S * 1e9))
        .replace("@POLL@", &POLL.as_secs().to_string())
}

const SHELL: &str = r#"while IFS= read -r fc_line; do
case $fc_line in *'"stratum":1,'*|@OWN@) continue ;; *'"outcome":"ok"'*'"error_bound_ns":'*) ;; *) continue ;; esac
fc_disp=${fc_line#*'"root_dispersion_ns":'}; fc_disp=${fc_disp%%[!0-9]*}
fc_room=${fc_line#*'"error_bound_ns":'}; fc_room=$((@LIMIT@ - ${fc_room%%[!0-9]*} + ${fc_disp:-0}))
[ "${fc_disp:-0}" -gt @LEAST@ ] && [ "$fc_disp" -le @MOST@ ] && [ "$fc_room" -gt 0 ] || continue
fc_polls=0
while [ "$fc_disp" -gt "$fc_room" ]; do fc_disp=$((fc_disp / 2)); fc_polls=$((fc_polls + 1)); done
[ $((fc_polls * @POLL@)) -le "$fc_left" ] || return 0
done <<FC_SEEN
$fc_seen
FC_SEEN
return 1"#;

/// Says what is seen, and when it will be over.
pub(crate) fn explain(spec: &HostSpec, seen: &SourceReport, polls: u32) -> String {
    format!(
        "bound still falling: {} to `{}`, of which {} is root dispersion, large after a start of the server and \
         halved with each of its polls; below the limit of {} in about {} (at least {}). The clock is off by {}",
        span(seen.error_bound_s.unwrap_or_default()),
        seen.address,
        span(seen.root_dispersion_s.unwrap_or_default()),
        span(spec.limits.max_error.as_secs_f64()),
        if polls == 1 { "1 poll".to_owned() } else { format!("{polls} polls") },
        humantime::format_duration(time(polls)),
        signed(seen.offset_s.unwrap_or_default())
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sample;
    use crate::model::{Kiss, Outcome};

    fn seen(offset: f64, dispersion: f64) -> SourceReport {
        SourceReport {
            address: "dc".to_owned(),
            outcome: Outcome::Ok,
            stratum: Some(3),
            offset_s: Some(offset),
            delay_s: Some(0.002),
            root_dispersion_s: Some(dispersion),
            error_bound_s: Some(offset.abs() + 0.001 + dispersion),
            ..SourceReport::default()
        }
    }

    fn declared(windows: bool) -> Source {
        let mut source = sample::host("l1").time.sources.remove(0);
        source.windows = windows;
        source
    }

    fn left(windows: bool, refid: &str, seen: &SourceReport) -> Option<u32> {
        let seen = SourceReport { refid: Some(refid.to_owned()), ..seen.clone() };
        polls_left(&sample::host("l1"), Some(&declared(windows)), &seen)
    }

    #[test]
    fn the_filter_of_a_server_that_has_just_started_fills_with_each_poll() {
        // 16 s x (2^-k - 2^-8), with 10 ms from above, against a limit of 100 ms.
        let after = |polls: i32| 16.0 * (2_f64.powi(-polls) - 2_f64.powi(-8)) + 0.01;
        let all: Vec<_> = (1..=7).map(|polls| left(true, "0A0A0A01", &seen(0.000_025, after(polls)))).collect();
        assert_eq!(all, [Some(7), Some(6), Some(5), Some(4), Some(3), Some(1), None]);
    }

    #[test]
    fn an_unknown_server_is_believed_to_settle_only_from_the_start() {
        assert_eq!(
            (left(false, "0A0A0A01", &seen(0.0, 7.8)), left(false, "0A0A0A01", &seen(0.0, 2.0))),
            (Some(7), None)
        );
    }

    #[test]
    fn a_foreign_server_that_never_falls_ends_in_a_verdict() {
        let heard = |reach: u8| SourceReport { reach: Some(reach), ..seen(0.0, 7.8) };
        assert_eq!((left(false, "0A0A0A01", &heard(0o377)), left(false, "0A0A0A01", &heard(0o177))), (None, Some(7)));
        // One that is managed is known to follow its source, and `windows: true` has no other meaning.
        let own = Source { host: Some("dc".to_owned()), ..declared(true) };
        let polls = |source: &Source| polls_left(&sample::host("l1"), Some(source), &heard(0o377));
        assert_eq!((polls(&own), polls(&declared(true))), (Some(7), None));
    }

    #[test]
    fn w32time_whose_own_filter_is_full_has_waited_long_enough() {
        use Prober::{Powershell, W32tm};
        let polls = |own: Option<f64>, host: Option<&str>, probe: Prober| {
            let mut spec = sample::host("l1");
            spec.time.sources =
                vec![Source { host: host.map(str::to_owned), address: "dc".to_owned(), ..declared(true) }];
            let seen = SourceReport { selected: true, probe: Some(probe), ..seen(0.0, 7.8) };
            let mut sources = [SourceReport { polls_left: Some(7), ..seen }];
            doubt(&spec, own, &mut sources);
            sources[0].polls_left
        };
        assert_eq!((polls(Some(7.9), None, Powershell), polls(Some(11.8), None, Powershell)), (None, Some(7)));
        // A host of the inventory is known to follow its source; w32tm shows what the service knows, and no more.
        assert_eq!((polls(Some(7.9), Some("dc"), Powershell), polls(Some(7.8), None, W32tm)), (Some(7), Some(7)));
        assert_eq!(polls(None, None, Powershell), Some(7));
    }

    #[test]
    fn what_does_not_fall_or_is_wrong_beside_it_is_no_such_bound() {
        for own in ["4c4f434c", "7f000001", "7f7f0101"] {
            assert_eq!(left(true, own, &seen(0.0, 7.8)), None, "{own}");
        }
        assert_eq!(left(true, "0A0A0A01", &seen(0.2, 7.8)), None);
        assert_eq!(left(true, "0A0A0A01", &seen(0.0, 16.1)), None);
        assert_eq!(left(true, "0A0A0A01", &SourceReport { stratum: Some(1), ..seen(0.0, 7.8) }), None);
        assert_eq!(
            left(true, "0A0A0A01", &SourceReport { outcome: Outcome::Kiss(Some(Kiss::Rate)), ..seen(0.0, 7.8) }),
            None
        );
    }

    /// What the host decides with `left` seconds to go.
    fn on_the_host(lines: &str, left: u32) -> bool {
        let mut spec = sample::host("l1");
        spec.time.sources = vec![declared(true)];
        let text = format!("fc_settles() {{\n{}\n}}\nfc_left={left} fc_seen='{lines}'\nfc_settles", shell(&spec));
        #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
        std::process::Command::new("dash").arg("-c").arg(text).status().unwrap().success()
    }

    #[test]
    fn the_host_stops_waiting_only_for_what_takes_longer() {
        let line = |stratum: u8, refid: &str, bound: u64, dispersion: u64| {
            format!(
                r#"{{"outcome":"ok","stratum":{stratum},"leap":0,"refid":"{refid}","root_delay_ns":7,"root_dispersion_ns":{dispersion},"error_bound_ns":{bound}}}"#
            )
        };
        let fresh = line(3, "0a0a0a01", 7_801_000_000, 7_800_000_000);
        let silent = r#"{"outcome":"timeout","source":"x"}"#;
        assert!(on_the_host(&format!("{silent}\n{fresh}"), 447) && !on_the_host(&fresh, 448));
        for (lines, why) in [
            (line(1, "4c4f434c", 10_000_000_000, 10_000_000_000), "its own clock"),
            (line(3, "7f000001", 7_801_000_000, 7_800_000_000), "an orphan"),
            (line(3, "7f7f0100", 7_801_000_000, 7_800_000_000), "its own clock by the driver"),
            (line(3, "0a0a0a01", 8_000_000_000, 7_800_000_000), "200 ms off"),
            (line(3, "0a0a0a01", 16_800_000_000, 16_800_000_000), "more than any filter"),
            (silent.to_owned(), "no answer"),
        ] {
            assert!(!on_the_host(&lines, 1), "{why}");
        }
    }

    #[test]
    fn whoever_gets_the_time_of_a_windows_host_announces_as_much() {
        let fleet = sample::fleet(
            "groups:
  top: { role: master, upstream: [{ address: 10.0.0.9, windows: true }, 10.0.0.8], serve: [10.0.0.0/8], hosts: { t: 10.0.0.1 } }
  middle: { role: master, follows: [top], serve: [10.0.0.0/8], hosts: { m: 10.0.0.2 } }
  low: { role: slave, follows: [middle], hosts: { l: 10.0.0.3 } }
  other: { role: slave, upstream: [10.0.0.8, { address: pool.example, pool: true }], hosts: { o: 10.0.0.4 } }",
        );
        let windows = |host: &HostSpec| host.time.sources.iter().map(|source| source.windows).collect::<Vec<_>>();
        assert_eq!(
            fleet.iter().map(windows).collect::<Vec<_>>(),
            [vec![true, false], vec![true], vec![true], vec![false, false]]
        );
        let marked = fleet.iter().map(marked).map(|spec| spec.as_ref().map(windows));
        assert_eq!(marked.collect::<Vec<_>>(), [Some(vec![true, true]), None, None, Some(vec![true, false])]);
        assert!(just_started(&[seen(0.0, 7.8)]) && !just_started(&[seen(0.0, 2.0), seen(0.0, 17.0)]));
    }

    #[test]
    fn it_says_how_long_it_takes() {
        let text = explain(&sample::host("l1"), &seen(0.000_025, 7.8), 7);
        assert!(
            text.starts_with(
                "bound still falling: 7.80 s to `dc`, of which 7.80 s is root dispersion, large after a start"
            ),
            "{text}"
        );
        assert!(text.contains("below the limit of 100 ms in about 7 polls (at least 7m 28s)"), "{text}");
        assert!(text.ends_with("The clock is off by +25 µs"), "{text}");
    }
}
