//! `trust`: the new key of a host that was installed anew.

use std::io::IsTerminal;

use anyhow::{Result, anyhow};

use super::Global;
use super::run::Run;
use crate::exit::{Exit, Hint};
use crate::inventory::HostSpec;
use crate::lang::say;
use crate::model::Verb;
use crate::report::console;
use crate::transport::{self, Connections, HostKey, TransportError};

/// Options of `trust`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The host
    #[arg(add = super::suggest::pattern())]
    host: String,
    /// Go ahead without asking, if the host shows the key of this fingerprint
    #[arg(long, value_name = "SHA256")]
    fingerprint: Option<String>,
    /// Go ahead without asking, whatever key the host shows
    #[arg(short, long, conflicts_with = "fingerprint")]
    yes: bool,
}

/// Shows the known and the new key, asks, and replaces the one by the other.
pub(super) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let global = global.whole().with_hosts(std::slice::from_ref(&args.host))?;
    let run = Run::start(Verb::Trust, &global)?;
    let [spec] = run.hosts.as_slice() else {
        return Err(anyhow!("`{}` is more than one host", args.host).hint("keys are compared one by one"));
    };
    let key = match transport::host_key(spec, &Connections::default()) {
        Ok(key) => key,
        Err(error) => {
            let exit = if error.is_unreachable() { Exit::Unreachable } else { Exit::Failed };
            console::error(&hinted(error));
            return Ok(exit);
        }
    };
    if key.trusted {
        console::print(&say(&format!("{}: {} is trusted already\n", spec.name, key.shown)))?;
        return Ok(Exit::Ok);
    }
    console::error_line(&shown(spec, &key));
    if !agreed(args, &key, &run)? {
        console::sentence("nothing was changed");
        return Ok(Exit::Pending);
    }
    key.replace().map_err(hinted)?;
    console::print(&say(&format!("{}: {} is trusted from now on\n", spec.name, key.shown)))?;
    Ok(Exit::Ok)
}

fn hinted(error: TransportError) -> anyhow::Error {
    match error.hint().map(str::to_owned) {
        Some(hint) => anyhow::Error::new(error).hint(&hint),
        None => error.into(),
    }
}

fn shown(spec: &HostSpec, key: &HostKey) -> String {
    let mut text = format!("{} ({})\n", spec.name, spec.address);
    for (fingerprint, place) in &key.known {
        text.push_str(&format!("  known  {fingerprint}  {place}\n"));
    }
    text.push_str(&format!("  now    {}", key.shown));
    text
}

fn agreed(args: &Args, key: &HostKey, run: &Run) -> Result<bool> {
    if let Some(wanted) = &args.fingerprint {
        let own = key.shown.rsplit(' ').next().unwrap_or_default();
        let same = wanted.trim_start_matches("SHA256:") == own.trim_start_matches("SHA256:");
        return if same {
            Ok(true)
        } else {
            Err(anyhow!("the host shows {own}, and not {wanted}; nothing was changed"))
        };
    }
    if args.yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        return Err(anyhow!("trust asks before it replaces a key, and there is no terminal to ask on")
            .hint("`--fingerprint SHA256:...` goes ahead if the host shows that key"));
    }
    run.interrupt.ask("\nCompare it at the server's console: ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub\nTrust it? Only `yes` is accepted:")
}
