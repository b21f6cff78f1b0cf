//! What one host becomes, before the others are looked at.

use std::borrow::Cow;
use std::net::IpAddr;

use super::read::{Found, Linux, Service};
use super::{Host, Note, Said, Seen, Source, chrony, ntp, others, tells, windows};
use crate::config::{Directive, Files};
use crate::provider;
use crate::text::hide::telling;

/// A host of the new file.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) connection: Vec<(String, String)>,
    /// Other names by which it may be known.
    pub(super) names: Vec<String>,
    /// Its own addresses.
    pub(super) addresses: Vec<IpAddr>,
    /// Who asks it.
    pub(super) clients: Vec<IpAddr>,
    pub(super) said: Said,
    /// Where others ask it, where that is not its address.
    pub(super) time_address: Option<String>,
    /// The hosts of the new file that it follows, by their places, and how.
    pub(super) follows: Vec<(usize, Source)>,
    /// Its other sources.
    pub(super) upstream: Vec<Source>,
    pub(super) master: bool,
}

/// Returns what becomes of each host; and, with the reason, those that are left out.
pub(super) fn drafts(hosts: &[Host]) -> (Vec<Draft>, Vec<(String, String)>) {
    let (mut drafts, mut out) = (Vec::new(), Vec::new());
    for host in hosts {
        match draft(host) {
            Ok(draft) => drafts.push(draft),
            Err(why) => out.push((host.name.clone(), why)),
        }
    }
    (drafts, out)
}

fn draft(host: &Host) -> Result<Draft, String> {
    let blank = Draft {
        name: host.name.clone(),
        address: host.address.clone(),
        connection: host.connection.clone(),
        ..Draft::default()
    };
    match &host.seen {
        Seen::Not(why) => Err(why.clone()),
        Seen::Windows(facts) => Ok(Draft { said: windows::read(facts)?, ..blank }),
        Seen::Linux(linux) => {
            let own = &linux.facts.hostname;
            let short = own.split('.').next().unwrap_or(own);
            Ok(Draft {
                names: [own.as_str(), short].iter().filter(|name| !name.is_empty()).map(ToString::to_string).collect(),
                addresses: linux.facts.addresses.iter().copied().filter(tells).collect(),
                clients: linux.clients.clone(),
                said: linux_said(linux)?,
                ..blank
            })
        }
    }
}

fn linux_said(linux: &Linux) -> Result<Said, String> {
    let Some(found) = linux.service() else { return Err("it has no time service".to_owned()) };
    let directives = found.directives(&linux.files);
    let layout = provider::ALL.iter().find(|one| one.name() == found.name).map(|one| one.layout(&linux.facts));
    let logdir = layout.as_ref().map_or("", |layout| layout.logdir);
    let mut said = match found.service {
        Service::Chrony => chrony::read(&directives),
        Service::Ntpd => ntp::read(&directives, found.arguments, logdir),
        Service::Openntpd => others::openntpd(&directives),
        Service::NtpdRs => others::ntpd_rs(&directives),
        Service::Timesyncd => others::timesyncd(&directives, &linux.told, keeps(linux, found.name)),
    };
    said.no_clock = found.service == Service::Chrony && found.arguments.iter().any(|word| word == "-x");
    if let Some(layout) = &layout {
        // Lines that the new file has by itself.
        let usual = [format!("driftfile {}", layout.driftfile), format!("logdir {}", layout.logdir)];
        said.extra.retain(|directive| !usual.contains(&directive.text()));
    }
    hide(&mut said);
    notes(&found, &directives, &linux.files, &mut said);
    if said.sources.is_empty() && said.isolated.is_none() {
        alone(&found, &mut said)?;
    }
    Ok(said)
}

/// The service by its name in the inventory, if it is new enough to be managed.
fn keeps(linux: &Linux, name: &str) -> Option<&'static str> {
    let provider = provider::ALL.iter().find(|provider| provider.name() == name)?;
    let old = provider.floor(&linux.facts).is_some_and(|floor| linux.facts.lacks.contains(&floor));
    (!old).then(|| provider.name())
}

/// A line with a secret (`crypto pw`) is named, and not copied.
fn hide(said: &mut Said) {
    let (open, secret): (Vec<Directive>, Vec<Directive>) =
        std::mem::take(&mut said.extra).into_iter().partition(|line| matches!(telling(&line.text()), Cow::Borrowed(_)));
    said.extra = open;
    let what = "a secret does not belong in an inventory; a template of your own says it, from a secret of `vars`";
    said.notes.extend(secret.iter().map(|line| Note::at(line, what)));
}

/// What is to be known of the service beside its lines.
fn notes(found: &Found<'_>, directives: &[Directive], files: &Files, said: &mut Said) {
    for directive in directives.iter().filter(|directive| directive.includes()) {
        said.notes.push(Note::at(
            directive,
            match files.has_all(directive) {
                true => "what it names was read in its place, and the new file is one file",
                false => "what it names could not be read, and goes: the new file is one file",
            },
        ));
    }
    if !found.beside.is_empty() {
        said.notes.push(Note::of_host(format!(
            "{} runs beside {}: `plan` stops it",
            listed_words(&found.beside),
            found.name
        )));
    }
    if let Some(file) = found.file.as_deref().filter(|file| !found.standard.contains(file)) {
        said.notes
            .push(Note::of_host(format!("its {} loads {file}: `plan` says what to change in its unit", found.name)));
    }
}

/// A host without a server: one with a clock of its own goes by that, every other has nothing to be adopted.
fn alone(found: &Found<'_>, said: &mut Said) -> Result<(), String> {
    let clock = |directive: &&Directive| match directive.name.as_str() {
        "refclock" => true,
        "server" => directive.words.first().is_some_and(|word| word.starts_with("127.127.")),
        _ => false,
    };
    let Some(clock) = said.extra.iter().find(clock) else {
        let file = found.file.as_deref().unwrap_or("its configuration");
        return Err(format!("{file} of {} names no source that is left to it", found.name));
    };
    said.notes.push(Note::at(clock, "the host goes by a clock of its own, which is what `isolated` is for"));
    said.isolated = Some(10);
    Ok(())
}

/// Several words as a list in a sentence.
pub(super) fn listed(words: &[String]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn listed_words(words: &[&str]) -> String {
    words.join(" and ")
}
