//! Whom a running systemd-timesyncd was told to ask, and by which file: one that comes after ours has the last word.

use super::properties;
use crate::model::Slice;
use crate::provider::started::lines;
use crate::transport::quote::sh;

/// Shell text that prints the servers that the service has, those of our file, and which other files name some.
pub(super) fn probe(config: &str) -> String {
    PROBE.replace("@CONFIG@", &sh(config))
}

// Of its properties only what does not change by itself.
const PROBE: &str = concat!(
    "\nif [ \"${fc_pid:-0}\" -gt 0 ] && fc_n=$(",
    properties!(),
    " 2>/dev/null); then\n",
    r#"for fc_k in System Runtime; do
printf '%s\n' "$fc_n" | sed -n "s/.*\"${fc_k}NTPServers\" as \([0-9]*\( \"[^\"]*\"\)*\).*/$fc_k=\1/p"
done
sed -n 's/^NTP=\(..*\)/conf=\1/p' @CONFIG@ 2>/dev/null
grep -lsE '^[[:space:]]*NTP[[:space:]]*=' /etc/systemd/timesyncd.conf.d/*.conf /run/systemd/timesyncd.conf.d/*.conf /usr/lib/systemd/timesyncd.conf.d/*.conf | sed 's/^/names=/'
fi
:"#
);

/// Says what differs from the file.
pub(super) fn changed(seen: &Slice) -> Option<String> {
    let system = servers(seen, "System=")?;
    let ours: Vec<&str> = lines(seen, "conf=").flat_map(str::split_whitespace).collect();
    let mut said = Vec::new();
    let added = servers(seen, "Runtime=").unwrap_or_default();
    if !added.is_empty() {
        said.push(format!("{} added over D-Bus", added.join(", ")));
    }
    // A file that is not there yet differs by itself.
    if !ours.is_empty() && system != ours {
        let asks = if system.is_empty() { "nobody".to_owned() } else { system.join(", ") };
        let by =
            later(seen).map_or_else(String::new, |file| format!(": {file} comes after ours; take `NTP=` out of it"));
        said.push(format!("it was told to ask {asks}{by}"));
    }
    (!said.is_empty()).then(|| said.join(", "))
}

/// `2 "10.0.0.1" "ntp.lab" "RuntimeNTPServers"`: how many, those, and the name of the next property.
fn servers<'a>(seen: &'a Slice, key: &'a str) -> Option<Vec<&'a str>> {
    let mut words = lines(seen, key).next()?.split(' ');
    let count = words.next()?.parse().ok()?;
    Some(words.take(count).map(|word| word.trim_matches('"')).collect())
}

/// The last file that systemd reads after ours, by its name whatever the folder.
fn later(seen: &Slice) -> Option<&str> {
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let ours = name(super::FILE);
    lines(seen, "names=").filter(|path| name(path) > ours).max_by_key(|path| name(path))
}
