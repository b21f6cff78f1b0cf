//! The probe that travels: asks NTP servers from the host it is put on, prints a JSON object
//! for each, and needs nothing of the host but a Linux kernel.
//!
//! `probe SAMPLES TIMEOUT_MS LIMIT_NS PORTS NAME=ADDRESS...`. PORTS is what `ports.rs` says. Exit
//! status 0: at least one server serves synchronised time within the limit; 1: none; 2: the
//! arguments are wrong.
//!
//! Compiled by `build.rs` without any library, so that it stays a few kilobytes.
#![no_std]
#![no_main]
#![no_builtins]
#![allow(dead_code)] // The shared files offer more than this program uses.

#[path = "../src/ntp/exchange.rs"]
mod exchange;
mod numbers;
#[path = "../src/ntp/packet.rs"]
mod packet;
mod ports;
mod system;
#[path = "../src/ntp/timestamp.rs"]
mod timestamp;

use core::fmt::Write;
use core::net::{IpAddr, SocketAddr};

use exchange::{Measurement, Outcome, measure};
use ports::Ports;
use system::{Port, Socket, Stdout};

struct Options {
    samples: u32,
    timeout: i64,
    limit: i64,
    ports: Ports,
}

fn run<'a>(mut arguments: impl Iterator<Item = &'a str>) -> Option<i32> {
    let options = Options {
        samples: arguments.next()?.parse().ok()?,
        timeout: arguments.next()?.parse::<i64>().ok()?.checked_mul(1_000_000)?,
        limit: arguments.next()?.parse().ok()?,
        ports: Ports::read(arguments.next()?)?,
    };
    let mut status = 1;
    for argument in arguments {
        let (name, address) = argument.rsplit_once('=')?;
        if probe(name, address, &options)? {
            status = 0;
        }
    }
    Some(status)
}

fn probe(name: &str, text: &str, options: &Options) -> Option<bool> {
    let address = match text.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, 123),
        Err(_) => text.parse().ok()?,
    };
    let m = match Socket::connect(&address, Port::Any) {
        Ok(mut socket) => measure(&mut socket, options.samples, options.timeout),
        Err(_) => Measurement { outcome: Outcome::Unreachable, sent: 0, received: 0, ignored: 0, best: None, spread: 0 },
    };
    let from_123 = ports::from_123(&address, options.ports, m.received > 0, options.timeout);
    // Standard output may be gone; there is nobody left to tell.
    let _ = print(&mut Stdout::new(), name, text, &m, from_123);
    Some(m.outcome == Outcome::Ok && m.best.is_some_and(|best| best.error_bound() <= options.limit))
}

fn print(out: &mut Stdout, name: &str, address: &str, m: &Measurement, from_123: Option<&str>) -> core::fmt::Result {
    write!(out, "{{\"probe\":\"static\",\"source\":\"{name}\",\"address\":\"{address}\",\"outcome\":\"{}\"", m.outcome.word())?;
    write!(out, ",\"sent\":{},\"received\":{},\"ignored\":{}", m.sent, m.received, m.ignored)?;
    if let Outcome::Kiss(code) = m.outcome {
        out.write_str(",\"kiss\":\"")?;
        for byte in code {
            out.write_char(if byte.is_ascii_alphanumeric() { byte as char } else { '?' })?;
        }
        out.write_str("\"")?;
    }
    if let Some(best) = &m.best {
        let reply = &best.reply;
        write!(out, ",\"stratum\":{},\"leap\":{},\"refid\":\"{:08x}\"", reply.stratum, reply.leap, u32::from_be_bytes(reply.reference))?;
        write!(out, ",\"offset_ns\":{},\"delay_ns\":{},\"spread_ns\":{}", best.offset, best.delay, m.spread)?;
        write!(out, ",\"root_delay_ns\":{},\"root_dispersion_ns\":{}", reply.root_delay, reply.root_dispersion)?;
        write!(out, ",\"error_bound_ns\":{}", best.error_bound())?;
    }
    if let Some(word) = from_123 {
        write!(out, ",\"from_123\":\"{word}\"")?;
    }
    out.write_str("}\n")
}
