//! The console of a Windows host writes in the code page of its country. Only people read what
//! is decoded here: no decision is made on words.

use encoding_rs::{BIG5, EUC_KR, Encoding, GBK, SHIFT_JIS, WINDOWS_1251, WINDOWS_1252};
use oem_cp::code_table::{DECODING_TABLE_CP437, DECODING_TABLE_CP850, DECODING_TABLE_CP852, DECODING_TABLE_CP866};

/// Ends the answer to [`super::CODE_PAGE`].
pub(super) const MARK: &str = "fleetclock-begins";

/// The number of a code page; 65001 is UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CodePage(u32);

impl Default for CodePage {
    fn default() -> Self {
        CodePage(65001)
    }
}

impl CodePage {
    /// Reads the code page in front of the mark, and takes both away from the output.
    pub(super) fn take(stdout: &mut Vec<u8>) -> Self {
        let Some(at) = stdout.windows(MARK.len()).position(|window| window == MARK.as_bytes()) else {
            return CodePage::default();
        };
        let rest = stdout.split_off(at);
        let head = std::mem::replace(stdout, rest);
        let end = stdout.iter().position(|byte| *byte == b'\n').map_or(stdout.len(), |end| end + 1);
        stdout.drain(..end);
        // The console's own answer first; where it has none (0), the system's.
        numbers(&head).find(|number| *number > 0).map_or_else(CodePage::default, CodePage)
    }

    /// Decodes: UTF-8 where it is UTF-8, else the code page, and never fails.
    pub(super) fn decode(self, bytes: &[u8]) -> String {
        let text = match (std::str::from_utf8(bytes), self.encoding()) {
            (Ok(text), _) => text.to_owned(),
            (Err(_), Some(encoding)) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
            (Err(_), None) => self.single_bytes(bytes),
        };
        text.replace("\r\n", "\n")
    }

    fn encoding(self) -> Option<&'static Encoding> {
        match self.0 {
            932 => Some(SHIFT_JIS),
            936 => Some(GBK),
            949 => Some(EUC_KR),
            950 => Some(BIG5),
            1251 => Some(WINDOWS_1251),
            1252 => Some(WINDOWS_1252),
            _ => None,
        }
    }

    fn single_bytes(self, bytes: &[u8]) -> String {
        let table = match self.0 {
            850 => &DECODING_TABLE_CP850,
            852 => &DECODING_TABLE_CP852,
            866 => &DECODING_TABLE_CP866,
            437 => &DECODING_TABLE_CP437,
            _ => return String::from_utf8_lossy(bytes).into_owned(),
        };
        oem_cp::decode_string_complete_table(bytes, table)
    }
}

/// Begins what a PowerShell writes to its error output when nobody looks: a document, and no text.
const CLIXML: &[u8] = b"#< CLIXML";

/// The same with such documents replaced by what they say.
pub(super) fn without_clixml(bytes: Vec<u8>) -> Vec<u8> {
    if !bytes.windows(CLIXML.len()).any(|window| window == CLIXML) {
        return bytes;
    }
    let mut decoder = winrm_rs::StderrDecoder::new();
    let mut text = decoder.push(&bytes);
    text.extend(decoder.finish());
    text
}

/// The last number of each line: `Active code page: 949`, `    OEMCP    REG_SZ    949`.
fn numbers(head: &[u8]) -> impl Iterator<Item = u32> {
    head.split(|byte| *byte == b'\n').filter_map(|line| {
        let line = line.trim_ascii_end();
        let start = line.iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |at| at + 1);
        std::str::from_utf8(line.get(start..)?).ok()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(head: &[u8]) -> (CodePage, Vec<u8>) {
        let mut stdout = head.to_vec();
        stdout.extend_from_slice(b"fleetclock-begins\r\nrest\r\n");
        let page = CodePage::take(&mut stdout);
        (page, stdout)
    }

    #[test]
    fn the_console_says_its_code_page_in_any_language() {
        let korean =
            [b"\xc8\xb0\xbc\xba \xc4\xda\xb5\xe5: 949\r\n".as_slice(), b"    OEMCP    REG_SZ    437\r\n"].concat();
        assert_eq!(taken(&korean), (CodePage(949), b"rest\r\n".to_vec()));
    }

    #[test]
    fn a_console_without_an_answer_leaves_it_to_the_system() {
        let head =
            b"Active code page: 0\r\n\r\nHKEY_LOCAL_MACHINE\\...\\CodePage\r\n    OEMCP    REG_SZ    949\r\n\r\n";
        assert_eq!(taken(head).0, CodePage(949));
    }

    #[test]
    fn korean_bytes_become_korean_text_and_lines_end_as_ours() {
        // "지정한 키" in code page 949.
        let bytes = b"\xc1\xf6\xc1\xa4\xc7\xd1 \xc5\xb0\r\n";
        assert_eq!(CodePage(949).decode(bytes), "지정한 키\n");
        assert_eq!(CodePage(437).decode(b"\x81"), "ü");
        assert_eq!(CodePage(949).decode("이미 UTF-8".as_bytes()), "이미 UTF-8");
    }
}
