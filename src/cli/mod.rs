//! The command line: what every verb takes, and one file for each verb.

mod adopt;
mod apply;
mod assets;
mod change;
mod check;
mod completions;
mod consent;
mod doctor;
mod facts;
mod fail_on;
mod fix;
mod history;
mod init;
mod interrupt;
mod inventory;
mod limit;
mod limits;
mod man;
mod permit;
mod plan;
mod probe;
mod providers;
mod refused;
mod render;
mod report;
mod reports;
mod rights;
mod rollout;
mod run;
mod shard;
mod since;
mod suggest;
mod trust;
mod undo;
mod verify;
mod watch;

pub use refused::start;
pub use suggest::answer_shell;

use std::path::PathBuf;

use anyhow::Result;
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit::{Exit, Hint};
use crate::inventory::{Fleet, HostSpec};
use crate::lang;
use crate::report::console;

/// Make every clock of a fleet follow the masters of one inventory, and prove it
///
/// fleetclock reads one YAML file that names the time masters and those who follow them, shows
/// what has to change on each host (`plan`), changes it over SSH (`apply`), and lets each host
/// measure its sources itself (`verify`). Nothing is installed on a host but the time service.
#[derive(Debug, Parser)]
#[command(name = "fleetclock", version, max_term_width = 100, after_help = START, after_long_help = CODES)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const START: &str = "\
Start with `fleetclock init`, edit fleet.yml, then `fleetclock plan` and `fleetclock apply`.";

const CODES: &str = "\
Start with `fleetclock init`, edit fleet.yml, then `fleetclock plan` and `fleetclock apply`.

Results go to standard output, everything else to standard error.

Exit codes, where several hold the first of 1, 5, 3, 4; `--fail-on` chooses which of them count:
  0    nothing to do, or done and verified
  1    a host failed
  2    command line, inventory or playbook wrong; no host was contacted
  3    changes are pending (`check`, and `plan --exit-code`), or were not agreed to
  4    nothing else is wrong, but a host was unreachable
  5    configured as wanted, but a clock is outside its limits
  130  interrupted";

/// What every verb takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// The inventory: a file, a folder of files, or a program that prints it
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        default_value = "fleet.yml",
        env = "FLEETCLOCK_INVENTORY",
        hide_env_values = true
    )]
    inventory: PathBuf,
    /// Only these hosts, comma separated: names, groups, `web*`, `web[01:20]`, `!not-this`, `&also-this`, `@FILE`,
    /// `@last-failed`, `@last-drifted`
    #[arg(short, long, global = true, value_name = "PATTERN", allow_hyphen_values = true, add = suggest::pattern())]
    limit: Option<String>,
    /// Only the hosts of this role; `server` and `client` are the same words
    #[arg(long, global = true, value_name = "ROLE", value_enum)]
    role: Option<limit::RoleWord>,
    /// Only this part of those hosts, for several jobs that share the work: `2/8` is the second of eight; `auto` reads it
    /// from the environment of GitLab CI or Slurm, `auto/8` also from that of Kubernetes, Nomad and GNU parallel
    #[arg(long, global = true, value_name = "K/N", env = "FLEETCLOCK_SHARD", hide_env_values = true)]
    shard: Option<shard::Choice>,
    /// Hosts worked on at a time; where hosts are only read, those that say nothing are waited for beside them
    #[arg(long, global = true, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    forks: u16,
    /// A folder with playbooks/ and templates/ that replace the embedded ones
    #[arg(long, global = true, value_name = "DIR")]
    assets: Option<PathBuf>,
    /// How the result is printed: for people, or as the JSON of docs/report.md
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t = Format::Human)]
    format: Format,
    /// The language of what people read, instead of that of the environment (LC_ALL, LC_MESSAGES, LANG)
    #[arg(long, global = true, value_name = "LANGUAGE", value_parser = PossibleValuesParser::new(lang::codes()))]
    lang: Option<String>,
    /// When colours are used; `auto` is on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    color: Color,
    /// Say every phase of every host, and each script that is sent to it; secrets are hidden
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
    /// Say only the result
    #[arg(short, long, global = true)]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write an inventory to start from
    ///
    /// Writes an example to fleet.yml, or to the file of --inventory. With --from, makes it out of an
    /// inventory of Ansible, an ssh_config, a table or a known_hosts: what could not be taken over stands
    /// in the new file as a comment, with the line that says it. A file that is there already is left as
    /// it is.
    #[command(
        after_help = "Examples:\n  fleetclock init\n  fleetclock init --from ansible inventory/ --masters ntp_servers\n  fleetclock init --from csv hosts.csv --output fleet.yml"
    )]
    Init(init::Args),
    /// Write the inventory of hosts that are configured already
    ///
    /// Reads what chrony, ntpd, ntpsec, systemd-timesyncd, openntpd, ntpd-rs or W32Time of each host is
    /// configured to do, and who asks it, and writes the inventory that would produce it: hosts that are
    /// followed are masters, other sources are upstream, lines without a word in the inventory are kept
    /// under `extra`. What `plan` will show all the same is said in comments and on standard error.
    /// Changes nothing on a host, and replaces no file.
    #[command(
        after_help = "Examples:\n  fleetclock adopt 10.10.10.1 10.10.10.2 ops@db.example --become sudo --output fleet.yml\n  fleetclock -i fleet.yml adopt web1 --output web1.yml"
    )]
    Adopt(adopt::Args),
    /// Show what would change, and change nothing
    ///
    /// Connects to each host, reads, and compares: packages (with those that would be removed),
    /// the diff of each file, services, firewall, competing time services, and what the change
    /// would do to the clock. Hosts that need the same are shown once. Secrets are hidden.
    #[command(after_help = "Examples:\n  fleetclock plan\n  fleetclock plan -l 'web*,!web07' --exit-code")]
    Plan(plan::Args),
    /// Change the hosts to what the inventory says, and prove it
    ///
    /// Shows the plan and asks. Masters first; a host that follows others is changed only when
    /// it gets time from one of them. Afterwards the same questions are asked again, and the
    /// host has to prove its clock. What fails is rolled back, and the report says so.
    #[command(
        after_help = "Examples:\n  fleetclock apply -l masters\n  fleetclock apply --yes --format json > report.json"
    )]
    Apply(apply::Args),
    /// Take back the newest run of the fleet, or the one that is named
    ///
    /// Each host keeps its last five runs: files with their rights, states of services, firewall
    /// rules. Without a name, the newest run of all hosts that was not taken back yet is shown and,
    /// after a question, put back on the hosts that it changed; the others are listed and left.
    /// Again takes back the run before it. Where the newest run has changed a host that does not answer
    /// or was not chosen, nothing is taken back. RUN takes back that run where nothing was changed after
    /// it; HOST takes back the last run of each host that is named. A `command` step is taken back
    /// if it has an `undo`.
    #[command(
        after_help = "Examples:\n  fleetclock undo\n  fleetclock undo server2\n  fleetclock undo 20261125T063732693813Z --yes"
    )]
    Undo(undo::Args),
    /// List the runs that changed something, and show them
    ///
    /// Every `apply` and `undo` leaves a record in $XDG_STATE_HOME/fleetclock/runs (or below
    /// ~/.local/state): who, when, which command, how each host ended and how long it took. Those of
    /// the inventory are listed, with --all those of every inventory.
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Examples:\n  fleetclock history\n  fleetclock history --all\n  fleetclock history show --format json"
    )]
    History(history::Args),
    /// Replace the known key of a host that was installed anew
    ///
    /// Shows the key that the host is known by and the one that it shows now, and asks. Then only
    /// the entry of this host in known_hosts is replaced; `apply -l HOST` brings the host back.
    #[command(
        after_help = "Examples:\n  fleetclock trust server2\n  fleetclock trust server2 --fingerprint SHA256:8XYOVBgsBdJVXuKxbqVLZuSlsIr+ixd2gYyK0QqWlo4"
    )]
    Trust(trust::Args),
    /// Tell whether a host differs from the inventory
    ///
    /// As `plan`, but asks no clock, and exits with 3 when a host differs: for a nightly job or CI.
    #[command(after_help = "Examples:\n  fleetclock check -q || mail -s 'time configuration drifted' ops")]
    Check(check::Args),
    /// Prove the clocks: each host measures each of its sources
    ///
    /// The host itself asks its sources, waits up to its deadline for its limits to be met, and
    /// is judged by the source that its time service follows. The measure is the error bound,
    /// |offset| + delay/2 + root delay/2 + root dispersion, against `limits.max_error`. Exits
    /// with 5 when a clock is outside.
    ///
    /// With --watch each host measures in rounds: a strip chart of each on a terminal, a line of
    /// each and round elsewhere, JSON of one line for each round. A summary ends it; a host counts
    /// in the exit code as it was in its worst round.
    #[command(
        after_help = "Examples:\n  fleetclock verify\n  fleetclock verify -l db --deadline 2m\n  fleetclock verify --watch --for 10m --every 10s"
    )]
    Verify(verify::Args),
    /// Find out why a clock does not follow
    ///
    /// Looks at the hosts, at those of their sources that are in the inventory, and at the way
    /// between them; says what is wrong, how that was seen, and how it is put right. Reads only.
    /// docs/findings.md explains each code. Exits with 5 when a host is not well.
    ///
    /// With --fix, what is configuration is planned as `plan` does, only on the chosen hosts that
    /// have such a finding, shown, and after a question changed and proven as by `apply`. Then it
    /// looks again. The rest (networks, routers, keys, hypervisors) is left to people.
    #[command(
        after_help = "Examples:\n  fleetclock doctor web3\n  fleetclock doctor --fix -l slaves\n  fleetclock doctor --format json | jq '.hosts[].findings[]'"
    )]
    Doctor(doctor::Args),
    /// Show what is known of the hosts
    ///
    /// System, time packages and services, firewall and clock, as they are.
    Facts,
    /// Show what each time service can do; contact no host
    ///
    /// What an inventory may ask of each, and the version that brought it. An inventory that names a service
    /// (`provider`) and asks for what that cannot do is refused with line and column.
    Providers,
    /// Ask NTP servers for the time, from this machine
    ///
    /// Asks each address of each server until it has a good answer, with two seconds between two
    /// questions, as servers that limit the rate want it. Needs neither root nor a time service.
    /// Exits with 1 when a server has no usable answer.
    #[command(
        after_help = "Examples:\n  fleetclock probe time.bora.net 10.10.10.1\n  fleetclock probe --samples 4 --timeout 500ms [2001:db8::1]:123"
    )]
    Probe(probe::Args),
    /// Show, convert, compare and join the reports of older runs; contact no host
    ///
    /// A report is the JSON that `--report json` writes and `--format json` prints.
    #[command(
        subcommand,
        after_help = "Examples:\n  fleetclock report show fleetclock.json --report markdown\n  fleetclock report diff yesterday.json today.json"
    )]
    Report(report::Verb),
    /// Check, show or draw the inventory; contact no host
    #[command(subcommand)]
    Inventory(inventory::Verb),
    /// Print a host's configuration files as they shall be; contact no host
    ///
    /// What only the host knows (its system, its active time service) is assumed as told.
    #[command(
        after_help = "Examples:\n  fleetclock render server1\n  fleetclock render server3 ntp.conf.j2 --family redhat"
    )]
    Render(render::Args),
    /// List, show or write out the embedded playbooks and templates
    #[command(subcommand)]
    Assets(assets::Verb),
    /// Print the completions of a shell
    ///
    /// The shell reads them from a folder of its own, and asks this program for what it does not know: hosts
    /// and groups of the inventory, runs, playbooks and templates.
    #[command(
        after_help = "Examples:\n  fleetclock completions bash > ~/.local/share/bash-completion/completions/fleetclock"
    )]
    Completions(completions::Args),
    /// Print the manual page
    ///
    /// Packages take the pages of all verbs with --dir.
    #[command(after_help = "Examples:\n  fleetclock man | man -l -\n  fleetclock man --dir /usr/local/share/man/man1")]
    Man(man::Args),
}

/// Runs the command line. What goes wrong here goes wrong mostly before any host is contacted.
fn run(cli: Cli) -> Result<Exit> {
    let global = cli.global;
    lang::choose(global.lang.as_deref().and_then(lang::Lang::of).unwrap_or_else(|| lang::from_environment(variable)));
    console::set_color(match global.color {
        Color::Auto => anstream::ColorChoice::Auto,
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    });
    match cli.command {
        Command::Init(args) => init::run(&args, &global),
        Command::Adopt(args) => adopt::run(&args, &global),
        Command::Plan(args) => plan::run(&args, &global),
        Command::Apply(args) => apply::run(&args, &global),
        Command::Undo(args) => undo::run(&args, &global),
        Command::History(args) => history::run(&args, &global),
        Command::Trust(args) => trust::run(&args, &global),
        Command::Check(args) => check::run(&args, &global),
        Command::Verify(args) => verify::run(&args, &global),
        Command::Doctor(args) => doctor::run(&args, &global),
        Command::Facts => facts::run(&global),
        Command::Providers => providers::run(&global),
        Command::Probe(args) => probe::run(&args, &global),
        Command::Report(verb) => report::run(&verb, &global),
        Command::Inventory(verb) => inventory::run(&verb, &global),
        Command::Render(args) => render::run(&args, &global),
        Command::Assets(verb) => assets::run(&verb, &global),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).and_then(|value| value.into_string().ok())
}

impl Global {
    /// Reads the inventory and picks the hosts.
    fn hosts(&self) -> Result<Vec<HostSpec>> {
        self.pick(self.fleet()?)
    }

    fn fleet(&self) -> Result<Fleet> {
        let fleet = crate::inventory::load(&self.inventory).map_err(|mistakes| {
            let error = anyhow::Error::new(mistakes);
            if self.inventory.exists() {
                error
            } else {
                error.hint("`fleetclock init` writes one to start from; `-i FILE` names another")
            }
        })?;
        if !self.quiet {
            for warning in &fleet.warnings {
                console::warning(&format!("{}: {warning}", self.inventory.display()));
            }
        }
        Ok(fleet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn verbs(command: &clap::Command) -> Vec<clap::Command> {
        let below = command.get_subcommands().flat_map(verbs);
        std::iter::once(command.clone()).chain(below).collect()
    }

    #[test]
    fn every_verb_and_option_says_what_it_is_for() {
        Cli::command().debug_assert();
        for verb in verbs(&Cli::command()) {
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty() && !about.ends_with('.'), "{}: `{about}`", verb.get_name());
            for argument in verb.get_arguments() {
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(
                    !help.is_empty() && !help.ends_with('.'),
                    "{} {}: `{help}`",
                    verb.get_name(),
                    argument.get_id()
                );
            }
        }
    }

    #[test]
    fn global_options_go_after_the_verb_too() {
        let cli = Cli::try_parse_from(["fleetclock", "plan", "--exit-code", "-l", "!web1", "-i", "a.yml"]).unwrap();
        assert_eq!(cli.global.limit.as_deref(), Some("!web1"));
        assert!(Cli::try_parse_from(["fleetclock", "-q", "-v", "check"]).is_err());
        assert!(Cli::try_parse_from(["fleetclock", "--forks", "0", "check"]).is_err());
    }
}
