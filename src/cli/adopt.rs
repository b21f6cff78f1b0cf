//! `adopt`: the inventory of a fleet that is there already.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::builder::PossibleValuesParser;
use serde::Serialize;

use super::run::Run;
use super::{Format, Global};
use crate::adopt::{self, Adopted, Host, Seen};
use crate::assets::Assets;
use crate::engine::adopt::adopt_all;
use crate::exit::{Exit, Hint};
use crate::files;
use crate::inventory::said::{connection, scalar};
use crate::inventory::{self, Fleet, HostSpec};
use crate::model::{HostReport, Verb};
use crate::report::{console, json};

/// Options of `adopt`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Hosts of the inventory, as --limit takes them, or addresses: `[USER@]ADDRESS[:PORT]`; all hosts of the inventory
    /// unless said
    #[arg(value_name = "HOST|ADDRESS")]
    hosts: Vec<String>,
    /// Where the new inventory is written; a file that is there is left as it is
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How to become root on the ADDRESSes (docs/become.md)
    #[arg(long = "become", value_name = "METHOD", value_parser = PossibleValuesParser::new(inventory::become_words()))]
    method: Option<String>,
}

/// The result, for programs.
#[derive(Serialize)]
struct Document<'a> {
    inventory: &'a str,
    notes: &'a [String],
    hosts: usize,
}

/// Reads the hosts, and writes what they do as an inventory.
pub(super) fn run(args: &Args, global: &Global) -> Result<Exit> {
    if let Some(path) = args.output.as_deref().filter(|path| path.exists()) {
        let error = anyhow!("`{}` is there already; it was left as it is", path.display());
        return Err(error.hint("`--output FILE` names another"));
    }
    let fleet = chosen(args, global)?;
    let global = global.whole();
    let run = Run::of(Verb::Adopt, &global, fleet)?;
    let read = run.watched(run.names(), |cx| adopt_all(run.hosts.clone(), run.forks, cx));
    let (reports, seen): (Vec<HostReport>, Vec<Seen>) = read.into_iter().unzip();
    let hosts = named(&run.hosts, seen);
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from("fleet.yml"));
    let adopted = adopt::adopt(&hosts, &Assets::new(run.assets.clone())?, &path);
    write(&adopted, args.output.as_deref(), &global)?;
    for note in &adopted.notes {
        console::error_line(note);
    }
    if let Some(path) = &args.output {
        let told = match adopted.hosts {
            0 => format!("no host could be taken over; `{}` was not written", path.display()),
            done => {
                let all = hosts.len();
                format!("`{0}` has {done} of {all} hosts; see `fleetclock -i {0} plan`", path.display())
            }
        };
        console::error_line(&told);
    }
    Ok(run.exit(&run.report(reports)))
}

fn write(adopted: &Adopted, output: Option<&Path>, global: &Global) -> Result<()> {
    // A file without a host would only be in the way of the next try.
    if let Some(path) = output.filter(|_| adopted.hosts > 0) {
        files::write_with(path, adopted.text.as_bytes(), 0o666 & !files::mask())
            .with_context(|| format!("write `{}`", path.display()))?;
    }
    match global.format {
        Format::Json => {
            let Adopted { text, notes, hosts } = adopted;
            console::print(&json::document(&Document { inventory: text, notes, hosts: *hosts }))
        }
        Format::Human if output.is_none() => console::print(&adopted.text),
        Format::Human => Ok(()),
    }
}

/// The hosts that are meant: those of the inventory, and those that only their address names.
fn chosen(args: &Args, global: &Global) -> Result<Fleet> {
    if args.hosts.is_empty() || global.limit.is_some() {
        let fleet = global.with_hosts(&args.hosts)?.fleet()?;
        let hosts = global.with_hosts(&args.hosts)?.pick(fleet.clone())?;
        return Ok(Fleet { hosts, ..fleet });
    }
    let known = global.inventory.exists().then(|| global.fleet()).transpose()?;
    let is_known = |word: &&String| {
        let named =
            |fleet: &Fleet| fleet.groups.contains_key(*word) || fleet.hosts.iter().any(|host| host.name == **word);
        known
            .as_ref()
            .is_some_and(|fleet| named(fleet) || word.contains(['*', '?', '!', '&', ',']) || word.starts_with('@'))
    };
    let (patterns, addresses): (Vec<String>, Vec<String>) =
        args.hosts.iter().cloned().partition(|word| is_known(&word));
    let mut hosts = match known {
        Some(fleet) if !patterns.is_empty() => global.with_hosts(&patterns)?.pick(fleet)?,
        _ => Vec::new(),
    };
    let reached = by_address(&addresses, args.method.as_deref())?;
    hosts.extend(
        reached
            .hosts
            .iter()
            .filter(|host| !hosts.iter().any(|known| known.name == host.name))
            .cloned()
            .collect::<Vec<_>>(),
    );
    Ok(Fleet { hosts, ..reached })
}

/// Hosts of which only the address is known. What they shall be is not said by anybody yet: any role does for reading.
fn by_address(addresses: &[String], method: Option<&str>) -> Result<Fleet> {
    let parse = |text: &str| inventory::parse(Path::new("the command line"), text);
    let mut all = parse("hosts: { none: { role: master, isolated: true } }\n")?;
    all.hosts.clear();
    for word in addresses {
        let one = parse(&format!("hosts:\n{}", line(word, method)?)).map_err(|mistakes| {
            // Its places are those of a text that nobody has written.
            anyhow!(
                "`{word}`: {}",
                mistakes.reports().into_iter().next().map(|mistake| mistake.message).unwrap_or_default()
            )
            .hint("an address is `[USER@]ADDRESS[:PORT]`; hosts of an inventory need its file (`-i FILE`)")
        })?;
        if one.hosts.iter().any(|host| all.hosts.iter().any(|known| known.name == host.name)) {
            bail!("`{word}` is named twice");
        }
        all.hosts.extend(one.hosts);
    }
    Ok(all)
}

fn line(word: &str, method: Option<&str>) -> Result<String> {
    let (user, rest) = word.rsplit_once('@').map_or((None, word), |(user, rest)| (Some(user), rest));
    let (address, port) = split_port(rest);
    if address.is_empty() {
        bail!("`{word}` names no address");
    }
    let mut ssh: Vec<String> = user.map(|user| format!("user: {}", scalar(user))).into_iter().collect();
    if let Some(port) = port {
        let port: u16 = port.parse().map_err(|_| anyhow!("`{word}`: `{port}` is no port"))?;
        ssh.push(format!("port: {port}"));
    }
    ssh.extend(method.map(|method| format!("become: {}", scalar(method))));
    let name = address.replace(':', "-");
    let name = if name.starts_with('-') { format!("h{name}") } else { name };
    let how = if ssh.is_empty() { String::new() } else { format!(", ssh: {{ {} }}", ssh.join(", ")) };
    Ok(format!("  {}: {{ role: master, isolated: true, address: {}{how} }}\n", scalar(&name), scalar(address)))
}

/// `HOST:PORT`, `[ADDRESS]:PORT`, an address alone.
fn split_port(rest: &str) -> (&str, Option<&str>) {
    if let Some((address, port)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, port.strip_prefix(':'));
    }
    match rest.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (rest, None),
    }
}

/// Gives each host its name: one that was reached by a number is called as it calls itself, if that is a name and no
/// other one is called so.
fn named(specs: &[HostSpec], seen: Vec<Seen>) -> Vec<Host> {
    let own = |spec: &HostSpec, seen: &Seen| match seen {
        Seen::Linux(linux) if is_number(spec) => {
            let short = linux.facts.hostname.split('.').next()?;
            inventory::not_an_address(short).is_none().then(|| short.to_owned())
        }
        _ => None,
    };
    let names: Vec<String> =
        specs.iter().zip(&seen).map(|(spec, seen)| own(spec, seen).unwrap_or_else(|| spec.name.clone())).collect();
    let alone = |name: &String| names.iter().filter(|other| *other == name).count() == 1 && !name.is_empty();
    specs
        .iter()
        .zip(seen)
        .zip(&names)
        .map(|((spec, seen), name)| Host {
            name: if alone(name) { name.clone() } else { spec.name.clone() },
            address: spec.address.clone(),
            connection: connection(&spec.connection),
            seen,
        })
        .collect()
}

/// Whether nobody has named it yet.
fn is_number(spec: &HostSpec) -> bool {
    spec.name.replace('-', ":").parse::<std::net::IpAddr>().is_ok() || spec.name.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Vec<String>, String> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let fleet = by_address(&words, Some("sudo")).map_err(|error| error.to_string())?;
        Ok(fleet.hosts.iter().map(|host| format!("{} {}", host.name, host.address)).collect())
    }

    #[test]
    fn addresses_are_read_or_refused_by_the_word_that_was_given() {
        let read_well = ["10.0.0.1 10.0.0.1", "fd00--1 fd00::1", "db1.example db1.example"];
        assert_eq!(read(&["10.0.0.1", "ops@[fd00::1]:2222", "db1.example"]).unwrap(), read_well);
        assert!(read(&[]).unwrap().is_empty());
        for (words, why) in [
            (&["ops@"][..], "`ops@` names no address"),
            (&["10.0.0.1", "10.0.0.1:22"], "`10.0.0.1:22` is named twice"),
            (&["10.0.0.1:x"], "`10.0.0.1:x`: `x` is no port"),
            (&["a b"], "`a b`: `a b` is not a valid name of a host"),
        ] {
            let said = read(words).unwrap_err();
            assert!(said.starts_with(why) && !said.contains("the command line"), "{said}");
        }
    }
}
