//! What chrony.conf means in the words of the inventory.

use std::time::Duration;

use ipnet::IpNet;

use super::{Note, Said, Source, Step};
use crate::config::Directive;
use crate::config::meaning::as_network;

/// Reads the directives. What has no word goes under `extra`, as it is.
pub(super) fn read(directives: &[Directive]) -> Said {
    let mut said = Said { step: Some(Step::Never), ..Said::default() };
    for directive in directives {
        let words: Vec<&str> = directive.words.iter().map(String::as_str).collect();
        match directive.name.as_str() {
            // Their files are read in their places.
            "include" | "confdir" | "sourcedir" | "rtcsync" => {}
            "server" | "pool" => source(directive, &words, &mut said),
            "allow" => allow(directive, &words, &mut said),
            "makestep" => step(directive, &words, &mut said),
            "local" => local(directive, &words, &mut said),
            _ => said.extra.push(directive.clone()),
        }
    }
    said
}

fn source(directive: &Directive, words: &[&str], said: &mut Said) {
    let (source, lost) = source_of(directive.name == "pool", words);
    if let Some(source) = source {
        said.sources.push(source);
    }
    if !lost.is_empty() {
        said.notes.push(Note::at(directive, &format!("the inventory has no word for {}", super::draft::listed(&lost))));
    }
}

/// A source, and the options for which there is no word.
pub(super) fn source_of(pool: bool, words: &[&str]) -> (Option<Source>, Vec<String>) {
    let family = words.first().filter(|word| matches!(**word, "-4" | "-6"));
    let mut lost: Vec<String> = family.map(|family| (*family).to_owned()).into_iter().collect();
    let Some((address, options)) = words.get(usize::from(family.is_some())..).and_then(<[&str]>::split_first) else {
        return (None, lost);
    };
    let mut source = Source { pool, ..Source::new(address) };
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match *option {
            "iburst" => source.iburst = true,
            "prefer" => source.prefer = true,
            "minpoll" | "maxpoll" => {
                let value = options.next().and_then(|value| value.parse::<i8>().ok());
                // What the service does by itself is not worth a word.
                let poll = value.filter(|value| *value != if *option == "minpoll" { 6 } else { 10 });
                if *option == "minpoll" { source.minpoll = poll } else { source.maxpoll = poll }
            }
            flag if FLAGS.contains(&flag) => lost.push(flag.to_owned()),
            option => {
                let value = options.next().copied().unwrap_or_default();
                if !is_default(option, value) {
                    lost.push(format!("{option} {value}").trim().to_owned());
                }
            }
        }
    }
    (Some(source), lost)
}

/// Options without a value.
const FLAGS: &[&str] = &[
    "auto_offline",
    "autokey",
    "burst",
    "copy",
    "noselect",
    "nts",
    "offline",
    "preempt",
    "require",
    "trust",
    "true",
    "xleave",
];

fn is_default(option: &str, value: &str) -> bool {
    matches!((option, value), ("maxsources" | "version", "4") | ("port", "123"))
}

fn allow(directive: &Directive, words: &[&str], said: &mut Said) {
    let all = || ["0.0.0.0/0", "::/0"].iter().filter_map(|text| text.parse::<IpNet>().ok());
    match words {
        [] | ["all"] => said.serve.extend(all()),
        [word] | ["all", word] => match as_network(word) {
            Some(network) => said.serve.push(network),
            None => said.extra.push(directive.clone()),
        },
        _ => said.extra.push(directive.clone()),
    }
}

fn step(directive: &Directive, words: &[&str], said: &mut Said) {
    let read = match words {
        [over, updates] => over.parse::<f64>().ok().zip(updates.parse::<i64>().ok()),
        _ => None,
    };
    let over = read.and_then(|(over, _)| Duration::try_from_secs_f64(over).ok()).filter(|over| !over.is_zero());
    match (over, read.map(|(_, updates)| updates)) {
        (_, Some(0)) => said.step = Some(Step::Never),
        (Some(over), Some(updates)) if updates < 0 => said.step = Some(Step::Over(over, None)),
        (Some(over), Some(updates)) if updates <= 1000 => {
            said.step = Some(Step::Over(over, u32::try_from(updates).ok()));
        }
        // A line of `extra` would say something else than `step`.
        _ => said.notes.push(Note::at(directive, "not understood; look at `step`")),
    }
}

/// `orphan` is what a master on its own clock does here; every other word has none.
fn local(directive: &Directive, words: &[&str], said: &mut Said) {
    let stratum = words.windows(2).find(|pair| pair[0] == "stratum").and_then(|pair| pair[1].parse().ok());
    said.isolated = Some(stratum.filter(|stratum| (1..=15).contains(stratum)).unwrap_or(10));
    let known = |word: &&str| matches!(*word, "stratum" | "orphan") || word.parse::<u8>().is_ok();
    if !words.iter().all(known) {
        said.notes.push(Note::at(directive, "`isolated` has its stratum alone"));
    }
}
