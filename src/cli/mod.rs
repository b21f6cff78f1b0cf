//! The command line: its types, and one file for each family of verbs.

mod assets;
mod facts;
mod fleet;
mod init;
mod inventory;
mod probe;
mod render;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::exit::Exit;
use crate::report::console;

/// Make every clock of a fleet follow the masters of one inventory, and prove it
///
/// fleetclock reads one YAML file that names the time masters and those who follow them, shows
/// what has to change on each host (`plan`), changes it over SSH (`apply`), and lets each host
/// measure its sources itself (`verify`). Nothing is installed on a host but the time service.
///
/// Exit codes: 0 nothing to do, or done and verified; 1 a host failed; 2 command line,
/// inventory or playbook wrong, no host was contacted; 3 changes are pending (`check`, and
/// `plan --exit-code`); 4 no host failed but some were unreachable; 5 configured as wanted, but
/// a clock is outside its limits; 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "fleetclock", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every verb takes.
#[derive(Debug, Clone, Args)]
struct Global {
    /// The inventory
    #[arg(short, long, global = true, value_name = "FILE", default_value = "fleet.yml", env = "FLEETCLOCK_INVENTORY")]
    inventory: PathBuf,
    /// Only these hosts: names, groups, `web*`, `web[01:20]`, `!not-this`, comma separated
    #[arg(short, long, global = true, value_name = "PATTERN", allow_hyphen_values = true)]
    limit: Option<String>,
    /// Hosts worked on at a time
    #[arg(long, global = true, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    forks: u16,
    /// A folder with playbooks/ and templates/ that replace the embedded ones
    #[arg(long, global = true, value_name = "DIR")]
    assets: Option<PathBuf>,
    /// How the result is printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// When colours are used
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    color: Color,
    /// Say every phase
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
    /// Say only the result
    #[arg(short, long, global = true)]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// One JSON document; docs/report.md describes it.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write an inventory to start from
    Init(init::Args),
    /// Show what would change, and change nothing
    ///
    /// Connects to each host, reads, and compares: packages (with those that would be removed),
    /// the unified diff of each file, services, firewall, competing time services, and what the
    /// change would do to the clock. Secrets are hidden. Changes nothing, on bare hosts too.
    Plan(fleet::PlanArgs),
    /// Change the hosts to what the inventory says, and prove it
    ///
    /// Shows the plan and asks. Masters first; a host that follows others is changed only when
    /// it gets time from one of them. What fails is put back.
    Apply(fleet::ApplyArgs),
    /// Tell whether a host differs from the inventory (exit code 3), for CI
    Check,
    /// Prove the clocks: each host measures each of its sources
    ///
    /// Waits up to the deadline of each host for its limits to be met. The verdict is the error
    /// bound |offset| + delay/2 + root delay/2 + root dispersion against `limits.max_error`.
    Verify,
    /// Show what is known of the hosts
    Facts,
    /// Ask NTP servers for the time, from this machine
    Probe(probe::Args),
    /// Check, show or draw the inventory; contacts no host
    #[command(subcommand)]
    Inventory(inventory::Verb),
    /// Print a host's configuration files as they shall be; contacts no host
    Render(render::Args),
    /// List, show or write out the embedded playbooks and templates
    #[command(subcommand)]
    Assets(assets::Verb),
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

/// Runs the command line.
///
/// # Errors
/// Something is wrong before any host was contacted.
pub fn run(cli: Cli) -> Result<Exit> {
    let global = cli.global;
    console::set_color(match global.color {
        Color::Auto => anstream::ColorChoice::Auto,
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    });
    match cli.command {
        Command::Init(args) => init::run(&args, &global),
        Command::Plan(args) => fleet::plan(&args, &global),
        Command::Apply(args) => fleet::apply(&args, &global),
        Command::Check => fleet::check(&global),
        Command::Verify => fleet::verify(&global),
        Command::Facts => facts::run(&global),
        Command::Probe(args) => probe::run(&args, &global),
        Command::Inventory(verb) => inventory::run(&verb, &global),
        Command::Render(args) => render::run(&args, &global),
        Command::Assets(verb) => assets::run(&verb, &global),
        Command::Completions { shell } => Ok(completions(shell)),
        Command::Man => man(),
    }
}

fn completions(shell: clap_complete::Shell) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "fleetclock", &mut text);
    console::print(&String::from_utf8_lossy(&text));
    Exit::Ok
}

fn man() -> Result<Exit> {
    let mut text = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut text)?;
    console::print(&String::from_utf8_lossy(&text));
    Ok(Exit::Ok)
}

impl Global {
    /// Reads the inventory and picks the hosts.
    fn hosts(&self) -> Result<Vec<crate::inventory::HostSpec>> {
        let fleet = self.fleet()?;
        match &self.limit {
            Some(pattern) => crate::inventory::select::select(&fleet, pattern),
            None => Ok(fleet.hosts),
        }
    }

    fn fleet(&self) -> Result<crate::inventory::Fleet> {
        use crate::exit::Hint;
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
                console::error_line(&format!("warning: {}: {warning}", self.inventory.display()));
            }
        }
        Ok(fleet)
    }
}
