//! What package files are packed with, told by how it begins; unpacking it shows whether it is whole.

use std::io::{Error, Read, Result, Write, copy};

use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

/// Most that is unpacked, bytes.
const MOST: u64 = 1 << 30;

/// Memory for one file that is packed with xz, KiB: that of its most thorough level.
const MEMORY_KIB: u32 = 80 << 10;

/// Unpacks all of it; what is packed in a way that is not known here is taken as it is.
pub(super) fn unpack(bytes: &[u8], to: &mut impl Write) -> Result<()> {
    match bytes {
        [0x1f, 0x8b, ..] => all(MultiGzDecoder::new(bytes), to),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => all(XzReader::new_mem_limit(bytes, true, MEMORY_KIB), to),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => zstandard(bytes, to),
        _ => to.write_all(bytes),
    }
}

fn all(from: impl Read, to: &mut impl Write) -> Result<()> {
    match copy(&mut from.take(MOST), to)? {
        MOST => Err(Error::other("it unpacks to more than 1 GiB")),
        _ => Ok(()),
    }
}

/// One frame after the other, each with a checksum if whoever packed it wanted one.
fn zstandard(mut bytes: &[u8], to: &mut impl Write) -> Result<()> {
    while !bytes.is_empty() {
        let mut frame = StreamingDecoder::new(&mut bytes).map_err(Error::other)?;
        all(&mut frame, to)?;
        let decoder = &frame.decoder;
        if let (Some(said), Some(found)) = (decoder.get_checksum_from_data(), decoder.get_calculated_checksum())
            && said != found
        {
            return Err(Error::other("its checksum is another one"));
        }
    }
    Ok(())
}
