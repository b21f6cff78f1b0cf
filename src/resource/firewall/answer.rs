//! What `busctl` prints: `a{sv} 2 "services" as 1 "ssh" "ports" a(ss) 1 "123" "udp"`.

/// The strings of `"key" as 2 "a" "b"`, `"key" a(ss) 1 "a" "b"` or `"key" aas 1 2 "a" "b"`.
pub(super) fn list<'a>(answer: &'a [Token], key: &str) -> Vec<&'a str> {
    let found = answer.windows(3).enumerate().find(|(_, window)| window[0].is(key) && !window[1].quoted);
    let Some((at, [_, kind, many])) = found.and_then(|(at, window)| Some((at, window.first_chunk::<3>()?))) else {
        return Vec::new();
    };
    let each = match kind.text.as_str() {
        "as" => 1,
        "a(ss)" => 2,
        "aas" => 3,
        _ => 0,
    };
    let rest = answer.get(at + 3..).unwrap_or_default().iter();
    rest.take(count(&many.text) * each).filter(|token| token.quoted).map(|token| token.text.as_str()).collect()
}

/// Reads a length.
pub(super) fn count(word: &str) -> usize {
    word.parse().unwrap_or(0)
}

/// A word of what `busctl` prints: a string in quotes, or anything else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    quoted: bool,
}

impl Token {
    /// Whether it is this string.
    pub(super) fn is(&self, text: &str) -> bool {
        self.quoted && self.text == text
    }
}

/// Takes a line apart.
pub(super) fn tokens(line: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut now: Option<Token> = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (&mut now, character) {
            (Some(token), '"') if token.quoted => tokens.extend(now.take()),
            (Some(token), '\\') if token.quoted => token.text.extend(characters.next()),
            (Some(token), ' ') if !token.quoted => tokens.extend(now.take()),
            (Some(token), other) => token.text.push(other),
            (None, ' ') => {}
            (None, '"') => now = Some(Token { text: String::new(), quoted: true }),
            (None, other) => now = Some(Token { text: other.to_string(), quoted: false }),
        }
    }
    tokens.extend(now);
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_each_shape() {
        let text = r#"a{sv} 9 "description" s "has \"services\" as 1 \"ntp\"" "services" as 2 "ssh" "ntp" "forward" b true "ports" a(ss) 1 "123" "udp" "masquerade" b false"#;
        let answer = tokens(text);
        assert_eq!(list(&answer, "services"), ["ssh", "ntp"]);
        assert_eq!(list(&answer, "ports"), ["123", "udp"]);
        assert!(list(&answer, "rules_str").is_empty());
        assert_eq!(list(&tokens(r#""ports" aas 2 2 "1" "tcp" 2 "123" "udp""#), "ports"), ["1", "tcp", "123", "udp"]);
    }

    #[test]
    fn a_string_keeps_its_blanks_and_quotes() {
        let words: Vec<String> = tokens(r#"as 2 "a \"b\" \\" """#).into_iter().map(|token| token.text).collect();
        assert_eq!(words, ["as", "2", r#"a "b" \"#, ""]);
    }
}
