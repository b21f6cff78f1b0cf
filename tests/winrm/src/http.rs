//! HTTP/1.1, as much of it as WS-Man clients speak: POST with a length, connections kept.

use std::io::{self, BufRead, Read, Write};

/// A request, its body read whole.
pub(crate) struct Request {
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

const LARGEST_BODY: usize = 16 << 20;

impl Request {
    /// The next request of a connection; none at its end.
    pub(crate) fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(first) = line(from)? else { return Ok(None) };
        let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        while let Some(text) = line(from)?.filter(|text| !text.is_empty()) {
            if let Some((name, value)) = text.split_once(':') {
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
        let mut request = Self { target, headers, body: Vec::new() };
        let length: usize = request.header("content-length").parse().unwrap_or(0);
        if length > LARGEST_BODY {
            return Err(io::Error::other("body too large"));
        }
        request.body.resize(length, 0);
        from.read_exact(&mut request.body)?;
        Ok(Some(request))
    }

    /// The value of the header `name` (small letters), or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

fn line(from: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    if from.by_ref().take(64 << 10).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&bytes).trim_end().to_owned()))
}

/// An answer.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// An answer without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// An answer with a body of this type.
    pub(crate) fn with_body(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        Self { status, headers: vec![("Content-Type", content_type.to_owned())], body }
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Sends it; with `cut`, only that many bytes of the body.
    pub(crate) fn write(&self, to: &mut impl Write, cut: Option<usize>) -> io::Result<()> {
        let mut out = format!("HTTP/1.1 {} {}\r\nServer: Microsoft-HTTPAPI/2.0\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            out += &format!("{name}: {value}\r\n");
        }
        out += &format!("Content-Length: {}\r\n\r\n", self.body.len());
        let mut bytes = out.into_bytes();
        bytes.extend(&self.body[..cut.unwrap_or(usize::MAX).min(self.body.len())]);
        to.write_all(&bytes)?;
        to.flush()
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_request_after_the_other() {
        let mut bytes: &[u8] = b"POST /wsman HTTP/1.1\r\nContent-Length: 3\r\nA: b \r\n\r\nxyzPOST /b HTTP/1.1\r\n\r\n";
        let first = Request::read(&mut bytes).unwrap().unwrap();
        assert_eq!((first.target.as_str(), first.header("a"), first.body.as_slice()), ("/wsman", "b", &b"xyz"[..]));
        assert_eq!(Request::read(&mut bytes).unwrap().unwrap().target, "/b");
        assert!(Request::read(&mut bytes).unwrap().is_none());
    }
}
