//! What `ntpq` has changed in a running ntpd since it has loaded its file: sources that were added, or
//! taken away. A restart takes it all back.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Slice, lines};
use crate::transport::quote::sh;

/// Shell text that prints what the file says of sources, where its names lead, and what the service says.
/// ntpq shows addresses: a name counts for all of its own.
pub(super) fn probe(config: &str) -> String {
    PROBE.replace("@CONFIG@", &sh(config))
}

const PROBE: &str = r#"
if [ "${fc_pid:-0}" -gt 0 ] && fc_n=$(timeout 5 ntpq -n -w -c peers 2>/dev/null || timeout 5 ntpq -n -c peers 2>/dev/null); then
echo peers=yes
printf '%s\n' "$fc_n" | sed 's/^/peer=/'
grep -iE '^[[:space:]]*(server|peer|pool|manycastclient|broadcastclient|multicastclient|includefile|unpeer|unconfig)([[:space:]]|$)' @CONFIG@ 2>/dev/null | sed 's/^[[:space:]]*/conf=/'
sed -n 's/^[[:space:]]*\(server\|peer\)[[:space:]]\{1,\}\(-[46][[:space:]]\{1,\}\)\{0,1\}\([^[:space:]]*[A-Za-z][^[:space:]]*\).*/\3/p' @CONFIG@ 2>/dev/null | grep -v : | sort -u | head -n 16 | while read -r fc_f; do
timeout 5 getent ahosts "$fc_f" | sed -n "s/^\([^ ]*\) .*/leads=$fc_f \1/p" | sort -u
done
fi
:"#;

/// Says what differs from the file.
pub(super) fn changed(seen: &Slice) -> Option<String> {
    lines(seen, "peers=").next()?;
    let running = running(seen)?;
    let conf: Vec<Vec<&str>> = lines(seen, "conf=").map(|line| line.split_whitespace().collect()).collect();
    let is = |words: &[&str], all: &[&str]| {
        words.first().is_some_and(|word| all.iter().any(|one| word.eq_ignore_ascii_case(one)))
    };
    let plain = ["server", "peer"];
    // Of others, sources come and go by themselves.
    let more = conf.iter().any(|words| !is(words, &plain));
    let named: Vec<(&str, Option<BTreeSet<IpAddr>>)> =
        conf.iter().filter(|words| is(words, &plain)).filter_map(|words| source(words, seen)).collect();
    let known: BTreeSet<IpAddr> = named.iter().filter_map(|(_, all)| all.as_ref()).flatten().copied().collect();
    let unresolved = named.iter().any(|(_, all)| all.is_none());
    let mut said: Vec<String> = Vec::new();
    let added =
        running.iter().filter(|(address, of_file)| *of_file && !more && !unresolved && !known.contains(address));
    said.extend(added.map(|(address, _)| format!("{address} added")));
    let lost = |all: &Option<BTreeSet<IpAddr>>| {
        all.as_ref().is_some_and(|all| !running.iter().any(|(address, _)| all.contains(address)))
    };
    // A name may lead elsewhere by now than when the service was started.
    let gone = named.iter().filter(|(name, all)| name.parse::<IpAddr>().is_ok() && !more && lost(all));
    said.extend(gone.map(|(name, _)| format!("{name} deleted")));
    (!said.is_empty()).then(|| said.join(", "))
}

/// A source of the file and the addresses that it may have; `None` if its name leads nowhere now. A
/// reference clock is none of the network's, and what may be dropped may be gone.
fn source<'a>(words: &[&'a str], seen: &Slice) -> Option<(&'a str, Option<BTreeSet<IpAddr>>)> {
    let name = words.iter().skip(1).find(|word| !word.starts_with('-'))?;
    if name.starts_with("127.127.")
        || words.iter().any(|word| matches!(*word, "preempt" | "refclock"))
        || words.get(1) == Some(&"refclock")
    {
        return None;
    }
    if let Ok(address) = name.parse() {
        return Some((name, Some([address].into())));
    }
    let leads = lines(seen, "leads=").filter_map(|line| line.split_once(' '));
    let all: BTreeSet<IpAddr> = leads.filter(|(of, _)| of == name).filter_map(|(_, ip)| ip.parse().ok()).collect();
    Some((name, (!all.is_empty()).then_some(all)))
}

/// The addresses in ntpq's table, and whether each is one that was told (`u`, unicast) and did not come by
/// itself. `None` if there is no table: ntpq says so in other words if there is no source at all.
fn running(seen: &Slice) -> Option<Vec<(IpAddr, bool)>> {
    let table: Vec<&str> = lines(seen, "peer=").collect();
    let Some(at) = table.iter().position(|line| line.starts_with("====")) else {
        return table.iter().any(|line| line.contains("No association")).then(Vec::new);
    };
    let mut all = Vec::new();
    let mut before: Option<IpAddr> = None;
    for line in table.iter().skip(at + 1) {
        let mut words = line.get(1..).unwrap_or_default().split_whitespace().peekable();
        // With `-w` a long address has a line of its own; the rest of its row is the next one.
        let address = before.take().or_else(|| words.next()?.parse().ok());
        let Some(address) = address else { continue };
        let rest: Vec<&str> = words.collect();
        match rest.get(2) {
            None => before = Some(address),
            Some(kind) => all.push((address, *kind == "u" && !address.to_string().starts_with("127.127."))),
        }
    }
    Some(all)
}
