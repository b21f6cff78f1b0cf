//! The kernel, without a library in between. The only unsafe code of the project: each block
//! hands the kernel pointers to live values of the length that it is told.

use core::arch::{asm, global_asm};
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::panic::PanicInfo;

use crate::exchange::{Trouble, Wire, least_step};
use crate::numbers::*;
use crate::packet::LENGTH;
use crate::timestamp::Timestamp;

#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "mov rdi, rsp", "and rsp, -16", "call {main}", main = sym start);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x29, #0", "mov x0, sp", "bl {main}", main = sym start);

/// The UDP port of NTP.
const NTP: u16 = 123;

/// Length of a UDP header.
const UDP: usize = 8;

fn syscall(number: usize, a: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: the kernel reads and writes only the memory that the callers below own and describe.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result, in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
            in("r10") a[3], in("r8") a[4], in("r9") a[5], lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a[0] as isize => result, in("x1") a[1], in("x2") a[2],
            in("x3") a[3], in("x4") a[4], in("x5") a[5], options(nostack));
    }
    result
}

fn address_of<T>(value: &T) -> usize {
    core::ptr::from_ref(value) as usize
}

/// The kernel's `struct timespec`.
#[repr(C)]
#[derive(Default, Clone, Copy)]
struct Time {
    seconds: i64,
    nanos: i64,
}

fn clock(id: usize) -> Time {
    let mut time = Time::default();
    syscall(call::CLOCK_GETTIME, [id, core::ptr::from_mut(&mut time) as usize, 0, 0, 0, 0]);
    time
}

/// The first code that runs: `stack` is what the kernel left, argc and then argv.
unsafe extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: the kernel puts argc and argc pointers to strings that end in zero there (System V ABI).
    let arguments = unsafe { core::slice::from_raw_parts(stack.add(1).cast::<*const core::ffi::c_char>(), *stack) };
    let words = arguments.iter().skip(1).map(|word| {
        // SAFETY: as above.
        unsafe { core::ffi::CStr::from_ptr(*word) }.to_str().unwrap_or("")
    });
    exit(crate::run(words).unwrap_or(2))
}

fn exit(status: i32) -> ! {
    loop {
        syscall(call::EXIT, [status as usize, 0, 0, 0, 0, 0]);
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    exit(3)
}

/// A line, written in one call when it is complete.
pub struct Stdout {
    line: [u8; 1024],
    length: usize,
}

impl Stdout {
    pub fn new() -> Self {
        Stdout { line: [0; 1024], length: 0 }
    }
}

impl fmt::Write for Stdout {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.line.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        if text.ends_with('\n') {
            syscall(call::WRITE, [1, self.line.as_ptr() as usize, self.length, 0, 0, 0]);
            self.length = 0;
        }
        Ok(())
    }
}

/// Waits.
pub fn pause(nanoseconds: i64) {
    let nanoseconds = nanoseconds.max(0);
    let limit = Time { seconds: nanoseconds / 1_000_000_000, nanos: nanoseconds % 1_000_000_000 };
    syscall(call::PPOLL, [0, 0, address_of(&limit), 0, 8, 0]);
}

/// The port that questions come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// One that the kernel chooses.
    Any,
    /// 123.
    Ntp,
    /// 123, past a program that holds it: this socket writes the UDP header itself.
    NtpRaw,
}

/// A connected socket with the kernel's receive timestamps.
pub struct Socket {
    descriptor: usize,
    port: Port,
    /// The port of the server.
    to: u16,
    six: bool,
}

impl Socket {
    pub fn connect(address: &SocketAddr, port: Port) -> Result<Self, Trouble> {
        let family = if address.is_ipv4() { AF_INET } else { AF_INET6 };
        let (kind, protocol) = if port == Port::NtpRaw { (SOCK_RAW, IPPROTO_UDP) } else { (SOCK_DGRAM, 0) };
        let descriptor = syscall(call::SOCKET, [family as usize, kind, protocol, 0, 0, 0]);
        let descriptor = usize::try_from(descriptor).map_err(|_| trouble(descriptor))?;
        let socket = Socket { descriptor, port, to: address.port(), six: address.is_ipv6() };
        socket.set(SOL_SOCKET, SO_TIMESTAMPNS, 1);
        socket.bind()?;
        // A raw socket has no port of its own.
        let (bytes, length) = encode(&SocketAddr::new(address.ip(), if port == Port::NtpRaw { 0 } else { address.port() }));
        match syscall(call::CONNECT, [descriptor, bytes.as_ptr() as usize, length, 0, 0, 0]) {
            0 => Ok(socket),
            result => Err(trouble(result)),
        }
    }

    /// Takes port 123 beside a chronyd that serves, which lets others have it (`SO_REUSEADDR`); the
    /// answers come here, for a connected socket comes before one that is not.
    fn bind(&self) -> Result<(), Trouble> {
        if self.port == Port::NtpRaw && self.six {
            self.set(SOL_IPV6, IPV6_CHECKSUM, 6);
        }
        if self.port != Port::Ntp {
            return Ok(());
        }
        self.set(SOL_SOCKET, SO_REUSEADDR, 1);
        let any = if self.six { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
        if self.six {
            self.set(SOL_IPV6, IPV6_V6ONLY, 1);
        }
        let (bytes, length) = encode(&SocketAddr::new(any, NTP));
        match syscall(call::BIND, [self.descriptor, bytes.as_ptr() as usize, length, 0, 0, 0]) {
            0 => Ok(()),
            result => Err(trouble(result)),
        }
    }

    fn set(&self, level: usize, option: usize, value: i32) {
        syscall(call::SETSOCKOPT, [self.descriptor, level, option, address_of(&value), 4, 0]);
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Trouble> {
        let sent = syscall(call::SENDTO, [self.descriptor, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0]);
        match sent {
            0.. => Ok(()),
            ECONNREFUSED => Err(Trouble::Refused),
            EPERM => Err(Trouble::Filtered),
            _ => Err(Trouble::Unreachable),
        }
    }

    /// A packet behind its UDP header, whose checksum is none (IPv4) or the kernel's affair (IPv6).
    fn write_raw(&self, packet: &[u8; LENGTH]) -> Result<(), Trouble> {
        let mut datagram = [0u8; UDP + LENGTH];
        datagram[..2].copy_from_slice(&NTP.to_be_bytes());
        datagram[2..4].copy_from_slice(&self.to.to_be_bytes());
        datagram[4..6].copy_from_slice(&((UDP + LENGTH) as u16).to_be_bytes());
        datagram[UDP..].copy_from_slice(packet);
        self.write(&datagram)
    }

    /// Moves the packet to the front of what a raw socket has received, and returns its length; 0
    /// for what is meant for another port.
    fn strip(&self, buffer: &mut [u8; 128], length: usize) -> usize {
        // IPv4 comes with its header, IPv6 without.
        let header = if self.six { 0 } else { usize::from(buffer[0] & 15) * 4 };
        let start = header + UDP;
        let from = u16::from_be_bytes([buffer[header], buffer[header + 1]]);
        let to = u16::from_be_bytes([buffer[header + 2], buffer[header + 3]]);
        if length <= start || from != self.to || to != NTP {
            return 0;
        }
        buffer.copy_within(start..length.min(128), 0);
        length.min(128) - start
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        syscall(call::CLOSE, [self.descriptor, 0, 0, 0, 0, 0]);
    }
}

/// `struct sockaddr_in` or `sockaddr_in6`.
fn encode(address: &SocketAddr) -> ([u8; 28], usize) {
    let mut bytes = [0; 28];
    bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
    match address {
        SocketAddr::V4(v4) => {
            bytes[..2].copy_from_slice(&AF_INET.to_ne_bytes());
            bytes[4..8].copy_from_slice(&v4.ip().octets());
            (bytes, 16)
        }
        SocketAddr::V6(v6) => {
            bytes[..2].copy_from_slice(&AF_INET6.to_ne_bytes());
            bytes[8..24].copy_from_slice(&v6.ip().octets());
            (bytes, 28)
        }
    }
}

#[repr(C)]
struct Poll {
    descriptor: i32,
    wanted: i16,
    seen: i16,
}

#[repr(C)]
struct Vector {
    base: usize,
    length: usize,
}

/// The kernel's `struct msghdr`.
#[repr(C)]
struct Message {
    name: usize,
    name_length: usize,
    vectors: usize,
    count: usize,
    control: usize,
    control_length: usize,
    flags: usize,
}

/// The one control message that we ask for: header and time.
#[repr(C)]
#[derive(Default)]
struct Control {
    length: usize,
    level: i32,
    kind: i32,
    time: Time,
    spare: [u64; 4],
}

fn trouble(result: isize) -> Trouble {
    match result {
        ECONNREFUSED => Trouble::Refused,
        EADDRINUSE => Trouble::Held,
        EACCES | EPERM => Trouble::Forbidden,
        _ => Trouble::Unreachable,
    }
}

fn system_time() -> Timestamp {
    let time = clock(CLOCK_REALTIME);
    Timestamp::from_unix(time.seconds, time.nanos as u32)
}

impl Wire for Socket {
    fn now(&mut self) -> Timestamp {
        system_time()
    }

    fn rest(&mut self, nanoseconds: i64) {
        pause(nanoseconds);
    }

    fn grain(&mut self) -> i64 {
        least_step(&mut system_time)
    }

    fn steady(&mut self) -> i64 {
        let time = clock(CLOCK_MONOTONIC);
        time.seconds.wrapping_mul(1_000_000_000).wrapping_add(time.nanos)
    }

    fn token(&mut self) -> u64 {
        let mut token = [0u8; 8];
        let got = syscall(call::GETRANDOM, [token.as_mut_ptr() as usize, 8, 0, 0, 0, 0]);
        // Kernels before 3.17 have no such call; the clock's nanoseconds are the next best thing.
        if got == 8 { u64::from_ne_bytes(token) } else { self.steady() as u64 ^ (clock(CLOCK_REALTIME).nanos as u64) << 32 }
    }

    fn send(&mut self, packet: &[u8; LENGTH]) -> Result<(), Trouble> {
        if self.port == Port::NtpRaw { self.write_raw(packet) } else { self.write(packet) }
    }

    fn receive(&mut self, buffer: &mut [u8; 128], timeout: i64) -> Result<Option<(usize, Timestamp)>, Trouble> {
        let mut poll = Poll { descriptor: self.descriptor as i32, wanted: POLLIN, seen: 0 };
        let limit = Time { seconds: timeout / 1_000_000_000, nanos: timeout % 1_000_000_000 };
        let poll_address = core::ptr::from_mut(&mut poll) as usize;
        if syscall(call::PPOLL, [poll_address, 1, address_of(&limit), 0, 8, 0]) <= 0 {
            return Ok(None);
        }
        let mut control = Control::default();
        let vector = Vector { base: buffer.as_mut_ptr() as usize, length: buffer.len() };
        let mut message = Message {
            name: 0,
            name_length: 0,
            vectors: address_of(&vector),
            count: 1,
            control: core::ptr::from_mut(&mut control) as usize,
            control_length: size_of::<Control>(),
            flags: 0,
        };
        let got = syscall(call::RECVMSG, [self.descriptor, core::ptr::from_mut(&mut message) as usize, 0, 0, 0, 0]);
        let Ok(length) = usize::try_from(got) else { return Err(trouble(got)) };
        let length = if self.port == Port::NtpRaw { self.strip(buffer, length) } else { length };
        let stamped = control.level == SOL_SOCKET as i32 && control.kind == SO_TIMESTAMPNS as i32;
        let time = if stamped { control.time } else { clock(CLOCK_REALTIME) };
        Ok(Some((length, Timestamp::from_unix(time.seconds, time.nanos as u32))))
    }
}

// The compiler calls these four; there is no library that has them.

/// # Safety
/// As C's memcpy.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    for index in 0..count {
        // SAFETY: the caller promises `count` bytes at both.
        unsafe { *to.add(index) = *from.add(index) };
    }
    to
}

/// # Safety
/// As C's memmove.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    if (to as usize) < from as usize {
        // SAFETY: as the caller promises.
        return unsafe { memcpy(to, from, count) };
    }
    for index in (0..count).rev() {
        // SAFETY: as the caller promises.
        unsafe { *to.add(index) = *from.add(index) };
    }
    to
}

/// # Safety
/// As C's memset.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, value: i32, count: usize) -> *mut u8 {
    for index in 0..count {
        // SAFETY: the caller promises `count` bytes.
        unsafe { *to.add(index) = value as u8 };
    }
    to
}

/// # Safety
/// As C's memcmp.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    for index in 0..count {
        // SAFETY: the caller promises `count` bytes at both.
        let (l, r) = unsafe { (*left.add(index), *right.add(index)) };
        if l != r {
            return i32::from(l) - i32::from(r);
        }
    }
    0
}

/// # Safety
/// As C's strlen.
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut length = 0;
    // SAFETY: the caller promises a zero at the end.
    while unsafe { *text.add(length) } != 0 {
        length += 1;
    }
    length
}
