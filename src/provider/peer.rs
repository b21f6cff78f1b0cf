//! A source as a time service sees it.

/// One source as the time service sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    /// Numeric address, or the name of a reference clock.
    pub address: String,
    /// The name by which its configuration knows it, where the service says that.
    pub name: Option<String>,
    /// Whether the service has selected it.
    pub selected: bool,
    /// The mark that its own tool shows: `*`, `+`, `-`, `x`, `?`, ...; none, `\0`, where it shows none.
    pub mark: char,
    /// Reachability register, eight bits, where the service has one.
    pub reach: Option<u8>,
    /// How old its last answer is, seconds; `None` if there is none, or the service does not say.
    pub last_s: Option<u64>,
    /// How often it is asked, seconds, where the service says that.
    pub every_s: Option<u64>,
    /// What kind of source it is.
    pub kind: PeerKind,
    /// Of a member of a pool, the names of all pools that the service has: of which one it is, ntpd does not say.
    pub pools: Vec<String>,
}

impl Peer {
    /// Returns whether one of the last polls was answered, those of the bits of `last`.
    pub fn answered(&self, last: u8) -> bool {
        self.reach.is_none_or(|reach| reach & last != 0)
    }

    /// Returns whether none of the last eight polls was answered. A service without a register is taken at its word.
    pub fn is_unheard(&self) -> bool {
        self.reach == Some(0)
    }
}

/// The kinds of sources that a time service may follow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PeerKind {
    /// Another machine.
    #[default]
    Server,
    /// Another machine of a service that says neither names nor which servers are members of a pool: chronyd before
    /// 4.0, ntpd 4.2.6.
    Unnamed,
    /// One of the servers behind the name of a pool, which ntpd does not say.
    PoolMember,
    /// A clock that is attached to the host.
    Clock,
}

/// Polls that may be lost, one after the other, before a service counts as cut off from its source.
pub(crate) const PATIENCE: u8 = 3;

/// Whether one of the last polls was answered; a service without a register is taken at its word.
pub fn is_reached(reach: Option<u8>) -> bool {
    reach.is_none_or(|reach| reach & ((1 << PATIENCE) - 1) != 0)
}

/// Why a service has selected none of its sources, as far as their registers say.
pub(super) fn unselected(peers: &[Peer]) -> String {
    match (peers.len(), peers.iter().filter(|peer| !peer.is_unheard()).count()) {
        (0, _) => "no source is configured".to_owned(),
        (all, 0) => format!("none of {all} sources has answered"),
        (all, some) => format!("{some} of {all} sources have answered, none is selected"),
    }
}
