//! The files of ours for the next boot: who may ask, and the drop-in of nftables.service that loads them.

use crate::firewall::record;
use crate::firewall::steps::{self, Change};
use crate::text::quote::sh;

use super::WORD;

/// What loads them, after the file of the administrator.
pub(super) const DROP_IN: &str = "/etc/systemd/system/nftables.service.d/fleetclock.conf";

/// That of ours fails alone (`-`): a chain that he renames must not leave the host without his rules.
pub(super) const LOADS: &str =
    "# Written by fleetclock: loads who may ask this host for time, after the rules of the administrator.
[Service]
ExecStartPost=-/bin/sh -c 'for f in /etc/fleetclock/nftables*.nft; do [ ! -e \"$$f\" ] || nft -f \"$$f\"; done'
ExecReload=-/bin/sh -c 'for f in /etc/fleetclock/nftables*.nft; do [ ! -e \"$$f\" ] || nft -f \"$$f\"; done'
";

/// Writes a file of ours, or takes it away.
pub(super) fn change(path: &str, is: &str, wanted: &str) -> Change {
    let delta = steps::of_file(WORD, path, "loaded at boot", is, wanted);
    Change { delta, change: replace(path, wanted), undo: put_back(path) }
}

/// A number for each of the two files, for what is kept of them.
fn kept(path: &str) -> &'static str {
    if path == DROP_IN { "drop-in" } else { "rules" }
}

/// Rules are tried first, as they would be loaded.
fn replace(path: &str, wanted: &str) -> String {
    let keep = kept(path);
    let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
    let begin = format!("{}: >\"$FC_KEEP/{keep}.begun\"\n", record::keep(path, keep));
    let write = match wanted.is_empty() {
        true => format!("rm -f {path}\nrmdir {folder} 2>/dev/null || :\n"),
        false => {
            let test =
                if path == DROP_IN { String::new() } else { format!("fc_load \"$fc_n\" {path}.new >/dev/null\n") };
            format!(
                "mkdir -p {folder}\nprintf '%s' {} >{path}.new\nchmod 644 {path}.new\n{test}mv {path}.new {path}\n",
                sh(wanted)
            )
        }
    };
    let reload = if path == DROP_IN { "systemctl daemon-reload\n" } else { "" };
    format!("{begin}{write}{reload}")
}

fn put_back(path: &str) -> String {
    let keep = kept(path);
    let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
    let reload = if path == DROP_IN { "systemctl daemon-reload\n" } else { "" };
    format!(
        "rm -f {path}.new\nif [ -e \"$FC_KEEP/{keep}\" ]; then\nmkdir -p {folder}\ncp -p \"$FC_KEEP/{keep}\" {path}\nelif [ -e \"$FC_KEEP/{keep}.begun\" ]; then\nrm -f {path}\nrmdir {folder} 2>/dev/null || :\nfi\n{reload}"
    )
}
