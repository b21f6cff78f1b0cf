//! What `busctl call` prints: a signature, then the values, in words. So it does since systemd 219, and
//! JSON only since 240.

use serde_json::{Map, Value};

/// Deeper than any value that firewalld has.
const DEEPEST: usize = 8;

/// Returns the values of a reply: `as 1 "ntp"` is `[["ntp"]]`. Also takes busctl's JSON.
pub(super) fn values(text: &str) -> Option<Vec<Value>> {
    let text = text.trim();
    if text.starts_with('{') {
        let json: Value = serde_json::from_str(text).ok()?;
        return json["data"].as_array().map(|data| data.iter().map(plain).collect());
    }
    let words = words(text);
    let (signature, rest) = words.split_first()?;
    let mut reader = Reader { words: rest, at: 0 };
    let types = types(signature)?;
    types.iter().map(|kind| reader.value(kind, 0)).collect()
}

/// busctl's JSON without the types: `{"type":"s","data":"x"}` is `"x"`.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(map) if map.len() == 2 && map.contains_key("type") && map.contains_key("data") => {
            plain(&value["data"])
        }
        Value::Object(map) => Value::Object(map.iter().map(|(key, value)| (key.clone(), plain(value))).collect()),
        Value::Array(list) => Value::Array(list.iter().map(plain).collect()),
        other => other.clone(),
    }
}

/// Words; a string in double quotes is one, with C escapes.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut letters) = (Vec::new(), text.chars().peekable());
    while let Some(letter) = letters.next() {
        let mut word = String::new();
        match letter {
            ' ' | '\n' => continue,
            '"' => {
                while let Some(letter) = letters.next().filter(|letter| *letter != '"') {
                    word.push(if letter == '\\' { letters.next().unwrap_or('\\') } else { letter });
                }
            }
            _ => {
                word.push(letter);
                while let Some(letter) = letters.next_if(|letter| !letter.is_whitespace()) {
                    word.push(letter);
                }
            }
        }
        words.push(word);
    }
    words
}

/// Takes a signature apart into complete types: `sa(ss)b` is `s`, `a(ss)`, `b`.
fn types(signature: &str) -> Option<Vec<&str>> {
    let (mut list, mut rest) = (Vec::new(), signature);
    while !rest.is_empty() {
        let (one, other) = rest.split_at(length(rest)?);
        list.push(one);
        rest = other;
    }
    Some(list)
}

/// How long the first complete type of a signature is.
fn length(signature: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, letter) in signature.char_indices() {
        match letter {
            'a' => continue,
            '(' | '{' => depth += 1,
            ')' | '}' => depth = depth.checked_sub(1)?,
            _ if !letter.is_ascii_lowercase() => return None,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

struct Reader<'a> {
    words: &'a [String],
    at: usize,
}

impl Reader<'_> {
    fn word(&mut self) -> Option<&str> {
        self.at += 1;
        self.words.get(self.at - 1).map(String::as_str)
    }

    fn value(&mut self, kind: &str, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        if let Some(inner) = kind.strip_prefix("a{").and_then(|rest| rest.strip_suffix('}')) {
            return self.map(inner, depth);
        }
        if let Some(inner) = kind.strip_prefix('a') {
            let count: usize = self.word()?.parse().ok()?;
            // Each value is a word at least.
            let count = (count <= self.words.len()).then_some(count)?;
            return (0..count).map(|_| self.value(inner, depth + 1)).collect::<Option<Vec<_>>>().map(Value::Array);
        }
        if let Some(inner) = kind.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            let list = types(inner)?.into_iter().map(|one| self.value(one, depth + 1));
            return list.collect::<Option<Vec<_>>>().map(Value::Array);
        }
        if kind == "v" {
            let signature = self.word()?.to_owned();
            return self.value(&signature, depth + 1);
        }
        self.word().map(|word| Value::String(word.to_owned()))
    }

    fn map(&mut self, inner: &str, depth: usize) -> Option<Value> {
        let types = types(inner)?;
        let [key, value] = types.as_slice() else { return None };
        let count: usize = self.word()?.parse().ok()?;
        let mut map = Map::new();
        for _ in 0..count.min(self.words.len()) {
            let name = self.value(key, depth + 1)?.as_str()?.to_owned();
            map.insert(name, self.value(value, depth + 1)?);
        }
        Some(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn replies_are_read() {
        let settings = r#"a{sv} 3 "short" s "ntp" "ports" a(ss) 2 "80" "tcp" "100-200" "udp" "rules_str" as 1 "rule source address=\"10.0.0.0/8\" accept""#;
        let value = &values(settings).unwrap()[0];
        assert_eq!(value["ports"], json!([["80", "tcp"], ["100-200", "udp"]]));
        assert_eq!(value["rules_str"][0], "rule source address=\"10.0.0.0/8\" accept");
        let active = r#"a{sa{sas}} 2 "work" 1 "sources" 1 "10.0.0.0/8" "public" 1 "interfaces" 2 "eth0" "eth1""#;
        assert_eq!(values(active).unwrap()[0]["public"]["interfaces"], json!(["eth0", "eth1"]));
        assert_eq!(values("s \"public\"").unwrap(), [json!("public")]);
    }

    #[test]
    fn json_of_newer_ones_is_the_same() {
        let text =
            r#"{"type":"a{sv}","data":[{"services":{"type":"as","data":["ssh"]},"short":{"type":"s","data":"x"}}]}"#;
        assert_eq!(values(text).unwrap()[0], json!({"services": ["ssh"], "short": "x"}));
    }

    #[test]
    fn what_is_cut_or_no_reply_is_nothing() {
        for text in ["", "as 3 \"a\"", "as 99999999999", "a{sv} 1 \"x\" s", "(", "a{", "v v v v v v v v v v v", "a{sv"]
        {
            assert_eq!(values(text), None, "{text}");
        }
    }
}
