//! Which logins a host offers: read from its answer to a question without credentials. The WinRM crate
//! keeps the header to itself. Only over http: over https the question would need the handshake anew.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// As much of the answer as is looked at, bytes.
const MOST: u64 = 16 << 10;

/// A header names no more than a handful.
const LOGINS: usize = 8;

/// Asks; nothing where no answer comes in time.
pub(super) fn of(to: &str, timeout: Duration) -> Vec<String> {
    ask(to, timeout).map(|answer| offered(&answer)).unwrap_or_default()
}

fn ask(to: &str, timeout: Duration) -> std::io::Result<String> {
    let address = to.to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?;
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    write!(stream, "POST /wsman HTTP/1.1\r\nHost: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    let _ = stream.take(MOST).read_to_end(&mut answer);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// `WWW-Authenticate: Negotiate`, each scheme in a header of its own or several in one.
fn offered(answer: &str) -> Vec<String> {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("www-authenticate").then(|| value.to_owned())
    };
    let scheme = |part: &str| {
        let word = part.split_whitespace().next()?.to_owned();
        (word.len() <= 20 && word.chars().all(|c| c.is_ascii_alphanumeric())).then_some(word)
    };
    let values: Vec<String> = head.lines().filter_map(header).collect();
    values.iter().flat_map(|value| value.split(',')).filter_map(scheme).take(LOGINS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schemes_are_read_from_the_headers_only() {
        let answer = "HTTP/1.1 401 \r\nWWW-Authenticate: Kerberos\r\nwww-authenticate: Basic realm=\"WSMAN\"\r\n\r\nWWW-Authenticate: Negotiate";
        assert_eq!(offered(answer), ["Kerberos", "Basic"]);
        assert_eq!(offered("HTTP/1.1 401\r\nWWW-Authenticate: Negotiate, Kerberos, CredSSP\r\n\r\n").len(), 3);
        assert!(offered("HTTP/1.1 401\r\nWWW-Authenticate: \u{1b}[31mx\r\n").is_empty() && offered("").is_empty());
    }
}
