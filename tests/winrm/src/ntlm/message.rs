//! The wire form of the NTLM messages (MS-NLMP 2.2.1).

/// Flags of MS-NLMP 2.2.2.5 that this side looks at or offers.
pub(crate) mod flag {
    pub(crate) const UNICODE: u32 = 1;
    pub(crate) const REQUEST_TARGET: u32 = 1 << 2;
    pub(crate) const SIGN: u32 = 1 << 4;
    pub(crate) const SEAL: u32 = 1 << 5;
    pub(crate) const NTLM: u32 = 1 << 9;
    pub(crate) const ALWAYS_SIGN: u32 = 1 << 15;
    pub(crate) const TARGET_TYPE_SERVER: u32 = 1 << 17;
    pub(crate) const EXTENDED_SESSION_SECURITY: u32 = 1 << 19;
    pub(crate) const TARGET_INFO: u32 = 1 << 23;
    pub(crate) const VERSION: u32 = 1 << 25;
    pub(crate) const STRENGTH_128: u32 = 1 << 29;
    pub(crate) const KEY_EXCHANGE: u32 = 1 << 30;
    pub(crate) const STRENGTH_56: u32 = 1 << 31;
}

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
const MIC: std::ops::Range<usize> = 72..88;
/// The fixed part of NTLMv2_CLIENT_CHALLENGE, and the proof before it.
const TARGET_INFO_IN_RESPONSE: usize = 16 + 28;
const AV_END: u16 = 0;
const AV_FLAGS: u16 = 6;
const AV_FLAG_MIC: u8 = 2;

/// Which of the three messages `bytes` is, or none.
pub(crate) fn kind(bytes: &[u8]) -> Option<u32> {
    bytes.starts_with(SIGNATURE).then(|| u32_at(bytes, 8)).flatten()
}

/// UTF-16LE, the form of every text in these messages.
pub(crate) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The text of such bytes.
pub(crate) fn from_utf16(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// A field whose length and offset stand at `at`.
fn field(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let start = u32_at(bytes, at + 4)? as usize;
    bytes.get(start..start + usize::from(u16_at(bytes, at)?))
}

/// The second message: the server's challenge, its name, its time and the flags it wants.
pub(crate) fn challenge(name: &str, challenge: [u8; 8], file_time: u64, flags: u32) -> Vec<u8> {
    const FIXED: usize = 56;
    let name = utf16(name);
    let mut info = Vec::new();
    for (id, value) in [
        (2u16, name.clone()),
        (1, name.clone()),
        (4, name.clone()),
        (3, name.clone()),
        (7, file_time.to_le_bytes().to_vec()),
        (AV_END, vec![]),
    ] {
        info.extend(id.to_le_bytes());
        info.extend((value.len() as u16).to_le_bytes());
        info.extend(value);
    }
    let mut message = SIGNATURE.to_vec();
    message.extend(2u32.to_le_bytes());
    message.extend(descriptor(name.len(), FIXED));
    message.extend(flags.to_le_bytes());
    message.extend(challenge);
    message.extend([0; 8]);
    message.extend(descriptor(info.len(), FIXED + name.len()));
    message.extend([6, 1, 0xb1, 0x1d, 0, 0, 0, 15]); // 6.1.7601, NTLM revision 15.
    message.extend(name);
    message.extend(info);
    message
}

fn descriptor(length: usize, offset: usize) -> [u8; 8] {
    let [a, b] = (length as u16).to_le_bytes();
    let [c, d, e, f] = (offset as u32).to_le_bytes();
    [a, b, a, b, c, d, e, f]
}

/// What the third message says.
pub(crate) struct Authenticate<'a> {
    pub(crate) response: &'a [u8],
    pub(crate) domain: &'a [u8],
    pub(crate) user: String,
    pub(crate) session_key: &'a [u8],
    pub(crate) flags: u32,
    /// The integrity code, if the client says that it sent one.
    pub(crate) mic: Option<[u8; 16]>,
}

impl<'a> Authenticate<'a> {
    /// Reads the message; none if a field lies outside of it or is missing.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let response = field(bytes, 20)?;
        let has_mic =
            av_pair(response, AV_FLAGS).is_some_and(|flags| flags.first().is_some_and(|f| f & AV_FLAG_MIC != 0));
        let mic = if has_mic { Some(bytes.get(MIC)?.try_into().ok()?) } else { None };
        Some(Self {
            response,
            domain: field(bytes, 28)?,
            user: from_utf16(field(bytes, 36)?),
            session_key: field(bytes, 52)?,
            flags: u32_at(bytes, 60)?,
            mic,
        })
    }
}

/// The message with its integrity code zeroed: the form over which the code is made.
pub(crate) fn without_mic(bytes: &[u8]) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    if let Some(mic) = copy.get_mut(MIC) {
        mic.fill(0);
    }
    copy
}

fn av_pair(response: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut at = TARGET_INFO_IN_RESPONSE;
    loop {
        let id = u16_at(response, at)?;
        let value = response.get(at + 4..at + 4 + usize::from(u16_at(response, at + 2)?))?;
        match id {
            AV_END => return None,
            id if id == wanted => return Some(value),
            _ => at += 4 + value.len(),
        }
    }
}
