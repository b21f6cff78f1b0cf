//! What chrony.conf means in the words of the inventory.

use std::time::Duration;

use ipnet::IpNet;

use super::{Note, Said, Source, Step, finer};
use crate::config::meaning::{as_network, is_usual, takes_value};
use crate::config::{Directive, Language};

/// Reads the directives. What has no word goes under `extra`, as it is.
pub(super) fn read(directives: &[Directive]) -> Said {
    let mut said = Said { step: Some(Step::Never), ..Said::default() };
    for directive in directives {
        let words: Vec<&str> = directive.words.iter().map(String::as_str).collect();
        match directive.name.as_str() {
            // Their files are read in their places.
            "include" | "confdir" | "sourcedir" | "rtcsync" => {}
            "server" | "pool" => source(directive, &words, &mut said),
            "allow" | "deny" => access(directive, &words, &mut said),
            "makestep" => step(directive, &words, &mut said),
            "local" => local(directive, &words, &mut said),
            _ => said.extra.push(directive.clone()),
        }
    }
    finer::of_chrony(&mut said);
    said
}

fn source(directive: &Directive, words: &[&str], said: &mut Said) {
    let (source, lost) = source_of(Language::Chrony, directive.name == "pool", words);
    if let Some(source) = source {
        said.sources.push(source);
    }
    if !lost.is_empty() {
        said.notes.push(Note::at(directive, &format!("the inventory has no word for {}", super::draft::listed(&lost))));
    }
}

/// A source, and the options for which there is no word.
pub(super) fn source_of(language: Language, pool: bool, words: &[&str]) -> (Option<Source>, Vec<String>) {
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
            option => {
                let value = takes_value(option).then(|| options.next()).flatten().copied().unwrap_or_default();
                let said = format!("{option} {value}");
                source.finer.retain(|(key, _)| *key != option);
                match finer::of_source(language, option, value) {
                    _ if is_usual(&said) => {}
                    Some(finer) if pool || option != "maxsources" => source.finer.push(finer),
                    _ => lost.push(said.trim().to_owned()),
                }
            }
        }
    }
    (Some(source), lost)
}

/// Who may ask. The nearest network counts, of one network the last line, and `all` takes back what was said of
/// those within; the new file names all that may before all that may not.
fn access(directive: &Directive, words: &[&str], said: &mut Said) {
    let Some((networks, takes_back)) = networks(words) else { return said.extra.push(directive.clone()) };
    let over = |inner: &IpNet| networks.iter().any(|outer| outer == inner || takes_back && outer.contains(inner));
    said.serve.retain(|network| !over(network));
    said.extra.retain(|line| {
        let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
        let known = (line.name == "deny").then(|| self::networks(&words)).flatten();
        !known.is_some_and(|(networks, _)| networks.iter().all(over))
    });
    match (directive.name.as_str(), words) {
        ("allow", _) => said.serve.extend(networks),
        // Nobody may ask whom no line lets in.
        (_, [] | ["all"]) => {}
        (_, words) => {
            let words = words.iter().filter(|word| **word != "all").map(ToString::to_string).collect();
            said.extra.push(Directive { words, ..directive.clone() });
        }
    }
}

/// The networks of a line, and whether it has `all`.
fn networks(words: &[&str]) -> Option<(Vec<IpNet>, bool)> {
    let everybody = || ["0.0.0.0/0", "::/0"].iter().filter_map(|text| text.parse().ok()).collect();
    match words {
        [] => Some((everybody(), false)),
        ["all"] => Some((everybody(), true)),
        [word] => Some((vec![as_network(word)?], false)),
        ["all", word] => Some((vec![as_network(word)?], true)),
        _ => None,
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
