//! The rows of these settings, and how their values are read.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{ExtensionField, Leap, LeapSource, Log, RateLimit, Seconds};
use crate::facts::services::Ability;
use crate::inventory::kinds::{Boolean, List, Map, Needs, Words, number, types};
use crate::inventory::name::short;
use crate::inventory::node::{Kind, Node};
use crate::inventory::read::Reader;
use crate::inventory::settings::{Settings, set};
use crate::inventory::source::{SourceOptions, option};
use crate::inventory::table::{Row, Table, Type, keys, one};

/// The keys of a source, whatever time service asks it.
#[rustfmt::skip]
pub(in crate::inventory) const OF_SOURCE: &[Row<SourceOptions>] = &[
    Row { key: "burst", field: &option(|o| &mut o.tuning.burst, Needs(Ability::Burst, Boolean)), default: "`false`",
        doc: "Asks several times at each poll; for a server of your own, and a long `minpoll`." },
    Row { key: "version", field: &option(|o| &mut o.tuning.version, Needs(Ability::Version, number(1, 4, "1 to 4"))), default: "that of the time service, 4",
        doc: "The version of NTP in the questions, for an old server." },
    Row { key: "xleave", field: &option(|o| &mut o.tuning.xleave, Needs(Ability::Xleave, Boolean)), default: "`false`",
        doc: "Interleaved mode: the server says in its next answer when the last one really left." },
    Row { key: "noselect", field: &option(|o| &mut o.tuning.noselect, Needs(Ability::NoSelect, Boolean)), default: "`false`",
        doc: "It is measured, and the clock never follows it." },
    Row { key: "trust", field: &option(|o| &mut o.tuning.trust, Needs(Ability::Trust, Boolean)), default: "`false`",
        doc: "It is right: one that differs from it is not followed, however many they are." },
    Row { key: "require", field: &option(|o| &mut o.tuning.require, Needs(Ability::Require, Boolean)), default: "`false`",
        doc: "The clock follows nobody while this one cannot be followed." },
    Row { key: "offset", field: &option(|o| &mut o.tuning.offset, Needs(Ability::Offset, OffsetType)), default: "none",
        doc: "Added to what is measured, for a way that takes longer in one direction: `-1200us`." },
    Row { key: "maxdelay", field: &option(|o| &mut o.tuning.maxdelay, Needs(Ability::MaxDelay, LengthType)), default: "that of the time service, 3s",
        doc: "An answer that took longer does not count." },
    Row { key: "filter", field: &option(|o| &mut o.tuning.filter, Needs(Ability::Filter, number(1, 64, "1 to 64"))), default: "none",
        doc: "So many answers make one measurement, which is their median." },
    Row { key: "presend", field: &option(|o| &mut o.tuning.presend, Needs(Ability::Presend, number(1, 24, "1 to 24"))), default: "none",
        doc: "From this poll interval on, a power of two of a second, a question goes two seconds before the one that counts." },
    Row { key: "extfield", field: &option(|o| &mut o.tuning.extfield, Needs(Ability::ExtensionField, Words(FIELDS))), default: "none",
        doc: "An extension field of NTP; the server is a chronyd of 4.2 or later as well." },
];

/// The key of a pool.
#[rustfmt::skip]
pub(in crate::inventory) const OF_POOL: &[Row<SourceOptions>] = &[
    Row { key: "maxsources", field: &option(|o| &mut o.tuning.maxsources, Needs(Ability::MaxSources, number(1, 16, "1 to 16"))), default: "that of the time service, 4",
        doc: "So many servers of a `pool` are used." },
];

/// The keys of a host.
#[rustfmt::skip]
pub(in crate::inventory) const OF_HOST: &[Row<Settings>] = &[
    Row { key: "min_sources", field: &set(|s| &mut s.tuning.min_sources, Needs(Ability::MinSources, number(1, 64, "1 to 64"))), default: "that of the time service, 1",
        doc: "The clock is moved only while so many sources agree." },
    Row { key: "max_distance", field: &set(|s| &mut s.tuning.max_distance, Needs(Ability::MaxDistance, LengthType)), default: "that of the time service; 16s with a Windows server as a source",
        doc: "A source whose own error may be greater (half its root delay, and its root dispersion) is not followed." },
    Row { key: "bind", field: &set(|s| &mut s.tuning.bind, Needs(Ability::Bind, List(IpType, "address, or a list"))), default: "all",
        doc: "The host serves at these addresses of its own only, one of each family; the `time_address` of a master has to be among them." },
    Row { key: "client_port", field: &set(|s| &mut s.tuning.client_port, Needs(Ability::ClientPort, number(1, 65_535, "number"))), default: "one that the kernel chooses; ntpd and W32Time 123",
        doc: "The UDP port from which the host asks." },
    Row { key: "rate_limit", field: &set(|s| &mut s.tuning.rate_limit, RateLimitType), default: "`false`",
        doc: "A client that asks too often gets no answer." },
    Row { key: "leap", field: &set(|s| &mut s.tuning.leap, LeapType), default: "as the sources say",
        doc: "Where leap seconds are read, and whether a master smears them." },
    Row { key: "dscp", field: &set(|s| &mut s.tuning.dscp, Needs(Ability::Dscp, number(0, 63, "0 to 63"))), default: "that of the time service",
        doc: "The class of its packets, for networks that put some before others: 46 is expedited forwarding." },
    Row { key: "log", field: &set(|s| &mut s.tuning.log, List(LogType, "list of words")), default: "none",
        doc: "What the time service writes down, in its folder of logs: `measurements`, `raw`, `statistics`, `tracking`, `selection`, `refclocks`, `rtc`." },
];

#[rustfmt::skip]
pub(in crate::inventory) const RATE_LIMIT: Table<RateLimit> = &[&[
    Row { key: "interval", field: &one(|r: &mut RateLimit| &mut r.interval, number(0, 12, "0 to 12")), default: "that of the time service, 3",
        doc: "The mean time between two questions, a power of two of a second." },
    Row { key: "burst", field: &one(|r: &mut RateLimit| &mut r.burst, number(1, 255, "1 to 255")), default: "that of the time service, 8",
        doc: "So many may come at once." },
    Row { key: "leak", field: &one(|r: &mut RateLimit| &mut r.leak, number(1, 4, "1 to 4")), default: "that of the time service, 2",
        doc: "One of 2^`leak` questions beyond is answered all the same, by chance." },
]];

#[rustfmt::skip]
pub(in crate::inventory) const LEAP: Table<Leap> = &[&[
    Row { key: "source", field: &one(|l: &mut Leap| &mut l.source, LeapSourceType), default: "as the sources say",
        doc: "A zone of the system (`right/UTC`), or the file on the host that IERS and NIST publish (`/usr/share/zoneinfo/leap-seconds.list`)." },
    Row { key: "smear", field: &one(|l: &mut Leap| &mut l.smear, Boolean), default: "`false`",
        doc: "A master spreads a leap second over hours for those who ask it; all masters of a host do, or none." },
]];

const FIELDS: &[(&str, ExtensionField)] = &[("F323", ExtensionField::F323)];

const LOGS: &[(&str, Log)] = &[
    ("measurements", Log::Measurements),
    ("raw", Log::Raw),
    ("statistics", Log::Statistics),
    ("tracking", Log::Tracking),
    ("selection", Log::Selection),
    ("refclocks", Log::Refclocks),
    ("rtc", Log::Rtc),
];

types! {
    /// A length of time that may be negative.
    OffsetType: Seconds, Reader::offset, "duration, also negative", { "type": "string" };
    /// A length of time, not 0.
    LengthType: Seconds, Reader::length, "duration", { "type": "string" };
    /// An address of the host itself.
    IpType: IpAddr, Reader::ip, "address", { "type": "string" };
    /// A zone or a file.
    LeapSourceType: LeapSource, Reader::leap_source, "zone or path", { "type": "string" };
}

impl Reader<'_> {
    fn offset(&mut self, node: &Node, what: &str) -> Option<Seconds> {
        let text = self.text(node, what)?;
        let (sign, length) = text.strip_prefix('-').map_or((1, text.as_str()), |rest| (-1, rest));
        let nanos = humantime::parse_duration(length).ok().and_then(|length| i64::try_from(length.as_nanos()).ok());
        if nanos.is_none() {
            self.wrong(node.at, format!("{what}: `{}` is no duration; write 1200us, -3ms", short(&text)));
        }
        nanos.map(|nanos| Seconds(sign * nanos))
    }

    fn length(&mut self, node: &Node, what: &str) -> Option<Seconds> {
        let length = self.duration(node, what)?;
        match i64::try_from(length.as_nanos()) {
            Ok(nanos @ 1..) => return Some(Seconds(nanos)),
            Ok(_) => self.wrong(node.at, format!("{what}: 0 lets nothing through; write 100ms, 2s")),
            Err(_) => self.wrong(node.at, format!("{what}: that is longer than centuries; write 100ms, 2s")),
        }
        None
    }

    fn ip(&mut self, node: &Node, what: &str) -> Option<IpAddr> {
        let text = self.text(node, what)?;
        match text.parse::<IpAddr>() {
            Ok(ip) if !ip.is_unspecified() && !ip.is_multicast() => return Some(ip),
            Ok(_) => self.wrong(
                node.at,
                format!("{what}: `{text}` is no address of one machine; leave `bind` out to serve at all"),
            ),
            Err(_) => {
                self.wrong(node.at, format!("{what}: `{}` is no address; write one that the host has", short(&text)));
            }
        }
        None
    }

    /// What begins with a slash is a file. Neither may hold what ends a word of a configuration file.
    fn leap_source(&mut self, node: &Node, what: &str) -> Option<LeapSource> {
        let text = self.text(node, what)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
        if !text.chars().all(plain) || text.starts_with('-') {
            let why = "is neither a zone nor a path; write right/UTC, or /usr/share/zoneinfo/leap-seconds.list";
            self.wrong(node.at, format!("{what}: `{}` {why}", short(&text)));
            return None;
        }
        Some(if text.starts_with('/') { LeapSource::File(text) } else { LeapSource::Zone(text) })
    }
}

/// `true`, `false`, or a map.
pub(in crate::inventory) struct RateLimitType;

impl Type for RateLimitType {
    type Value = Option<RateLimit>;

    fn read(&self, reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Option<RateLimit>> {
        match node.kind {
            Kind::Map(_) => Map(RATE_LIMIT).read(reader, node, what).map(Some),
            _ => reader.boolean(node, what).map(|limited| limited.then(RateLimit::default)),
        }
    }

    fn words(&self) -> String {
        format!("`true`, `false`, {}", keys(RATE_LIMIT))
    }

    fn schema(&self) -> Value {
        json!({ "anyOf": [Boolean.schema(), Map(RATE_LIMIT).schema()] })
    }

    fn needs(&self, limit: &Option<RateLimit>) -> Vec<Ability> {
        let Some(limit) = limit else { return Vec::new() };
        let fine = limit.burst.is_some() || limit.leak.is_some();
        if fine { vec![Ability::RateLimit, Ability::RateLimitBurst] } else { vec![Ability::RateLimit] }
    }
}

/// The map of `leap`.
pub(in crate::inventory) struct LeapType;

impl Type for LeapType {
    type Value = Leap;

    fn read(&self, reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Leap> {
        Map(LEAP).read(reader, node, what)
    }

    fn words(&self) -> String {
        keys(LEAP)
    }

    fn schema(&self) -> Value {
        Map(LEAP).schema()
    }

    fn needs(&self, leap: &Leap) -> Vec<Ability> {
        let source = leap.source.as_ref().map(|source| match source {
            LeapSource::Zone(_) => Ability::LeapZone,
            LeapSource::File(_) => Ability::LeapFile,
        });
        source.into_iter().chain(leap.smear.filter(|smear| *smear).map(|_| Ability::Smear)).collect()
    }
}

/// A word of `log`.
pub(in crate::inventory) struct LogType;

impl Type for LogType {
    type Value = Log;

    fn read(&self, reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Log> {
        Words(LOGS).read(reader, node, what)
    }

    fn words(&self) -> String {
        Words(LOGS).words()
    }

    fn schema(&self) -> Value {
        Words(LOGS).schema()
    }

    fn needs(&self, log: &Log) -> Vec<Ability> {
        vec![match log {
            Log::Measurements | Log::Tracking | Log::Refclocks => Ability::Log,
            Log::Raw => Ability::LogRaw,
            Log::Statistics | Log::Rtc => Ability::LogStatistics,
            Log::Selection => Ability::LogSelection,
        }]
    }
}
