//! What `ntpq` has changed in a running ntpd since it has loaded its file: sources that were added, or
//! taken away. A restart takes it all back.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::HERE;
use crate::model::Slice;
use crate::provider::started::{is_one_of, lines};
use crate::transport::quote::sh;

/// Shell text that prints what the file says of sources, and which the service has. An `ntpq` without
/// `-w` cuts long addresses, and nothing is compared with it.
pub(super) fn probe(config: &str) -> String {
    PROBE.replace("@HERE@", HERE).replace("@CONFIG@", &sh(config))
}

// Of the table only what does not change by itself: the address, and how it is asked. A long address
// has a line of its own.
const PROBE: &str = r#"
if [ "${fc_pid:-0}" -gt 0 ] && fc_n=$(timeout 5 ntpq -n -w -c peers @HERE@ 2>/dev/null); then
case $fc_n in *====* | *'No association'*) echo peers=yes ;; esac
printf '%s\n' "$fc_n" | sed -n -e '1,/^====/d' -e '/^.[^ ]*$/{N;s/\n/ /;}' -e 's/^.\([^ ]\{1,\}\)  *[^ ]\{1,\}  *[^ ]\{1,\}  *\([^ ]\) .*/peer=\1 \2/p' | sort -u
grep -iE '^[[:space:]]*(server|peer|pool|manycastclient|broadcastclient|multicastclient|includefile|unpeer|unconfig)([[:space:]]|$)' @CONFIG@ 2>/dev/null | sed 's/^[[:space:]]*/conf=/'
fi
:"#;

/// Says what differs from the file.
pub(super) fn changed(seen: &Slice) -> Option<String> {
    lines(seen, "peers=").next()?;
    let conf: Vec<Vec<&str>> = lines(seen, "conf=").map(|line| line.split_whitespace().collect()).collect();
    if conf.iter().any(|words| !is_one_of(words, &["server", "peer"])) {
        // Of others, sources come and go by themselves.
        return None;
    }
    let running: BTreeSet<IpAddr> = lines(seen, "peer=").filter_map(told).collect();
    let sources = conf.iter().filter_map(|words| Some((source(words)?, words)));
    let (mut kept, mut numbers, mut names) = (BTreeSet::new(), BTreeSet::new(), 0);
    for (name, words) in sources.filter(|(name, _)| !name.starts_with("127.127.")) {
        let Ok(address) = name.parse::<IpAddr>() else {
            names += 1;
            continue;
        };
        numbers.insert(address);
        // What may be dropped may be gone.
        kept.extend((!words.contains(&"preempt")).then_some(address));
    }
    let mut said: Vec<String> = Vec::new();
    // ntpq shows addresses, and a name may lead elsewhere by now; each name stands for one address.
    let others: Vec<String> = running.difference(&numbers).map(ToString::to_string).collect();
    match others.len().saturating_sub(names) {
        0 => {}
        _ if names == 0 => said.extend(others.iter().map(|address| format!("{address} added"))),
        more => said.push(format!("{more} of {} added", others.join(", "))),
    }
    said.extend(kept.difference(&running).map(|address| format!("{address} deleted")));
    (!said.is_empty()).then(|| said.join(", "))
}

/// The address in a line of the table that was told (`u`, unicast) and is no reference clock.
fn told(line: &str) -> Option<IpAddr> {
    let (address, kind) = line.split_once(' ')?;
    address.parse().ok().filter(|_| kind == "u" && !address.starts_with("127.127."))
}

/// The address or name of a source in its line; a reference clock has none.
fn source<'a>(words: &[&'a str]) -> Option<&'a str> {
    let name = words.iter().skip(1).find(|word| !word.starts_with('-'))?;
    (*name != "refclock").then_some(*name)
}
