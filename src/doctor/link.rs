//! What can be said of the way between a host and its source, from both ends.

use std::net::IpAddr;

use ipnet::IpNet;

use super::evidence::{Listener, Route};
use super::{Link, Patient, Seen};
use crate::facts::services::{self, System};
use crate::facts::windows::WindowsFacts;
use crate::facts::windows_firewall;
use crate::firewall::firewalld::{Door, Opening, lets_in};
use crate::firewall::unread::Unread;
use crate::firewall::walk::Doubt;
use crate::firewall::{ClientPort, Packet, Sender, Stop, Verdict, walk};
use crate::model::{Outcome, Port123};
use crate::ntp::report::SourceReport;
use crate::provider::Peer;

/// A packet of a link, and who stops it.
#[derive(Debug, Clone)]
pub struct Stopped<'a> {
    /// Who stops it.
    pub stop: Stop,
    /// The packet.
    pub packet: Packet<'a>,
}

impl<'a> Link<'a> {
    /// Returns whether one of the source's addresses serves time to our own probe.
    pub fn works(&self) -> bool {
        self.answers.iter().any(|answer| answer.usable())
    }

    /// Returns whether none of the source's addresses has answered anything.
    pub fn is_silent(&self) -> bool {
        use Outcome::{Filtered, Refused, Timeout, Unreachable};
        let silent = |answer: &&SourceReport| {
            answer.received.unwrap_or(0) == 0
                // Answered one time, and not the next: a slow server, not a silent one.
                && answer.from_123 != Some(Port123::Unsure)
                && matches!(answer.outcome, Timeout | Refused | Unreachable | Filtered)
        };
        !self.answers.is_empty() && self.answers.iter().all(silent)
    }

    /// Returns whether the client's own kernel refuses to send the questions (EPERM).
    pub fn is_filtered(&self) -> bool {
        !self.answers.is_empty() && self.answers.iter().all(|answer| answer.outcome == Outcome::Filtered)
    }

    /// Returns the answer that says most: a good one, else the first.
    pub fn answer(&self) -> Option<&'a SourceReport> {
        self.answers.iter().find(|answer| answer.usable()).or(self.answers.first()).copied()
    }

    /// Returns whether the source says that its own clock is not set.
    pub fn is_unsynchronised(&self) -> bool {
        self.answer().is_some_and(|answer| answer.outcome == Outcome::Unsynchronised)
    }

    /// Returns how the questions ended, in the word of the report.
    pub fn outcome(&self) -> String {
        self.answer().map_or_else(|| "not asked".to_owned(), |answer| answer.outcome.to_string())
    }

    /// Returns the address that was asked.
    pub fn address(&self) -> Option<IpAddr> {
        self.answer()?.address.as_deref()?.parse().ok()
    }

    /// Returns the address that the questions come from.
    pub fn from(&self) -> Option<IpAddr> {
        match self.client.evidence.routes.get(&self.address()?) {
            Some(Route::By { from, .. }) => *from,
            Some(Route::None(_)) => None,
            // Windows is not asked for its routes.
            None => self.client.spec.ip_towards(self.address()?).filter(|_| self.client.evidence.windows().is_some()),
        }
    }

    /// Returns the name of the other end: the host of the inventory, else the address.
    pub fn server_name(&self) -> &'a str {
        self.source.host.as_deref().unwrap_or(&self.source.address)
    }

    /// Returns the source as the client's service sees it.
    pub fn peer(&self) -> Option<&'a Peer> {
        let addresses = self.client.evidence.stands_for(&self.source.address);
        let is_it = |peer: &&Peer| peer.address.parse().is_ok_and(|address| addresses.contains(&address));
        let mut all = self.client.evidence.peers.iter().filter(is_it);
        all.clone().find(|peer| !peer.is_unheard()).or_else(|| all.next())
    }

    /// Something seen at the client: how its questions ended.
    pub fn asked(&self) -> Seen {
        let sent = self.answer().and_then(|answer| answer.sent).unwrap_or(0);
        let text = format!("{sent} questions to {}: {}", self.source.address, self.outcome());
        self.name_both(self.client.seen("probe", text))
    }

    /// Something seen at the server, where the cause lies; with what the client saw.
    pub fn at(&self, server: &Patient<'_>, part: &str, text: &str) -> Seen {
        let asked = format!("{text}; {} got: {}", self.client.name(), self.outcome());
        self.name_both(server.seen(part, asked))
    }

    /// Fills in both ends.
    pub fn name_both(&self, seen: Seen) -> Seen {
        let from = self.from().map_or_else(|| self.client.spec.time_address.join(", "), |from| from.to_string());
        seen.with("client", self.client.name())
            .with("server", self.server_name())
            .with("source", self.source.address.as_str())
            .with("from", from)
    }

    /// Returns the socket of the server that takes the questions.
    pub fn listener(&self) -> Option<&'a Listener> {
        let address = self.address()?;
        let takes = |listener: &&Listener| match listener.address {
            Some(bound) => bound == address,
            None => listener.six.is_none_or(|six| six == address.is_ipv6()) || listener.program.is_empty(),
        };
        let taking = self.server?.evidence.listeners.iter().filter(takes);
        // The kernel gives them to the socket that is bound most narrowly.
        let taking = taking.filter(|listener| listener.device.as_deref().is_none_or(|device| self.comes_in_by(device)));
        taking.max_by_key(|listener| (listener.address.is_some(), listener.device.is_some(), listener.six.is_some()))
    }

    /// Returns the program that has the socket in the place of the server's time service, if another one has.
    pub fn stolen_by(&self) -> Option<&'a str> {
        let nobody = [super::lines::UNKNOWN_PROGRAM, ""];
        let program =
            self.server.filter(|server| server.evidence.windows().is_none()).and(self.listener())?.program.as_str();
        let ours = services::of(System::Linux).flat_map(|service| service.processes.iter().chain(service.units));
        (!nobody.contains(&program) && !ours.into_iter().any(|own| *own == program)).then_some(program)
    }

    /// Whether the questions come in by an interface of the server, or by a part of it (a bridge, a VRF).
    /// The way back may be by another one: where the address is, questions for it are likely to come in, too.
    fn comes_in_by(&self, device: &str) -> bool {
        let (Some(server), Some(by)) = (self.server, self.server_device()) else { return true };
        let evidence = server.evidence;
        evidence.inside.may_come_in_by(device, by, &evidence.addresses, self.address())
    }

    /// Returns the zone of the server's firewalld that the questions are in, and whether it is open.
    pub fn door(&self) -> Option<(&'a str, Door)> {
        let firewalld = self.server?.evidence.firewalld.as_ref()?;
        let from = self.from()?;
        let zone = firewalld.zone(from, self.server_device());
        Some((zone, firewalld.door(zone, IpNet::from(from), false)?))
    }

    /// Returns the zone of the server's firewalld that the questions are in.
    pub fn zone(&self) -> Option<&'a str> {
        let firewalld = self.server?.evidence.firewalld.as_ref()?;
        Some(firewalld.zone(self.from()?, self.server_device()))
    }

    /// Returns whether firewalld's own rules were read and let the questions in.
    pub fn firewalld_lets_in(&self) -> bool {
        let packet = self.server.zip(self.packet(true, false));
        packet.is_some_and(|(server, packet)| lets_in(&server.evidence.filter, &packet, true))
    }

    /// The interface of the server where the client's packets come in.
    fn server_device(&self) -> Option<&'a str> {
        let evidence = self.server?.evidence;
        if let Some(Route::By { device, .. }) = evidence.routes.get(&self.from()?) {
            return Some(device);
        }
        let address = self.address()?;
        evidence.addresses.iter().find(|(_, own)| *own == address).map(|(device, _)| device.as_str())
    }

    fn client_device(&self) -> Option<&'a str> {
        match self.client.evidence.routes.get(&self.address()?)? {
            Route::By { device, .. } => Some(device),
            Route::None(_) => None,
        }
    }

    /// Returns whether the source answers questions from port 123, where that is known.
    pub fn answers_123(&self) -> Option<bool> {
        let asked = self.answers.iter().filter_map(|answer| answer.from_123);
        asked.filter_map(Port123::answers).reduce(|one, other| one || other)
    }

    /// Returns the rule of either end that stops packets of a client that asks from a port, and
    /// lets those from another one pass.
    pub fn stop_of_port(&self, port: ClientPort, other: ClientPort) -> Option<(Patient<'a>, Stopped<'a>)> {
        let ends = [(Some(self.client), false), (self.server, true)];
        ends.into_iter().find_map(|(end, at_server)| {
            let end = end?;
            let stops = |port| {
                let stop = |answer| self.stop(end, Packet { port, ..self.packet(at_server, answer)? });
                stop(false).or_else(|| stop(true))
            };
            stops(port).filter(|_| stops(other).is_none()).map(|stop| (end, stop))
        })
    }

    /// Returns whether a rule that stops packets spares those from port 123, as the answers say, too:
    /// then the port is the cause.
    pub fn by_port(&self) -> bool {
        self.answers_123() == Some(true) && self.stop_of_port(ClientPort::Chosen, ClientPort::Ntp).is_some()
    }

    /// A packet of this link at the server, or at the client.
    fn packet(&self, at_server: bool, answer: bool) -> Option<Packet<'a>> {
        let (client, server) = (IpNet::from(self.from()?), IpNet::from(self.address()?));
        let (from, to) = if answer { (server, client) } else { (client, server) };
        let device = if at_server { self.server_device() } else { self.client_device() };
        // The questions are our own, and who answers them is the service.
        let sender = if at_server && answer { Sender::Service } else { Sender::Probe };
        let (service, port) = (Opening::default(), ClientPort::Chosen);
        Some(Packet { inbound: at_server != answer, answer, from, to, device, service, port, sender })
    }

    fn stop(&self, end: Patient<'a>, packet: Packet<'a>) -> Option<Stopped<'a>> {
        match walk::verdict(&end.evidence.filter, &packet, true) {
            Verdict::Stopped(stop) => Some(Stopped { stop: *stop, packet }),
            _ => None,
        }
    }

    /// Returns who stops the questions of the client's own time service, and not ours.
    pub fn stop_of_service(&self) -> Option<Stopped<'a>> {
        self.stop(self.client, Packet { sender: Sender::Service, ..self.packet(false, false)? })
    }

    /// Returns who stops the questions on the server.
    pub fn stop_at_server(&self) -> Option<Stopped<'a>> {
        self.stop(self.server?, self.packet(true, false)?)
    }

    /// Returns who stops the answers on the server.
    pub fn stop_of_answers(&self) -> Option<Stopped<'a>> {
        self.stop(self.server?, self.packet(true, true)?)
    }

    /// Returns who stops packets on the client: questions on their way out, or answers coming in.
    pub fn stop_at_client(&self, answer: bool) -> Option<Stopped<'a>> {
        self.stop(self.client, self.packet(false, answer)?)
    }

    /// Returns a rule of either end that might stop something, and is not understood.
    pub fn doubt(&self) -> Option<(&'a str, Doubt)> {
        self.doubt_from(ClientPort::Chosen)
    }

    /// As `doubt`, for a client that asks from a port.
    pub fn doubt_from(&self, port: ClientPort) -> Option<(&'a str, Doubt)> {
        let of = |end: Patient<'a>, at_server| {
            [false, true].into_iter().find_map(|answer| {
                let packet = Packet { port, ..self.packet(at_server, answer)? };
                match walk::verdict(&end.evidence.filter, &packet, true) {
                    Verdict::Maybe(doubt) => Some((end.name(), doubt)),
                    _ => None,
                }
            })
        };
        of(self.client, false).or_else(|| of(self.server?, true))
    }

    /// Returns the end of which something that decides about packets could not be read, and what that is.
    pub fn unread(&self) -> Option<(&'a str, Unread)> {
        let ends = [(Some(self.client), false), (self.server, true)];
        ends.into_iter().find_map(|(end, at_server)| {
            let end = end.filter(|end| end.evidence.windows().is_none())?;
            Some((end.name(), self.unread_at(end, at_server)?))
        })
    }

    fn unread_at(&self, end: Patient<'a>, at_server: bool) -> Option<Unread> {
        let device = if at_server { self.server_device() } else { self.client_device() };
        // Where it is not known who asks, a policy for anybody may be for them.
        let nobody = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
        let ends = (self.from().unwrap_or(nobody), self.address().unwrap_or(nobody));
        end.evidence.filter.unread(device, ends)
    }

    /// Returns whether all rules of the client are known, and none stops questions or answers.
    pub fn client_lets_pass(&self) -> bool {
        // What Windows lets out is not looked at.
        self.client.evidence.windows().is_none() && self.lets_pass(self.client, false)
    }

    /// Returns whether all rules of the server are known, and none stops questions or answers.
    pub fn server_lets_pass(&self) -> bool {
        self.server.is_some_and(|server| self.lets_pass(server, true))
    }

    fn lets_pass(&self, end: Patient<'a>, at_server: bool) -> bool {
        let passes = |answer| {
            let packet = self.packet(at_server, answer);
            packet.is_some_and(|packet| walk::verdict(&end.evidence.filter, &packet, true) == Verdict::Passes)
        };
        self.unread_at(end, at_server).is_none() && passes(false) && passes(true)
    }

    /// Returns whether the server's service allows the client; `None` when it cannot be told.
    pub fn access(&self) -> Option<bool> {
        self.server?.evidence.lets_ask(self.from()?)
    }

    /// Returns whether the server's service has seen the questions of this run.
    pub fn arrived(&self) -> bool {
        let Some((server, from)) = self.server.zip(self.from()) else { return false };
        let Some(ago) = server.evidence.askers.get(&from) else { return false };
        server.evidence.visitors.iter().any(|visitor| visitor.address == from && visitor.last <= *ago)
    }

    /// Returns what a missing answer is not, and how that is known.
    pub fn excluded(&self) -> Vec<String> {
        let mut list = Vec::new();
        let client = self.client.name();
        if let Some(Route::By { device, from: Some(from), .. }) =
            self.address().and_then(|to| self.client.evidence.routes.get(&to))
        {
            list.push(format!("no route: {client} sends by {device}, from {from} (ip route get)"));
        }
        if self.client_lets_pass() {
            list.push(no_rule_of(&self.client));
        }
        if let Some(server) = self.server {
            list.push(format!("a host that is down: {} answered our login", server.name()));
            match server.evidence.windows() {
                Some(facts) => self.exclude_windows(&server, facts, &mut list),
                None => self.exclude_server(&server, &mut list),
            }
        }
        list.extend(self.kernels_words());
        list
    }

    fn exclude_windows(&self, server: &Patient<'_>, facts: &WindowsFacts, list: &mut Vec<String>) {
        let name = server.name();
        if facts.running {
            list.push(format!("a service that is stopped: W32Time of {name} runs (sc query w32time)"));
        }
        match server.evidence.itself.as_ref() {
            Some(answer) if answer.usable() => {
                list.push(format!("a service that does not serve: W32Time of {name} answers {name} itself"));
            }
            Some(answer) => list.push(format!(
                "a firewall alone: {name} asked itself by 127.0.0.1, where no firewall is, and got: {}",
                answer.outcome
            )),
            None => {}
        }
        if !facts.firewall {
            list.push(format!("the firewall of {name}: all its profiles are off"));
        } else if let Some(windows_firewall::Door::Open(why)) = self.from().map(|from| facts.rules.door(from.into())) {
            list.push(format!("the firewall of {name}: {why}"));
        }
    }

    fn exclude_server(&self, server: &Patient<'_>, list: &mut Vec<String>) {
        let name = server.name();
        if let Some(listener) = self.listener().filter(|_| self.stolen_by().is_none()) {
            list.push(format!(
                "a service that does not listen: {} of {name} has 123/udp open (ss -nlup)",
                listener.program
            ));
        }
        if self.access() == Some(true) {
            list.push(format!("a service that refuses: {} of {name} allows the address", server.evidence.unit));
        }
        match self.door() {
            Some((zone, Door::Open)) => list.push(format!("firewalld of {name}: zone {zone} lets NTP in")),
            None if server.evidence.firewalld.is_none() => list.push(format!("firewalld of {name}: it does not run")),
            _ => {}
        }
        if self.server_lets_pass() {
            list.push(no_rule_of(server));
        }
    }
}

/// That no rule of a host stops packets, and how a person sees it there.
fn no_rule_of(host: &Patient<'_>) -> String {
    let listing = host.evidence.filter.listing();
    format!("the packet filter of {}: no rule stops questions or answers ({listing})", host.name())
}
