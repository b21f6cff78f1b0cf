//! Where time comes from and goes to: the lines of `upstream`, `follows` and `serve`.

use ipnet::IpNet;
use serde_json::{Value, json};

use super::kinds::{Boolean, Number, Placed, number, types};
use super::mistaken::for_a_network;
use super::name::{is_given_name, is_itself, not_an_address, not_for_others, not_one_machine, reference_clock, short};
use super::node::{At, Kind, Node};
use super::read::Reader;
use super::schema;
use super::table::{One, Row, Table, Type, keys, one, rows};
use super::tuning::{OF_POOL, OF_SOURCE, SourceTuning};
use crate::facts::services::Ability;
use crate::model::MistakeCode;

/// One entry of `upstream` or `follows`: an address or a name of this file, with options.
#[derive(Debug, Clone)]
pub(super) struct SourceLine {
    pub(super) name: String,
    pub(super) at: At,
    /// Why its name is none of a server, unless a host or a group of this file is called so.
    pub(super) unless_known: Option<String>,
    pub(super) options: SourceOptions,
    /// What the time service has to be able to do for it, and where that is said.
    pub(super) needs: Vec<(Ability, At)>,
}

/// What an entry may say of the source, nothing filled in.
#[derive(Debug, Clone, Default)]
pub(super) struct SourceOptions {
    /// Taken out of it when the entry is complete.
    subject: Option<(SourceName, At)>,
    pub(super) prefer: Option<bool>,
    pub(super) iburst: Option<bool>,
    pub(super) minpoll: Option<i8>,
    pub(super) maxpoll: Option<i8>,
    pub(super) pool: Option<bool>,
    pub(super) windows: Option<bool>,
    pub(super) tuning: SourceTuning,
}

impl SourceOptions {
    /// Whether it is a name that stands for several servers.
    pub(super) fn is_pool(&self) -> bool {
        self.pool.unwrap_or_default()
    }
}

pub(super) const fn option<T: Type>(
    slot: fn(&mut SourceOptions) -> &mut Option<T::Value>,
    of: T,
) -> One<SourceOptions, T> {
    one(slot, of)
}

#[rustfmt::skip]
const ADDRESS: &[Row<SourceOptions>] = &[
    Row { key: "address", field: &option(|o| &mut o.subject, Placed(ServerType)), default: "none, must be said",
        doc: "The server, in `upstream`." },
];

#[rustfmt::skip]
const NAME: &[Row<SourceOptions>] = &[
    Row { key: "name", field: &option(|o| &mut o.subject, Placed(GivenNameType)), default: "none, must be said",
        doc: "The host or the group of this file, in `follows`." },
];

/// What any source may have.
#[rustfmt::skip]
const OPTIONS: &[Row<SourceOptions>] = &[
    Row { key: "prefer", field: &option(|o| &mut o.prefer, Boolean), default: "`false`",
        doc: "Preferred over the others when both are good." },
    Row { key: "iburst", field: &option(|o| &mut o.iburst, Boolean), default: "`true`",
        doc: "Asks quickly at the start." },
    Row { key: "minpoll", field: &option(|o| &mut o.minpoll, POLL), default: "that of the time service",
        doc: "The least time between two questions, as a power of two of a second; ntpd takes 3 to 17, W32Time 4 to 17." },
    Row { key: "maxpoll", field: &option(|o| &mut o.maxpoll, POLL), default: "that of the time service",
        doc: "The greatest." },
];

/// What only a server outside this file may have.
#[rustfmt::skip]
const OUTSIDE: &[Row<SourceOptions>] = &[
    Row { key: "pool", field: &option(|o| &mut o.pool, Boolean), default: "`false`",
        doc: "A name that stands for several servers; in `upstream`." },
    Row { key: "windows", field: &option(|o| &mut o.windows, Boolean), default: "`false`",
        doc: "A Windows server, which may claim an error of seconds; in `upstream`." },
];

/// What chrony takes; ntpd takes 3 to 17, and W32Time 4 to 17.
const POLL: Number<i8> = number(-6, 24, "-6 to 24");

/// A map of `upstream`.
pub(super) const UPSTREAM: Table<SourceOptions> = &[ADDRESS, OPTIONS, OF_SOURCE, OUTSIDE, OF_POOL];

/// A map of `follows`.
pub(super) const FOLLOWS: Table<SourceOptions> = &[NAME, OPTIONS, OF_SOURCE];

/// A name alone, or a map with its first row.
pub(super) struct SourceType(pub(super) Table<SourceOptions>);

impl SourceType {
    fn subject(&self) -> Option<&'static Row<SourceOptions>> {
        rows(self.0).next()
    }
}

impl Type for SourceType {
    type Value = SourceLine;

    fn read(&self, reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<SourceLine> {
        let mut options = SourceOptions::default();
        let needs = if matches!(node.kind, Kind::Map(_)) {
            reader.source_options(self.0, &mut options, node, what)
        } else {
            self.subject()?.field.read(&mut options, reader, node, what);
            Vec::new()
        };
        let ((name, unless_known), at) = options.subject.take()?;
        Some(SourceLine { name, at, unless_known, options, needs })
    }

    fn words(&self) -> String {
        format!("{}, {}", self.subject().map_or("", |row| row.key), keys(self.0))
    }

    fn schema(&self) -> Value {
        let name = self.subject().map(|row| row.field.schema());
        json!({ "anyOf": [name, schema::map(self.0)] })
    }
}

/// A name, and why it is none of a server unless this file gives it to somebody.
type SourceName = (String, Option<String>);

types! {
    /// A server, outside this file or in it.
    ServerType: SourceName, Reader::server, "address or name", { "type": ["string", "number"] };
    /// A name of this file.
    GivenNameType: SourceName, Reader::given_name, "group or host", { "type": ["string", "number"] };
    /// A network, or an address.
    NetworkType: IpNet, Reader::network, "network", { "type": "string" };
}

impl Reader<'_> {
    /// A host name or an address: what a daemon's configuration takes as one word.
    pub(super) fn address(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = self.text(node, what)?;
        match not_an_address(&text).or_else(|| not_one_machine(&text).map(str::to_owned)) {
            None => return Some(text),
            Some(why) => self.wrong(node.at, format!("{what}: `{}` {why}", short(&text))),
        }
        None
    }

    /// A name that this file gives to a host or a group.
    fn given_name(&mut self, node: &Node, what: &str) -> Option<SourceName> {
        let text = self.text(node, what)?;
        if is_given_name(&text) {
            return Some((text, None));
        }
        self.mistake(
            node.at,
            MistakeCode::UnknownName,
            format!("{what}: `{}` is no name of a host or a group", short(&text)),
        );
        None
    }

    /// Reads a map, and returns what the time service has to be able to do for it.
    fn source_options(
        &mut self,
        table: Table<SourceOptions>,
        options: &mut SourceOptions,
        node: &Node,
        what: &str,
    ) -> Vec<(Ability, At)> {
        let pairs = self.rows(table, options, node, what, &[]);
        let subject = rows(table).next().map_or("", |row| row.key);
        if !pairs.iter().any(|(key, _)| key.text == subject) {
            self.missing(node.at, format!("{what}: `{subject}` is missing"));
        }
        if let (Some(min), Some(max)) = (options.minpoll, options.maxpoll)
            && min > max
        {
            self.mistake(node.at, MistakeCode::Conflict, format!("{what}: minpoll {min} is above maxpoll {max}"));
        }
        let of = |key: &str| pairs.iter().find(|(known, _)| known.text == key).map(|(_, value)| value.at);
        if let Some(at) = of("maxsources").filter(|_| !options.is_pool()) {
            let why = "one server is one source; with `pool: true` a name stands for several";
            self.mistake(at, MistakeCode::Conflict, format!("{what}.maxsources: {why}"));
        }
        let mut needs = Vec::new();
        for (row, at) in rows(table).filter_map(|row| Some((row, of(row.key)?))) {
            needs.extend(row.field.needs(options).into_iter().map(|ability| (ability, at)));
        }
        needs
    }

    /// `upstream` leads out of this file, `follows` to names of it. A name in `upstream` that can only be one
    /// of this file is judged when all of them are known.
    fn server(&mut self, node: &Node, what: &str) -> Option<SourceName> {
        let text = self.text(node, what)?;
        match not_a_server(&text).map(|why| format!("{what}: `{}` {why}", short(&text))) {
            why @ Some(_) if is_given_name(&text) => Some((text, why)),
            Some(why) => {
                self.wrong(node.at, why);
                None
            }
            None => Some((text, None)),
        }
    }

    /// Where others ask a host for time.
    pub(super) fn time_address(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = self.address(node, what)?;
        match not_for_others(&text) {
            None => return Some(text),
            Some(why) => self.wrong(node.at, format!("{what}: `{text}` {why}")),
        }
        None
    }

    fn network(&mut self, node: &Node, what: &str) -> Option<IpNet> {
        let text = self.text(node, what)?;
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
        match network {
            Ok(network) if network.addr() == network.network() => return Some(network),
            Ok(network) => self.wrong(
                node.at,
                format!("{what}: `{text}` is an address in a network (did you mean `{}`?)", network.trunc()),
            ),
            Err(_) => self.wrong(node.at, format!("{what}: `{}` {}", short(&text), for_a_network(&text))),
        }
        None
    }
}

/// Why a text is nothing that a host could ask for time, and what to write instead.
fn not_a_server(text: &str) -> Option<String> {
    let own = "a master that goes on with its own clock says `isolated: true`, and needs no `upstream`";
    match (not_an_address(text), reference_clock(text)) {
        (why @ Some(_), _) => why,
        (None, Some(1)) => Some(format!("is ntpd's word for the host's own clock; {own}")),
        (None, Some(_)) => {
            let line =
                "a clock at the host itself is a line of `extra` (ntpd `server 127.127.28.0`, chrony `refclock SHM 0`)";
            Some(format!("is a reference clock of ntpd and no server; {line}, with `isolated: true`"))
        }
        (None, None) if is_itself(text) => Some(format!("is the host itself; {own}")),
        (None, None) => not_for_others(text).map(str::to_owned),
    }
}
