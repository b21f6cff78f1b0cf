//! What systemd-timesyncd says of itself: its properties on the bus, in the words of `busctl`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result};

use crate::facts::services::TIMESYNCD;
use crate::model::{DaemonReport, Slice};
use crate::provider::{DaemonStatus, PATIENCE, Peer};

/// Microseconds as seconds.
const MICRO: f64 = 1e-6;

/// How much older than its polls the last answer may be, seconds: a question may be repeated, and clocks tick.
const SLACK: u64 = 10;

/// Leap indicator of a server that is not synchronised.
const NOT_SYNCHRONISED: u64 = 3;

/// The properties in one line: `a{sv} N "Name" TYPE VALUE ...`.
struct Properties<'a>(&'a str);

impl<'a> Properties<'a> {
    /// What stands behind a name and its type.
    fn after(&self, name: &str, kind: &str) -> Option<&'a str> {
        let mark = format!("\"{name}\" {kind} ");
        self.0.find(&mark).and_then(|at| self.0.get(at + mark.len()..))
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.after(name, "t")?.split(' ').next()?.parse().ok()
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.after(name, "s")?.strip_prefix('"')?.split('"').next().filter(|text| !text.is_empty())
    }

    /// `2 4 10 0 0 1`: a family, how many numbers, and these; none before it has looked for a server.
    fn address(&self) -> Option<IpAddr> {
        let mut words = self.after("ServerAddress", "(iay)")?.split(' ').map(str::parse::<u16>).map_while(Result::ok);
        let (_, count) = (words.next()?, usize::from(words.next()?));
        let bytes: Vec<u8> = words.take(count).map(u8::try_from).collect::<Result<_, _>>().ok()?;
        match bytes.len() {
            4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
            16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
            _ => None,
        }
    }

    fn message(&self) -> Option<Message> {
        Message::read(self.after("NTPMessage", "(uuuuittayttttbtt)")?)
    }
}

/// The last answer that was taken.
struct Message {
    leap: u64,
    stratum: u8,
    root_delay: f64,
    root_dispersion: f64,
    offset: f64,
}

impl Message {
    /// leap, version, mode, stratum, precision, root delay, root dispersion, the reference as bytes with their number
    /// before them, four times, whether it was left out as a spike, how many came, jitter. `None` if none came.
    fn read(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let mut number = || words.next()?.parse::<f64>().ok();
        let (leap, _, _, stratum, _) = (number()?, number()?, number()?, number()?, number()?);
        let (delay, dispersion) = (number()?, number()?);
        let reference = number()?;
        for _ in 0..reference as u32 {
            number()?;
        }
        let (sent, received, answered, came) = (number()?, number()?, number()?, number()?);
        words.next()?;
        let count: u64 = words.next()?.parse().ok()?;
        (count > 0).then_some(Message {
            leap: leap as u64,
            stratum: stratum as u8,
            root_delay: delay * MICRO,
            root_dispersion: dispersion * MICRO,
            offset: f64::midpoint(received - sent, answered - came) * MICRO,
        })
    }
}

/// A line that begins with a word and ends with a number.
fn line(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Reads the properties, when it took its last answer, and the clock of the host.
pub(super) fn read(seen: &Slice) -> Result<DaemonStatus> {
    if seen.status != 0 {
        return Ok(silent(seen));
    }
    let properties = seen.stdout.lines().find(|line| line.starts_with("a{sv} "));
    let properties = Properties(properties.with_context(|| format!("busctl printed `{}`", seen.stdout.trim()))?);
    let every_s = properties.number("PollIntervalUSec").map(|micro| micro / 1_000_000);
    let age = line(&seen.stdout, "taken").zip(line(&seen.stdout, "now")).map(|(taken, now)| now.saturating_sub(taken));
    let message = properties.message().filter(|message| message.leap != NOT_SYNCHRONISED);
    let fresh = |age: u64| age <= every_s.unwrap_or(0) * u64::from(PATIENCE) + SLACK;
    let follows = message.is_some() && age.is_some_and(fresh);
    let name = properties.text("ServerName");
    let address = properties.address().map(|address| address.to_string()).or_else(|| name.map(str::to_owned));
    let peer = address.map(|address| Peer {
        address,
        name: name.map(str::to_owned),
        selected: follows,
        mark: if follows { '*' } else { '?' },
        // It has no register; one that it has lost counts as not heard.
        reach: (!follows).then_some(0),
        last_s: age.filter(|_| message.is_some()),
        every_s,
        ..Peer::default()
    });
    let detail = if follows { String::new() } else { why_not(peer.as_ref()) };
    let measured = message.filter(|_| follows);
    let report = DaemonReport {
        provider: TIMESYNCD.name.to_owned(),
        synchronised: follows,
        source: peer.as_ref().filter(|_| follows).map(|peer| peer.address.clone()),
        stratum: measured.as_ref().map(|message| message.stratum.saturating_add(1)),
        offset_s: measured.as_ref().map(|message| message.offset),
        root_dispersion_s: measured.as_ref().map(|message| message.root_dispersion),
        root_delay_s: measured.as_ref().map(|message| message.root_delay),
        since_s: age.filter(|_| follows).map(|age| age as f64),
        refid: None,
        own_clock: false,
        detail,
    };
    Ok(DaemonStatus { report, peers: peer.into_iter().collect() })
}

fn why_not(peer: Option<&Peer>) -> String {
    match peer.map(|peer| (&peer.address, peer.last_s)) {
        None => "it has no server to ask".to_owned(),
        Some((address, None)) => format!("{address} has not answered it"),
        Some((address, Some(age))) => format!("its last answer came {age} s ago, and it asks {address} now"),
    }
}

fn silent(seen: &Slice) -> DaemonStatus {
    let words = if seen.stdout.trim().is_empty() { &seen.stderr } else { &seen.stdout };
    DaemonStatus::silent(TIMESYNCD.name, words.trim().to_owned())
}
