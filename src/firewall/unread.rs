//! What decides about packets on a host and could not be read: in words, and where a person looks.

use std::fmt;

/// Something that decides about packets and is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// The rules of nftables or iptables.
    Filter,
    /// A table of connections that is `full`, or nearly so.
    Connections {
        /// How full it is.
        full: &'static str,
        /// How many it has, and how many it takes.
        counts: String,
    },
    /// Something else, in words.
    Other(String),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unread::Filter => f.write_str("the packet filter"),
            Unread::Connections { full, counts } => {
                write!(f, "the {full} table of connections ({counts}; sysctl net.netfilter.nf_conntrack_max)")
            }
            Unread::Other(words) => f.write_str(words),
        }
    }
}

impl Unread {
    /// Reads a line of what was found beside the rules.
    pub(super) fn of(line: &str) -> Self {
        match line.strip_prefix("conntrack ") {
            Some(counts) => Unread::Connections { full: fullness(counts), counts: counts.replace(' ', " of ") },
            None => Unread::Other(in_words(line)),
        }
    }

    /// Returns what a person has to look at to know whether it is what does this to a packet, before anything else.
    pub fn look(&self, does: &str, other: &str) -> String {
        match self {
            Unread::Connections { counts, .. } => format!(
                "see in `conntrack -L` what fills the table of connections ({counts}), or give it more room (sysctl \
                 net.netfilter.nf_conntrack_max); if that does not help, {other}"
            ),
            _ => format!("see whether {self} {does}; else {other}"),
        }
    }
}

/// How full a table is: `262000 262144`.
fn fullness(counts: &str) -> &'static str {
    let numbers = counts.split_once(' ').and_then(|(used, room)| used.parse().ok().zip(room.parse().ok()));
    numbers.map_or("full", |(used, room): (u64, u64)| if used < room { "nearly full" } else { "full" })
}

/// What a line of `beside` is, for people.
fn in_words(line: &str) -> String {
    match line.split_once(' ') {
        Some(("xfrm", networks)) => {
            format!("the policy of IPsec for {} (ip xfrm policy)", networks.replace(' ', " and "))
        }
        Some(("bpf", slice)) => format!("`IPAddressDeny=` of {slice}"),
        _ => format!("what {line} does"),
    }
}
