//! What ntp.conf of classic ntp and of ntpsec means in the words of the inventory.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::chrony::source_of;
use super::draft::listed;
use super::{Note, Said, Step, finer};
use crate::config::meaning::restricted;
use crate::config::{Directive, Language};

/// ntpd steps over this unless something is said.
const STEP: Duration = Duration::from_millis(128);
/// What `-x` makes of it.
const SLEWED: Duration = Duration::from_secs(600);

/// Reads the directives, and what the service was started with; `logdir` is where its logs are to stand.
pub(super) fn read(directives: &[Directive], arguments: &[String], logdir: &str) -> Said {
    let slewed = arguments.iter().any(|word| word == "-x" || word == "--slew");
    let over = if slewed { SLEWED } else { STEP };
    let mut said = Said { step: Some(Step::Over(over, Some(3))), open: true, ..Said::default() };
    for directive in directives {
        let words: Vec<&str> = directive.words.iter().map(String::as_str).collect();
        match (directive.name.as_str(), words.as_slice()) {
            ("includefile", _) => {}
            ("server" | "pool", _) => source(directive, &words, &mut said),
            ("fudge", [clock, ..]) if is_own_clock(clock) => fudge(&words, &mut said),
            ("restrict", _) => restrict(directive, &mut said),
            ("tinker", _) => tinker(directive, &words, &mut said),
            ("tos", _) => tos(directive, &words, &mut said),
            _ => said.extra.push(directive.clone()),
        }
    }
    finer::of_ntpd(&mut said, logdir);
    said
}

/// 127.127.1.x is the host's own clock, every other 127.127.x.x one that is attached to it.
fn is_own_clock(address: &str) -> bool {
    address.starts_with("127.127.1.")
}

fn source(directive: &Directive, words: &[&str], said: &mut Said) {
    let address = words.iter().find(|word| !word.starts_with('-')).copied().unwrap_or_default();
    if is_own_clock(address) {
        // The stratum of ntpd's own clock; `fudge` says another one.
        said.isolated.get_or_insert(5);
    } else if address.starts_with("127.127.") {
        said.extra.push(directive.clone());
    } else {
        let (source, lost) = source_of(Language::Ntp, directive.name == "pool", words);
        said.sources.extend(source);
        if !lost.is_empty() {
            said.notes.push(Note::at(directive, &format!("the inventory has no word for {}", listed(&lost))));
        }
    }
}

fn fudge(words: &[&str], said: &mut Said) {
    let stratum = words.windows(2).find(|pair| pair[0] == "stratum").and_then(|pair| pair[1].parse::<u8>().ok());
    if let Some(stratum) = stratum.filter(|stratum| (1..=15).contains(stratum)) {
        said.isolated = Some(stratum);
    }
}

/// Whom it lets ask. That it asks itself, and hears its sources, the new file says by itself.
fn restrict(directive: &Directive, said: &mut Said) {
    let (family, words) = match directive.words.split_first() {
        Some((first, rest)) if matches!(first.as_str(), "-4" | "-6") => (Some(first.as_str()), rest),
        _ => (None, directive.words.as_slice()),
    };
    let (whom, flags) = restricted(words);
    let shut = flags.iter().any(|flag| matches!(flag.as_str(), "ignore" | "noserve"));
    match whom.as_str() {
        "default" | "0.0.0.0/0" | "::/0" => said.open &= !shut || family == Some("-6"),
        "source" => {}
        network => match network.parse::<IpNet>() {
            Ok(net) if is_loopback(net.addr()) => {}
            Ok(_) if shut => said.extra.push(directive.clone()),
            Ok(net) => said.serve.push(net),
            Err(_) => said.extra.push(directive.clone()),
        },
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.is_loopback()
}

/// Pairs of a key and a value; what is no step goes under `extra`, as it is.
fn tinker(directive: &Directive, words: &[&str], said: &mut Said) {
    for pair in words.chunks(2) {
        let seconds = pair.get(1).and_then(|value| value.parse::<f64>().ok());
        match (pair.first().copied(), seconds) {
            (Some("step"), Some(0.0)) => said.step = Some(Step::Never),
            (Some("step"), Some(over)) if over > 0.0 => {
                said.step = Duration::try_from_secs_f64(over).ok().map(|over| Step::Over(over, Some(3)));
            }
            // A line of `extra` would say something else than `step`.
            (Some("step"), _) => said.notes.push(Note::at(directive, "not understood; look at `step`")),
            _ => said.extra.push(part(directive, pair)),
        }
    }
}

fn tos(directive: &Directive, words: &[&str], said: &mut Said) {
    for pair in words.chunks(2) {
        match pair {
            ["orphan", stratum] => {
                said.isolated = stratum.parse().ok().filter(|stratum| (1..=15).contains(stratum)).or(said.isolated);
            }
            _ => said.extra.push(part(directive, pair)),
        }
    }
}

/// The directive with one of its pairs.
fn part(directive: &Directive, pair: &[&str]) -> Directive {
    Directive { words: pair.iter().map(ToString::to_string).collect(), ..directive.clone() }
}
