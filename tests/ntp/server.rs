//! An NTP server on loopback that answers as it is told: right, wrong, late, forged, not at all, or
//! not as often as it is asked.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fleetclock::ntp::timestamp::Timestamp;

/// How the server behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// Its clock minus the true one, nanoseconds.
    pub(crate) offset: i64,
    pub(crate) stratum: u8,
    pub(crate) leap: u8,
    pub(crate) reference: [u8; 4],
    /// What it announces as its precision, log2 seconds.
    pub(crate) precision: i8,
    /// The step in which its clock goes, nanoseconds.
    pub(crate) grain: i64,
    /// Its root dispersion in units of 2^-16 s; its root delay is twice that.
    pub(crate) root: u32,
    /// Extra time on the way to the server, and back.
    pub(crate) delay_there: Duration,
    pub(crate) delay_back: Duration,
    /// Answers every n-th request only.
    pub(crate) every: usize,
    /// What is sent before, or instead of, the true answer.
    pub(crate) trick: Trick,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trick {
    None,
    /// Never answers.
    Silence,
    /// Three bytes first.
    Short,
    /// 48 random bytes first.
    Garbage,
    /// An answer with another origin first, a second off.
    Forged,
    /// Only forged answers.
    ForgedOnly,
    /// Limits the rate as ntpd's `restrict ... limited kod` does.
    Limited,
    /// A good answer, and kisses from then on.
    GoodThenRate,
}

pub(crate) const RIGHT: Manner = Manner {
    offset: 0,
    stratum: 2,
    leap: 0,
    reference: [10, 0, 0, 1],
    precision: -24,
    grain: 1,
    root: 512,
    delay_there: Duration::ZERO,
    delay_back: Duration::ZERO,
    every: 1,
    trick: Trick::None,
};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn start(manner: Manner) -> Self {
        Self::on(UdpSocket::bind("127.0.0.1:0").unwrap(), manner)
    }

    pub(crate) fn on(socket: UdpSocket, manner: Manner) -> Self {
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let address = socket.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        std::thread::spawn(move || serve(&socket, manner, &flag));
        Server { address, stop }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn serve(socket: &UdpSocket, manner: Manner, stop: &AtomicBool) {
    let mut buffer = [0; 256];
    let (mut count, mut limit) = (0, Limit::default());
    while !stop.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        assert!(length == 48 && buffer[0] & 7 == 3, "a client asks with 48 bytes of mode 3");
        rest(manner.delay_there);
        count += 1;
        let kiss = match manner.trick {
            Trick::Limited => limit.kisses(),
            Trick::GoodThenRate => count > 1,
            _ => false,
        };
        let manner = if kiss { Manner { stratum: 0, leap: 3, reference: *b"RATE", ..manner } } else { manner };
        if count % manner.every == 0 {
            let packets = answers(&buffer[40..48], manner);
            rest(manner.delay_back);
            for packet in packets {
                socket.send_to(&packet, from).unwrap();
            }
        }
    }
}

/// The rate limit of ntpd 4.2.6 to 4.2.8 with `discard average 3 minimum 2` (`ntp_monitor.c`): a
/// leaky bucket, and two seconds between two questions, of which one is forgiven.
#[derive(Default)]
struct Limit {
    last: Option<Instant>,
    leak: i64,
}

impl Limit {
    fn kisses(&mut self) -> bool {
        let last = self.last.replace(Instant::now());
        let Some(last) = last else { return false };
        let interval = (last.elapsed().as_secs_f64() + 0.5) as i64;
        self.leak = (self.leak - interval).max(0);
        if interval >= 1 && self.leak + 8 < 64 {
            self.leak += 6;
            return false;
        }
        self.leak = self.leak.max(72);
        true
    }
}

#[expect(clippy::disallowed_methods, reason = "a slow network is what is tested")]
pub(crate) fn rest(time: Duration) {
    std::thread::sleep(time);
}

fn answers(token: &[u8], manner: Manner) -> Vec<Vec<u8>> {
    let right = answer(token, manner, 0);
    match manner.trick {
        Trick::None | Trick::Limited | Trick::GoodThenRate => vec![right],
        Trick::Silence => vec![],
        Trick::Short => vec![vec![0x24, 1, 2], right],
        Trick::Garbage => vec![(0..48u8).map(|i| i.wrapping_mul(7).wrapping_add(3)).collect(), right],
        Trick::Forged => vec![answer(&[1; 8], manner, 1_000_000_000), right],
        Trick::ForgedOnly => vec![answer(&[1; 8], manner, 1_000_000_000)],
    }
}

fn answer(token: &[u8], manner: Manner, lie: i64) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let nanos = i128::try_from(now.as_nanos()).unwrap() + i128::from(manner.offset) + i128::from(lie);
    let nanos = nanos.div_euclid(i128::from(manner.grain)) * i128::from(manner.grain);
    let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap();
    let stamp = Timestamp::from_unix(seconds, u32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap());
    let mut packet = vec![0; 48];
    packet[0] = manner.leap << 6 | 0b100_100;
    packet[1] = manner.stratum;
    packet[3] = manner.precision as u8;
    packet[4..8].copy_from_slice(&(manner.root * 2).to_be_bytes());
    packet[8..12].copy_from_slice(&manner.root.to_be_bytes());
    packet[12..16].copy_from_slice(&manner.reference);
    packet[24..32].copy_from_slice(token);
    packet[32..40].copy_from_slice(&stamp.to_bits().to_be_bytes());
    packet[40..48].copy_from_slice(&stamp.to_bits().to_be_bytes());
    packet
}
