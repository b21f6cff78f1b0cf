//! How the service of a host takes a source that answers our own probe, and which way packets go.

use std::net::IpAddr;

use super::evidence::Route;
use super::inside::Neighbour;
use super::{Link, Patient, rules};
use crate::facts::Found;
use crate::firewall::ClientPort;
use crate::firewall::firewalld::Door;
use crate::firewall::unread::Unread;
use crate::firewall::walk::Doubt;

/// The last three polls.
const LAST: u8 = 0b111;

impl<'a> Link<'a> {
    /// Whether the service of the client runs with what its file says, and can be asked.
    fn can_tell(&self) -> bool {
        let evidence = self.client.evidence;
        let ours = !evidence.is_stale() && rules::other_file(&self.client).is_empty();
        evidence.windows().is_none() && evidence.runs() && evidence.talks && ours
    }

    /// Returns whether the source answers our probe, and the service of the client does not hear it.
    pub fn is_deaf(&self) -> bool {
        let shows_all = self.client.evidence.service.is_none_or(|service| service.shows_all_sources());
        self.works() && self.can_tell() && self.peer().map_or(shows_all, |peer| !peer.answered(LAST))
    }

    /// Returns whether the service hears the source, and follows neither it nor another one.
    pub fn is_unused(&self) -> bool {
        let nobody = self.client.evidence.peers.iter().all(|peer| !peer.selected);
        let heard = self.peer().is_some_and(|peer| peer.answered(LAST) && peer.mark != 'x');
        self.works() && self.can_tell() && nobody && heard
    }

    /// Returns the interface and the address from which the client asks.
    pub fn client_way(&self) -> Option<(&'a str, Option<IpAddr>)> {
        match self.client.evidence.routes.get(&self.address()?)? {
            Route::By { device, from, .. } => Some((device, *from)),
            Route::None(_) => None,
        }
    }

    /// Returns the interface by which the server answers.
    pub fn server_way(&self) -> Option<&'a str> {
        match self.server?.evidence.routes.get(&self.from()?)? {
            Route::By { device, .. } => Some(device),
            Route::None(_) => None,
        }
    }

    /// Returns whom one end takes for the other, and whether the other has that hardware address:
    /// from the client to the server, or from the server to the client. `None` where a router is
    /// between them, or one of the two cannot tell.
    pub fn neighbour(&self, of_client: bool) -> Option<(Patient<'a>, &'a Neighbour, bool)> {
        let (from, to) = (self.client, self.server?);
        let (from, to, address) = if of_client { (from, to, self.address()?) } else { (to, from, self.from()?) };
        let own = &to.evidence.inside.hardware;
        let entry = from.evidence.inside.neighbours.iter().find(|entry| entry.address == address)?;
        let hardware = entry.hardware.as_deref()?;
        let fits = own.values().any(|other| other.eq_ignore_ascii_case(hardware));
        (!own.is_empty()).then_some((from, entry, fits))
    }

    /// Returns what at either end may stop packets of a client that asks from a port, and could not be judged; with
    /// the name of the end.
    pub fn unsure_of_port(&self, port: ClientPort) -> Option<(&'a str, Unread)> {
        let rule = |(name, doubt): (&'a str, Doubt)| {
            (name, Unread::Other(format!("the rule `{}` ({})", doubt.rule, doubt.chain)))
        };
        let ends = || [Some(self.client), self.server].into_iter().flatten();
        // The kernel was asked what it does with one port.
        let routes = || {
            ends().find_map(|end| {
                let rule = format!("the rule of routing `{}` (ip rule)", end.rule_of_ports()?);
                Some((end.name(), Unread::Other(rule)))
            })
        };
        self.doubt_from(port).map(rule).or_else(|| self.unread()).or_else(routes)
    }

    /// Returns whether the server would take the questions of the client, as far as can be seen there.
    pub fn would_be_taken(&self) -> bool {
        let open = match self.door() {
            Some((_, door)) => door == Door::Open,
            None => self.server.is_some_and(|server| server.evidence.firewalld.is_none()),
        };
        let listens = self.listener().is_some() && self.stolen_by().is_none();
        listens && self.access() == Some(true) && open && self.server_lets_pass()
    }

    /// Returns whether the service of the server keeps a list of those who ask.
    pub fn keeps_a_list(&self) -> bool {
        let Some(server) = self.server.map(|server| server.evidence) else { return false };
        let lacks: &[&str] = match &server.facts {
            Found::Linux(facts) => &facts.lacks,
            Found::Windows(_) => &[],
        };
        server.service.is_none_or(|service| service.lists_visitors(&server.config, lacks))
    }

    /// Whom an end hands its packets to first: the router, if there is one (`true`), else the other end.
    fn first_hop(&self, of_client: bool) -> Option<(Patient<'a>, &'a str, IpAddr, bool)> {
        let (at, to) = if of_client { (self.client, self.address()?) } else { (self.server?, self.from()?) };
        let Route::By { device, via, .. } = at.evidence.routes.get(&to)? else { return None };
        Some((at, device, via.unwrap_or(to), via.is_some()))
    }

    /// Returns the address under which an end is known to the other one.
    pub fn opposite(&self, of_client: bool) -> Option<IpAddr> {
        if of_client { self.from() } else { self.address() }
    }

    /// What an end knows of whom it hands its packets to first.
    fn first_entry(&self, of_client: bool) -> Option<&'a Neighbour> {
        let (at, device, hop, _) = self.first_hop(of_client)?;
        at.evidence.inside.neighbours.iter().find(|entry| entry.address == hop && entry.device == device)
    }

    /// Returns whom an end has asked for its hardware address, and got no answer; `true`: it is a router.
    pub fn unanswered(&self, of_client: bool) -> Option<(Patient<'a>, &'a Neighbour, bool)> {
        let (at, _, _, is_router) = self.first_hop(of_client)?;
        let entry = self.first_entry(of_client)?;
        matches!(entry.state.as_str(), "FAILED" | "INCOMPLETE").then_some((at, entry, is_router))
    }

    /// Returns what is not known of the way to the next machine, at either end: an entry that somebody has fixed,
    /// for a machine that cannot be asked; no entry, though packets were sent; no answer to ARP.
    pub fn astray(&self) -> Option<String> {
        [true, false].into_iter().find_map(|of_client| self.astray_at(of_client))
    }

    fn astray_at(&self, of_client: bool) -> Option<String> {
        let (at, device, hop, is_router) = self.first_hop(of_client)?;
        let name = at.name();
        let has_sent = of_client || self.arrived();
        match self.first_entry(of_client) {
            Some(entry) if entry.state == "PERMANENT" && (is_router || self.server.is_none()) => {
                let hardware = entry.hardware.as_deref().unwrap_or("nowhere");
                Some(format!(
                    "{name} has a fixed entry that {hop} is at {hardware}, and whether it is right is not known (ip neigh)"
                ))
            }
            Some(entry) if matches!(entry.state.as_str(), "FAILED" | "INCOMPLETE") => Some(format!(
                "{name} does not know where {hop} is: nobody answered its question (ip neigh: {})",
                entry.state
            )),
            None if has_sent && at.asks_for_neighbours(device) => {
                Some(format!("{name} has no entry of {hop}, to which it has sent packets (ip neigh)"))
            }
            _ => None,
        }
    }

    /// Returns whether the kernels of both ends would route the packets, and take each other to be
    /// where they are, as far as they were asked.
    pub fn kernels_agree(&self) -> bool {
        let Some(server) = self.server else { return false };
        let asked = |end: &Patient<'_>| !end.evidence.inside.hardware.is_empty();
        let fits = |of_client| self.neighbour(of_client).is_none_or(|(_, _, fits)| fits);
        asked(&self.client) && asked(&server) && fits(true) && fits(false) && self.astray().is_none()
    }

    /// What of the two ends was asked below their packet filters, and is in order.
    pub fn kernels_words(&self) -> Vec<String> {
        if !self.kernels_agree() {
            return Vec::new();
        }
        let words = |of_client| {
            let (at, entry, _) = self.neighbour(of_client)?;
            Some(format!(
                "a wrong neighbour: {} has the right hardware address of {} (ip neigh)",
                at.name(),
                entry.address
            ))
        };
        let neighbours = [true, false].into_iter().filter_map(words);
        neighbours
            .chain(["the routing of either end: the kernels would send and take the packets (ip route get, ip rule)"
                .to_owned()])
            .collect()
    }
}

impl Patient<'_> {
    /// A rule of routing that tells ports apart.
    fn rule_of_ports(&self) -> Option<String> {
        let of_ports = |line: &&str| line.contains(" sport ") || line.contains(" dport ");
        let line = self.evidence.text("rules").lines().find(of_ports)?;
        Some(line.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Whether packets that leave by an interface need the hardware address of the next machine.
    fn asks_for_neighbours(&self, device: &str) -> bool {
        let hardware = self.evidence.inside.hardware.get(device).map_or("", String::as_str);
        hardware.split(':').count() == 6 && hardware != "00:00:00:00:00:00"
    }
}
