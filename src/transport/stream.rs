//! One output of a script, up to the mark that ends it.

/// The longest line that may follow the mark, bytes: it holds an exit status.
const LONGEST_STATUS: usize = 32;

/// One output, up to the mark that ends it.
#[derive(Default)]
pub(super) struct Stream {
    pub(super) bytes: Vec<u8>,
    /// Where the mark may begin.
    from: usize,
    /// What stood behind the mark.
    pub(super) ended: Option<String>,
}

impl Stream {
    /// Takes bytes in; the mark and what follows it are no output.
    pub(super) fn push(&mut self, bytes: &[u8], mark: &str) {
        self.bytes.extend_from_slice(bytes);
        let rest = self.bytes.get(self.from..).unwrap_or_default();
        let Some(at) = find(rest, mark.as_bytes()) else {
            self.from = self.bytes.len().saturating_sub(mark.len());
            return;
        };
        let behind = rest.get(at + mark.len()..).unwrap_or_default();
        if let Some(end) = behind.iter().position(|byte| *byte == b'\n') {
            self.ended = Some(String::from_utf8_lossy(behind.get(..end).unwrap_or_default()).trim().to_owned());
            self.bytes.truncate(self.from + at);
        } else if behind.len() > LONGEST_STATUS {
            self.from += at + mark.len();
        } else {
            self.from += at;
        }
    }

    /// Takes away what came before the script.
    pub(super) fn drop_head(&mut self, count: usize) {
        self.bytes.drain(..count.min(self.bytes.len()));
        self.from = 0;
    }

    /// Where a text ends that may have begun in the bytes before the last `fresh` ones.
    pub(super) fn end_of(&self, text: &[u8], fresh: usize) -> Option<usize> {
        let from = self.bytes.len().saturating_sub(fresh + text.len());
        find(self.bytes.get(from..)?, text).map(|at| from + at + text.len())
    }

    /// Drops what stands before a mark, and the mark, if it has come with the last `fresh` bytes.
    pub(super) fn begins(&mut self, mark: &str, fresh: usize) -> bool {
        let end = if mark.is_empty() { None } else { self.end_of(mark.as_bytes(), fresh) };
        end.inspect(|end| self.drop_head(*end)).is_some()
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
