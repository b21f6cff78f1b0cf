//! Numbers of the kernel: `asm/unistd_64.h`, `asm-generic/unistd.h`, `linux/in.h`, `asm-generic/socket.h`.

/// Numbers of system calls.
#[cfg(target_arch = "x86_64")]
pub mod call {
    pub const WRITE: usize = 1;
    pub const SOCKET: usize = 41;
    pub const CONNECT: usize = 42;
    pub const BIND: usize = 49;
    pub const SENDTO: usize = 44;
    pub const RECVMSG: usize = 47;
    pub const SETSOCKOPT: usize = 54;
    pub const EXIT: usize = 231;
    pub const CLOCK_GETTIME: usize = 228;
    pub const PPOLL: usize = 271;
    pub const GETRANDOM: usize = 318;
    pub const CLOSE: usize = 3;
}
#[cfg(target_arch = "aarch64")]
pub mod call {
    pub const WRITE: usize = 64;
    pub const SOCKET: usize = 198;
    pub const CONNECT: usize = 203;
    pub const BIND: usize = 200;
    pub const SENDTO: usize = 206;
    pub const RECVMSG: usize = 212;
    pub const SETSOCKOPT: usize = 208;
    pub const EXIT: usize = 94;
    pub const CLOCK_GETTIME: usize = 113;
    pub const PPOLL: usize = 73;
    pub const GETRANDOM: usize = 278;
    pub const CLOSE: usize = 57;
}

pub const AF_INET: u16 = 2;
pub const AF_INET6: u16 = 10;
pub const SOCK_DGRAM: usize = 2;
pub const SOCK_RAW: usize = 3;
pub const IPPROTO_UDP: usize = 17;
pub const SOL_SOCKET: usize = 1;
pub const SO_REUSEADDR: usize = 2;
pub const SOL_IPV6: usize = 41;
pub const IPV6_CHECKSUM: usize = 7;
pub const IPV6_V6ONLY: usize = 26;
pub const SO_TIMESTAMPNS: usize = 35;
pub const CLOCK_REALTIME: usize = 0;
pub const CLOCK_MONOTONIC: usize = 1;
pub const POLLIN: i16 = 1;
pub const EPERM: isize = -1;
pub const EACCES: isize = -13;
pub const EADDRINUSE: isize = -98;
pub const ECONNREFUSED: isize = -111;
