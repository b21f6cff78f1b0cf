//! The probe that travels: asks an NTP server from the host it is put on, prints a JSON object,
//! and needs nothing of the host but a Linux kernel.
//!
//! `probe SAMPLES TRIES TIMEOUT_MS LIMIT_NS PORTS NAME=ADDRESS`. PORTS is what `ports.rs` says. Exit
//! status 0: the server serves synchronised time within the limit; 1: it does not; 2: the arguments
//! are wrong.
//!
//! Compiled by `build.rs` without any library, so that it stays a few kilobytes.
#![no_std]
#![no_main]
#![no_builtins]
#![allow(dead_code)] // The shared files offer more than this program uses.

#[path = "../src/ntp/error.rs"]
mod error;
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

use exchange::{HEADWAY, Manner, Measurement};
use ports::Ports;
use system::Stdout;

fn run<'a>(mut arguments: impl Iterator<Item = &'a str>) -> Option<i32> {
    let manner = Manner {
        samples: arguments.next()?.parse().ok()?,
        tries: arguments.next()?.parse().ok()?,
        timeout: arguments.next()?.parse::<i64>().ok()?.checked_mul(1_000_000)?,
        limit: arguments.next()?.parse().ok()?,
        headway: HEADWAY,
    };
    let ports = Ports::read(arguments.next()?)?;
    let (name, text) = arguments.next()?.rsplit_once('=')?;
    let address = match text.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, 123),
        Err(_) => text.parse().ok()?,
    };
    let (m, from_123) = ports::ask(&address, ports, &manner);
    // Standard output may be gone; there is nobody left to tell.
    let within = m.error_bound().is_some_and(|bound| bound <= manner.limit);
    let _ = print(&mut Stdout::new(), name, text, &m, (within, from_123));
    Some(i32::from(!within))
}

fn print(out: &mut Stdout, name: &str, address: &str, m: &Measurement, (within, from_123): (bool, Option<&str>)) -> core::fmt::Result {
    write!(out, "{{\"probe\":\"static\",\"source\":\"{name}\",\"address\":\"{address}\",\"outcome\":\"{}\"", m.outcome.word())?;
    write!(out, ",\"sent\":{},\"received\":{},\"ignored\":{}", m.sent, m.received, m.ignored)?;
    if let Some(code) = m.kiss {
        out.write_str(",\"kiss\":\"")?;
        for byte in code {
            out.write_char(if byte.is_ascii_alphanumeric() { byte as char } else { '?' })?;
        }
        out.write_str("\"")?;
    }
    if let Some(reply) = &m.reply {
        write!(out, ",\"stratum\":{},\"leap\":{},\"refid\":\"{:08x}\"", reply.stratum, reply.leap, u32::from_be_bytes(reply.reference))?;
    }
    if let Some(best) = &m.best {
        write!(out, ",\"offset_ns\":{},\"delay_ns\":{},\"spread_ns\":{}", best.offset, best.delay, m.spread)?;
        write!(out, ",\"root_delay_ns\":{},\"root_dispersion_ns\":{}", best.reply.root_delay, best.reply.root_dispersion)?;
        write!(out, ",\"dispersion_ns\":{}", best.dispersion)?;
    }
    if let Some(bound) = m.error_bound() {
        write!(out, ",\"error_bound_ns\":{bound},\"within\":{within}")?;
    }
    if let Some(word) = from_123 {
        write!(out, ",\"from_123\":\"{word}\"")?;
    }
    out.write_str("}\n")
}
