//! Firewalls that tell questions from port 123 from those of other ports.

use super::zones::element;
use super::{Find, ROW, Rule, Severity};
use crate::doctor::link::Stopped;
use crate::doctor::{Link, Patient, Seen};
use crate::firewall::ClientPort;
use crate::firewall::advice::{Place, advice};

/// What keeps a host from its source.
pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "FC056",
        title: "Only questions from port 123 get through",
        cause: "{where} lets NTP pass only from source port 123, or only what it remembers as a flow from before it was closed; chronyd, timesyncd and `ntpdate -u` ask from other ports.",
        fix: "{remedy}",
        find: Find::Link(only_123),
        ..ROW
    },
    Rule {
        code: "FC057",
        title: "Questions from port 123 do not get through",
        cause: "{where} drops NTP from source port 123, and `{service}` on {client} asks from there.",
        fix: "{remedy}",
        find: Find::Link(not_123),
        ..ROW
    },
];

/// What does not hurt this client, but will others.
pub(super) const OTHERS: &[Rule] = &[Rule {
    code: "FC058",
    severity: Severity::Warning,
    title: "Questions from port 123 would not get through",
    cause: "{where} drops NTP from source port 123; `{service}` on {client} asks from another one, ntpd and W32Time would not.",
    fix: "{remedy}",
    find: Find::Link(others_not_123),
    ..ROW
}];

/// Both ports were asked from, and one alone is answered.
fn differs(link: &Link<'_>, stopped: ClientPort, seen: Seen) -> Seen {
    let port = if stopped == ClientPort::Ntp { "source port 123" } else { "source ports other than 123" };
    let other = if stopped == ClientPort::Ntp { ClientPort::Chosen } else { ClientPort::Ntp };
    match link.stop_of_port(stopped, other) {
        Some((end, stop)) => by_rule(link, &end, &stop, seen),
        None => {
            let ends = format!("between {} and {}", link.client.name(), link.server_name());
            let mut remedy = format!("let 123/udp from {port} pass on the routers and firewalls {ends}");
            let mut place = format!("A firewall {ends}");
            let unsure = link.unsure_of_port(stopped);
            if let Some((name, what)) = &unsure {
                remedy = format!("on {name}: {}", what.look(&format!("lets 123/udp from {port} pass"), &remedy));
                place = format!("Either {what} on {name}, which was not judged, or a firewall {ends},");
            }
            let host = if link.server.is_some() { link.server_name() } else { link.client.name() };
            Seen { host: host.to_owned(), about: ends, ..seen }
                .with("service", link.client.evidence.unit.as_str())
                .with("where", place)
                .with("remedy", remedy)
                .excluding(link.excluded())
                .perhaps(unsure.is_some())
        }
    }
}

fn by_rule(link: &Link<'_>, end: &Patient<'_>, stopped: &Stopped<'_>, seen: Seen) -> Seen {
    let Stopped { stop, packet } = stopped;
    let about = format!("{} {}", stop.place(), stop.words());
    let evidence = format!("{}; {}: {}", seen.evidence, stop.place(), stop.words());
    let shown = Seen { about, evidence, excluded: seen.excluded, ..end.seen("filter", "") };
    let element = element(end);
    let place = link.zone().map(|zone| Place { zone, element: &element });
    let advice = advice(&end.evidence.filter, stop, packet, place);
    link.name_both(shown)
        .with("service", link.client.evidence.unit.as_str())
        .with("where", format!("A rule of {} on {}", advice.owner, end.name()))
        .with("remedy", format!("on {}: {}", end.name(), advice.words))
}

fn only_123(link: &Link<'_>) -> Option<Seen> {
    let other = link.is_silent() && link.answers_123() == Some(true);
    let text = format!("from another port {} got: {}; from port 123 an answer", link.client.name(), link.outcome());
    other.then(|| differs(link, ClientPort::Chosen, link.name_both(link.client.seen("probe", text))))
}

/// The source answers, but not from port 123.
fn deaf_to_123(link: &Link<'_>) -> Option<Seen> {
    let deaf = link.works() && link.answers_123() == Some(false);
    let text = format!("from another port {} got an answer, from port 123 three times none", link.client.name());
    deaf.then(|| differs(link, ClientPort::Ntp, link.name_both(link.client.seen("probe", text))))
}

/// Whether the service of the client asks from there.
fn asks_from_123(client: &Patient<'_>) -> bool {
    client.evidence.asks_from_123() || client.evidence.config.value("acquisitionport") == Some("123")
}

fn not_123(link: &Link<'_>) -> Option<Seen> {
    deaf_to_123(link).filter(|_| asks_from_123(&link.client))
}

fn others_not_123(link: &Link<'_>) -> Option<Seen> {
    deaf_to_123(link).filter(|_| !asks_from_123(&link.client))
}
