//! How the service of a host takes a source that answers our own probe, and which way packets go.

use std::net::IpAddr;

use super::evidence::Route;
use super::inside::Neighbour;
use super::{Link, Patient, rules};
use crate::facts::Found;
use crate::firewall::firewalld::Door;

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
        self.works() && self.can_tell() && self.peer().is_none_or(|peer| peer.reach & LAST == 0)
    }

    /// Returns whether the service hears the source, and follows neither it nor another one.
    pub fn is_unused(&self) -> bool {
        let nobody = self.client.evidence.peers.iter().all(|peer| !matches!(peer.mark, '*' | 'o'));
        let heard = self.peer().is_some_and(|peer| peer.reach & LAST != 0 && peer.mark != 'x');
        self.works() && self.can_tell() && nobody && heard
    }

    /// Returns the interface and the address from which the client asks.
    pub fn client_way(&self) -> Option<(&'a str, Option<IpAddr>)> {
        match self.client.evidence.routes.get(&self.address()?)? {
            Route::By { device, from } => Some((device, *from)),
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

    /// Returns whether the server would take the questions of the client, as far as can be seen there.
    pub fn would_be_taken(&self) -> bool {
        let open = match self.door() {
            Some((_, door)) => door == Door::Open,
            None => self.server.is_some_and(|server| server.evidence.firewalld.is_none()),
        };
        self.listener().is_some() && self.access() == Some(true) && open && self.server_lets_pass()
    }

    /// Returns whether the service of the server keeps a list of those who ask.
    pub fn keeps_a_list(&self) -> bool {
        let Some(server) = self.server.map(|server| server.evidence) else { return false };
        let told_not_to = |words: &[String]| words.iter().any(|word| word == "monitor");
        let cannot_tell = |found: &Found| matches!(found, Found::Linux(facts) if facts.lacks.contains(&"mrulist"));
        if server.is_ntpd() && cannot_tell(&server.facts) {
            return false;
        }
        server.config.value("noclientlog").is_none() && server.config.line("disable", told_not_to).is_none()
    }

    /// Returns whether the kernels of both ends would route the packets, and take each other to be
    /// where they are, as far as they were asked.
    pub fn kernels_agree(&self) -> bool {
        let Some(server) = self.server else { return false };
        let asked = |end: &Patient<'_>| !end.evidence.inside.hardware.is_empty();
        let fits = |of_client| self.neighbour(of_client).is_none_or(|(_, _, fits)| fits);
        asked(&self.client) && asked(&server) && fits(true) && fits(false)
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
