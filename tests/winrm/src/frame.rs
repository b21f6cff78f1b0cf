//! The multipart frame around an encrypted body (MS-WSMV 2.2.9.1).

/// The content type of a framed body.
pub(crate) const CONTENT_TYPE: &str =
    "multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\";boundary=\"Encrypted Boundary\"";
const STREAM: &[u8] = b"application/octet-stream\r\n";
const SIGNATURE: usize = 16;

/// Signature and encrypted bytes of a framed body. An error if Windows would not read it.
pub(crate) fn open(body: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let start = body.windows(STREAM.len()).position(|w| w == STREAM).ok_or("no octet-stream part")? + STREAM.len();
    let head = String::from_utf8_lossy(&body[..start]);
    let length = head.split("Length=").nth(1).and_then(|rest| rest.split("\r\n").next());
    let length: usize = length.and_then(|text| text.parse().ok()).ok_or("no Length of the original content")?;
    let (size, rest) = body[start..].split_at_checked(4).ok_or("no signature")?;
    if size != (SIGNATURE as u32).to_le_bytes() {
        return Err("the signature has not 16 bytes".into());
    }
    let (signature, rest) = rest.split_at_checked(SIGNATURE).ok_or("the signature is cut off")?;
    let (sealed, rest) = rest.split_at_checked(length).ok_or("shorter than its Length")?;
    match rest.starts_with(b"--Encrypted Boundary--") {
        true => Ok((signature, sealed)),
        false => Err("bytes before the closing boundary".into()),
    }
}

/// The framed body of a message that was `length` bytes long.
pub(crate) fn close(length: usize, signature: &[u8], sealed: &[u8]) -> Vec<u8> {
    let mut body = format!(
        "--Encrypted Boundary\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n\
         \tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={length}\r\n\
         --Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n"
    )
    .into_bytes();
    body.extend((SIGNATURE as u32).to_le_bytes());
    body.extend(signature);
    body.extend(sealed);
    body.extend(b"--Encrypted Boundary--\r\n");
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_closed_opens() {
        let body = close(3, &[7; 16], b"abc");
        assert_eq!(open(&body).unwrap(), (&[7u8; 16][..], &b"abc"[..]));
    }

    #[test]
    fn a_line_end_before_the_last_boundary_is_refused() {
        let body = close(3, &[7; 16], b"abc\r\n");
        assert_eq!(open(&body).unwrap_err(), "bytes before the closing boundary");
    }
}
