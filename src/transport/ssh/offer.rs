//! What a server offers in a negotiation that failed. libssh2 says no more than that there was nothing
//! in common; so the server is asked once more, and its first packet is read here.

use std::io::{Read, Write};
use std::time::Instant;

/// The lists of which client and server need a common member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Kex,
    HostKey,
    Cipher,
    Mac,
}

/// In the order in which they are negotiated.
pub(super) const LISTS: [List; 4] = [List::Kex, List::HostKey, List::Cipher, List::Mac];

impl List {
    /// What a member is called.
    pub(super) fn words(self) -> &'static str {
        match self {
            List::Kex => "key exchange",
            List::HostKey => "type of host key",
            List::Cipher => "cipher",
            List::Mac => "MAC",
        }
    }

    /// The setting of an sshd that decides.
    pub(super) fn setting(self) -> &'static str {
        match self {
            List::Kex => "KexAlgorithms",
            List::HostKey => "HostKeyAlgorithms",
            List::Cipher => "Ciphers",
            List::Mac => "MACs",
        }
    }
}

/// The names that a server offers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Offers([Vec<String>; 4]);

/// A list without a common member.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Disagreement {
    pub(super) list: List,
    pub(super) theirs: Vec<String>,
    pub(super) ours: Vec<String>,
}

impl Offers {
    fn of(&self, list: List) -> &[String] {
        match list {
            List::Kex => &self.0[0],
            List::HostKey => &self.0[1],
            List::Cipher => &self.0[2],
            List::Mac => &self.0[3],
        }
    }

    /// The first list of which nothing is among ours.
    pub(super) fn disagreement(&self, ours: impl Fn(List) -> Vec<String>) -> Option<Disagreement> {
        for list in LISTS {
            let (theirs, ours) = (self.of(list).to_vec(), ours(list));
            let common = ours.iter().find(|name| theirs.contains(name));
            match common {
                None => return Some(Disagreement { list, theirs, ours }),
                // These bring their own integrity, and no MAC is negotiated.
                Some(cipher) if list == List::Cipher && is_sealed(cipher) => return None,
                Some(_) => {}
            }
        }
        None
    }
}

fn is_sealed(cipher: &str) -> bool {
    cipher.contains("-gcm@") || cipher.starts_with("chacha20-poly1305")
}

/// Words of a list that are signs between programs, and no algorithms.
pub(super) fn is_sign(name: &str) -> bool {
    name.starts_with("ext-info-") || name.starts_with("kex-strict-")
}

/// Longest greeting before the packet, bytes (RFC 4253 section 4.2 lets a server say other lines first).
const GREETING: usize = 8 << 10;

/// Longest packet, bytes; those of real servers have one or two thousand.
const PACKET: usize = 64 << 10;

/// Our side of the greeting.
const NAME: &[u8] = b"SSH-2.0-fleetclock_asks_what_you_offer\r\n";

/// Greets a server and reads what it offers; `None` is a server that does not say it in time.
pub(super) fn ask(stream: &mut (impl Read + Write), deadline: Instant) -> Option<Offers> {
    stream.write_all(NAME).ok()?;
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match payload(&bytes) {
            Progress::Whole(payload) => return parse(payload),
            Progress::Nonsense => return None,
            Progress::More if Instant::now() >= deadline => return None,
            Progress::More => {}
        }
        match stream.read(&mut piece).ok()? {
            0 => return None,
            count => bytes.extend_from_slice(piece.get(..count)?),
        }
    }
}

/// What a server offers by the first bytes that it sent.
pub(super) fn heard(bytes: &[u8]) -> Option<Offers> {
    match payload(bytes) {
        Progress::Whole(payload) => parse(payload),
        Progress::More | Progress::Nonsense => None,
    }
}

/// The most that is worth hearing of a server to know its offers, bytes.
pub(super) const LONGEST: usize = GREETING + PACKET;

/// How much of the server's first packet is there.
#[derive(Debug)]
enum Progress<'a> {
    More,
    Nonsense,
    Whole(&'a [u8]),
}

/// Finds the payload of the first packet behind the greeting (RFC 4253 sections 4.2 and 6).
fn payload(bytes: &[u8]) -> Progress<'_> {
    let mut rest = bytes;
    loop {
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            return if bytes.len() > GREETING { Progress::Nonsense } else { Progress::More };
        };
        let (line, behind) = rest.split_at(end + 1);
        rest = behind;
        if line.starts_with(b"SSH-") {
            break;
        }
    }
    let Some(length) = rest.first_chunk::<4>() else { return Progress::More };
    let length = u32::from_be_bytes(*length) as usize;
    if !(2..=PACKET).contains(&length) {
        return Progress::Nonsense;
    }
    let Some(packet) = rest.get(4..4 + length) else { return Progress::More };
    let padding = packet.first().map_or(0, |count| usize::from(*count));
    packet.get(1..length.saturating_sub(padding)).map_or(Progress::Nonsense, Progress::Whole)
}

/// Reads SSH_MSG_KEXINIT (RFC 4253 section 7.1): a number, a cookie of 16 bytes, ten lists of names.
fn parse(payload: &[u8]) -> Option<Offers> {
    const KEXINIT: u8 = 20;
    let (number, mut rest) = payload.split_first()?;
    rest = rest.get(16..)?;
    if *number != KEXINIT {
        return None;
    }
    let mut lists = Vec::new();
    for _ in 0..6 {
        let length = u32::from_be_bytes(*rest.first_chunk::<4>()?) as usize;
        lists.push(names(rest.get(4..)?.get(..length)?));
        rest = rest.get(4 + length..)?;
    }
    // Kex, host key, ciphers to the server and back, MACs to the server and back.
    let [kex, host_key, cipher, _, mac, _] = <[Vec<String>; 6]>::try_from(lists).ok()?;
    Some(Offers([kex, host_key, cipher, mac]))
}

/// The names of a list; what is no printable ASCII is no name.
fn names(list: &[u8]) -> Vec<String> {
    let printable = |name: &&[u8]| !name.is_empty() && name.len() <= 64 && name.iter().all(u8::is_ascii_graphic);
    let names = list.split(|byte| *byte == b',').filter(printable);
    names.map(|name| String::from_utf8_lossy(name).into_owned()).filter(|name| !is_sign(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The greeting and the first packet of a server that offers these lists.
    fn wire(lists: &[&str]) -> Vec<u8> {
        let mut payload = vec![20];
        payload.extend([7; 16]);
        for list in lists {
            payload.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
            payload.extend(list.as_bytes());
        }
        payload.extend([0; 5]);
        let mut wire = b"Authorized use only.\r\nSSH-2.0-OpenSSH_10.0\r\n".to_vec();
        wire.extend(u32::try_from(payload.len() + 1 + 4).unwrap().to_be_bytes());
        wire.push(4);
        wire.extend(&payload);
        wire.extend([0; 4]);
        wire
    }

    fn offers(lists: &[&str]) -> Option<Offers> {
        heard(&wire(lists))
    }

    const SERVER: [&str; 8] = [
        "mlkem768x25519-sha256,ext-info-s,kex-strict-s-v00@openssh.com",
        "rsa-sha2-512,rsa-sha2-256",
        "aes256-gcm@openssh.com,aes256-ctr",
        "aes256-ctr",
        "hmac-sha2-512",
        "hmac-sha2-512",
        "none",
        "none",
    ];

    fn ours(kex: &str, host_key: &str, cipher: &str, mac: &str) -> Option<(List, String)> {
        let found = offers(&SERVER).unwrap().disagreement(|list| {
            let list = match list {
                List::Kex => kex,
                List::HostKey => host_key,
                List::Cipher => cipher,
                List::Mac => mac,
            };
            list.split(',').map(str::to_owned).collect()
        });
        found.map(|found| (found.list, found.theirs.join(",")))
    }

    #[test]
    fn the_list_without_a_common_member_is_found() {
        let (kex, host, cipher) = ("mlkem768x25519-sha256", "rsa-sha2-256", "aes256-ctr");
        assert_eq!(ours(kex, host, cipher, "hmac-sha2-512"), None);
        assert_eq!(ours("curve25519-sha256", host, cipher, ""), Some((List::Kex, kex.into())));
        assert_eq!(ours(kex, "ssh-ed25519", cipher, ""), Some((List::HostKey, SERVER[1].into())));
        assert_eq!(ours(kex, host, "3des-cbc", ""), Some((List::Cipher, SERVER[2].into())));
        assert_eq!(ours(kex, host, cipher, "hmac-md5"), Some((List::Mac, "hmac-sha2-512".into())));
        // A sealed cipher needs none.
        assert_eq!(ours(kex, host, "aes256-gcm@openssh.com", "hmac-md5"), None);
    }

    #[test]
    fn a_packet_that_is_cut_is_waited_for_and_one_of_another_kind_is_nothing() {
        let wire = wire(&SERVER);
        for cut in 0..wire.len() {
            assert!(matches!(payload(&wire[..cut]), Progress::More), "{cut}");
        }
        let Progress::Whole(whole) = payload(&wire) else { panic!("not whole") };
        for cut in 0..whole.len() - 40 {
            assert_eq!(parse(&whole[..cut]), None, "{cut}");
        }
        assert_eq!(parse(&[&[21], &whole[1..]].concat()), None);
        assert!(matches!(payload(b"SSH-2.0-x\n\xff\xff\xff\xff"), Progress::Nonsense));
        assert!(matches!(payload(&[b'x'; GREETING + 1]), Progress::Nonsense));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, tail in any::<[u8; 200]>()) {
            let _ = parse(&bytes);
            let _ = payload(&bytes);
            let _ = payload(&[b"SSH-2.0-x\r\n\0\0\0\x60".as_slice(), &tail].concat());
            let _ = parse(&[&[20; 17], tail.as_slice()].concat());
        }
    }
}
