//! `init`: an inventory to start from.

use std::fs::OpenOptions;
use std::io::{ErrorKind, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};

use super::Global;
use crate::exit::{Exit, Hint};
use crate::import::{self, Format, Source};
use crate::inventory;
use crate::lang::say;
use crate::report::console;
use crate::text::number::count;

/// The two examples.
const MINIMAL: &str = include_str!("../../examples/minimal.yml");
const AIRGAP: &str = include_str!("../../examples/airgap.yml");

/// Options of `init`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write the example of a network without any outside time
    #[arg(long)]
    airgap: bool,
    /// Make it out of what is there already: PATH is read, nothing is run and no host contacted
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with = "airgap")]
    from: Option<From>,
    /// What --from reads; of ssh-config and known_hosts your own, unless said
    #[arg(value_name = "PATH", requires = "from")]
    path: Option<PathBuf>,
    /// Who the time masters are: a group of what is read, or names of hosts, comma separated
    #[arg(long, value_name = "GROUP", value_delimiter = ',', requires = "from")]
    masters: Vec<String>,
    /// Write this file, and not that of --inventory; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What an inventory can be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum From {
    /// An inventory of Ansible: a file, a folder, or the JSON of `ansible-inventory --list`
    Ansible,
    /// The hosts of an ssh_config
    SshConfig,
    /// A table with name, address, role
    Csv,
    /// The hosts whose keys are known
    #[value(name = "known_hosts")]
    KnownHosts,
}

/// Writes the file, and replaces none.
pub(super) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let path = args.output.as_ref().unwrap_or(&global.inventory);
    let Some(from) = args.from else {
        write(path, if args.airgap { AIRGAP } else { MINIMAL })?;
        if path == Path::new("-") {
            return Ok(Exit::Ok);
        }
        return said(path, "is written; edit it, then see `fleetclock plan`");
    };
    if path.exists() {
        return Err(there_already(path));
    }
    let source = import::read(from.format(), &from.path(args)?)?;
    let masters = masters(args, &source)?;
    let imported = source.convert(&masters, &head(args, from, &masters))?;
    // What is printed may be looked at with its mistakes; a file has none.
    if path == Path::new("-") {
        console::print(&imported.text)?;
    }
    let fleet = inventory::parse(path, &imported.text).map_err(|mistakes| {
        let error = anyhow::Error::new(mistakes).context("what came out has mistakes, and was not written");
        error.hint("`--output -` prints it, with the places of the mistakes")
    })?;
    if path == Path::new("-") {
        return Ok(Exit::Ok);
    }
    write(path, &imported.text)?;
    let masters = fleet.hosts.iter().filter(|host| host.role == inventory::spec::Role::Master).count();
    let notes = match imported.notes.len() {
        0 => String::new(),
        notes => format!("; {} at its beginning", count(notes, "note")),
    };
    let (hosts, masters) = (count(imported.hosts, "host"), count(masters, "master"));
    said(path, &format!("is written: {hosts} with {masters}{notes}. Read it, then see `fleetclock plan`"))
}

fn said(path: &Path, what: &str) -> Result<Exit> {
    console::print(&say(&format!("`{}` {what}\n", path.display())))?;
    Ok(Exit::Ok)
}

fn there_already(path: &Path) -> anyhow::Error {
    anyhow!("`{}` is there already; it was left as it is", path.display()).hint("`-i FILE` writes another")
}

fn write(path: &Path, text: &str) -> Result<()> {
    if path == Path::new("-") {
        return console::print(text);
    }
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(there_already(path)),
        opened => opened.with_context(|| format!("write `{}`", path.display()))?,
    };
    file.write_all(text.as_bytes()).with_context(|| format!("write `{}`", path.display()))
}

impl From {
    fn format(self) -> Format {
        match self {
            From::Ansible => Format::Ansible,
            From::SshConfig => Format::SshConfig,
            From::Csv => Format::Csv,
            From::KnownHosts => Format::KnownHosts,
        }
    }

    fn word(self) -> String {
        use clap::ValueEnum as _;
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// The file that is meant.
    fn path(self, args: &Args) -> Result<PathBuf> {
        let own = match self {
            From::SshConfig => Some(".ssh/config"),
            From::KnownHosts => Some(".ssh/known_hosts"),
            From::Ansible | From::Csv => None,
        };
        let own = own.and_then(|name| Some(std::env::home_dir()?.join(name)));
        args.path.clone().or(own).ok_or_else(|| {
            anyhow!("`--from {}` reads a file, and none is named", self.word()).hint("write its PATH behind it")
        })
    }
}

/// Who the masters are: as said, else as the file says, else as is answered.
fn masters(args: &Args, source: &Source) -> Result<Vec<String>> {
    if !args.masters.is_empty() || source.names_masters() {
        return Ok(args.masters.clone());
    }
    let candidates: Vec<String> = source
        .candidates()
        .into_iter()
        .map(|(name, size)| if size == 1 { name } else { format!("{name} ({size} hosts)") })
        .collect();
    if !std::io::stdin().is_terminal() {
        let error = anyhow!("who the time masters are has to be asked for, and there is no terminal");
        let shown =
            candidates.get(..MOST_SHOWN).map_or(candidates.join(", "), |first| format!("{}, ...", first.join(", ")));
        return Err(error.hint(&format!("--masters GROUP, or names of hosts, comma separated; there are: {shown}")));
    }
    let answer = console::ask(&format!("Which of these are the time masters? {}:", candidates.join(", ")))?;
    Ok(answer.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect())
}

/// More groups than this are not listed in an error.
const MOST_SHOWN: usize = 40;

/// The first lines of the file.
fn head(args: &Args, from: From, masters: &[String]) -> Vec<String> {
    let path = args.path.as_ref().map_or(String::new(), |path| format!(" {}", path.display()));
    let masters = if masters.is_empty() { String::new() } else { format!(" --masters {}", masters.join(",")) };
    vec![format!(
        "Made by `fleetclock init --from {}{path}{masters}`. Each host has what that says of it; what hosts have in \
         common is said once. Passwords were not copied. `fleetclock inventory validate` finds mistakes.",
        from.word()
    )]
}
