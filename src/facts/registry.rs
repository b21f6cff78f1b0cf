//! The registry of a Windows host as `reg query` prints it. Keys, names, types and data are the
//! same in every language of Windows; the rest of the output is not looked at.

use std::collections::BTreeMap;

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `REG_SZ`.
    Text(String),
    /// `REG_EXPAND_SZ`: a text in which names of variables may stand.
    Expand(String),
    /// `REG_DWORD`.
    Number(u32),
    /// `REG_MULTI_SZ`.
    List(Vec<String>),
    /// Any other type: its name and the data as printed.
    Other(String, String),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Text(text) | Value::Expand(text) => f.write_str(text),
            Value::Number(number) => write!(f, "{number}"),
            Value::List(list) => f.write_str(&list.join(" ")),
            Value::Other(kind, data) => write!(f, "{data} ({kind})"),
        }
    }
}

impl Value {
    /// Returns the data, piece by piece.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Value::Text(text) | Value::Expand(text) | Value::Other(_, text) => vec![text.clone()],
            Value::Number(number) => vec![number.to_string()],
            Value::List(list) => list.clone(),
        }
    }
}

/// Keys and their values. Windows does not tell capital letters from small ones; nor does this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registry {
    keys: BTreeMap<String, BTreeMap<String, Value>>,
}

impl Registry {
    /// Reads the output of one or several `reg query`.
    pub fn parse(text: &str) -> Self {
        let mut keys: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
        let mut key = None;
        for line in text.lines() {
            if line.starts_with("HKEY_") {
                let name = fold(line.trim_end());
                keys.entry(name.clone()).or_default();
                key = Some(name);
            } else if let (Some(key), Some((name, value))) = (&key, value(line)) {
                keys.entry(key.clone()).or_default().insert(name.to_lowercase(), value);
            }
        }
        Registry { keys }
    }

    /// Returns a value.
    pub fn value(&self, key: &str, name: &str) -> Option<&Value> {
        self.keys.get(&fold(key))?.get(&name.to_lowercase())
    }

    /// Returns a number.
    pub fn number(&self, key: &str, name: &str) -> Option<u32> {
        match self.value(key, name) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// Returns a text.
    pub fn text(&self, key: &str, name: &str) -> Option<&str> {
        match self.value(key, name) {
            Some(Value::Text(text) | Value::Expand(text)) => Some(text),
            _ => None,
        }
    }

    /// Returns the values of a key, by name in small letters.
    pub fn values(&self, key: &str) -> impl Iterator<Item = (&str, &Value)> {
        self.keys.get(&fold(key)).into_iter().flatten().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns the keys below one, as they are compared.
    pub fn below(&self, key: &str) -> impl Iterator<Item = &str> {
        let start = format!("{}\\", fold(key));
        self.keys.keys().filter(move |known| known.starts_with(&start)).map(String::as_str)
    }

    /// Returns whether a key is there.
    pub fn has(&self, key: &str) -> bool {
        self.keys.contains_key(&fold(key))
    }

    /// Returns whether a key has keys below it.
    pub fn has_below(&self, key: &str) -> bool {
        let start = format!("{}\\", fold(key));
        self.keys.keys().any(|known| known.starts_with(&start))
    }

    /// Returns the texts of all values of a key.
    pub fn texts(&self, key: &str) -> impl Iterator<Item = &str> {
        self.keys.get(&fold(key)).into_iter().flatten().filter_map(|(_, value)| match value {
            Value::Text(text) | Value::Expand(text) => Some(text.as_str()),
            _ => None,
        })
    }
}

/// One spelling for a key.
fn fold(key: &str) -> String {
    let key = key.to_lowercase();
    match key.strip_prefix("hklm\\") {
        Some(rest) => format!("hkey_local_machine\\{rest}"),
        None => key,
    }
}

/// `    NAME    REG_TYPE    DATA`; the name may hold blanks, and the data may be empty.
pub fn value(line: &str) -> Option<(&str, Value)> {
    let line = line.strip_prefix("    ")?;
    let (name, rest) = line.split_once("    REG_")?;
    let (kind, data) = rest.split_once("    ").unwrap_or((rest.trim_end(), ""));
    Some((
        name,
        match kind {
            "SZ" => Value::Text(data.to_owned()),
            "EXPAND_SZ" => Value::Expand(data.to_owned()),
            "DWORD" => Value::Number(u32::from_str_radix(data.trim().strip_prefix("0x")?, 16).ok()?),
            "MULTI_SZ" => Value::List(data.split("\\0").filter(|part| !part.is_empty()).map(str::to_owned).collect()),
            other => Value::Other(format!("REG_{other}"), data.to_owned()),
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\nHKEY_LOCAL_MACHINE\\SYSTEM\\X\\W32Time\n    Start    REG_DWORD    0x3\n    (기본값)    REG_SZ    (값 설정 없음)\n\nHKEY_LOCAL_MACHINE\\SYSTEM\\X\\W32Time\\Parameters\n    NtpServer    REG_SZ    10.0.0.1,0x8 10.0.0.2,0xa\n    Empty    REG_SZ    \n    Max    REG_DWORD    0xffffffff\n    Many    REG_MULTI_SZ    a\\0b\n    Blob    REG_BINARY    00FF\n";

    #[test]
    fn values_are_found_whatever_their_spelling() {
        let registry = Registry::parse(PRINTED);
        let key = "HKLM\\system\\x\\w32time\\PARAMETERS";
        assert_eq!(registry.text(key, "ntpserver"), Some("10.0.0.1,0x8 10.0.0.2,0xa"));
        assert_eq!(registry.text(key, "Empty"), Some(""));
        assert_eq!(registry.number(key, "Max"), Some(u32::MAX));
        assert_eq!(registry.value(key, "Many"), Some(&Value::List(vec!["a".into(), "b".into()])));
        assert_eq!(registry.value(key, "Blob"), Some(&Value::Other("REG_BINARY".into(), "00FF".into())));
        assert_eq!(registry.number(key, "NtpServer"), None);
    }

    #[test]
    fn keys_below_are_seen() {
        let registry = Registry::parse(PRINTED);
        assert!(registry.has("HKLM\\SYSTEM\\X\\W32Time") && registry.has_below("HKLM\\SYSTEM\\X\\W32Time"));
        assert!(!registry.has_below("HKLM\\SYSTEM\\X\\W32Time\\Parameters") && !registry.has("HKLM\\SYSTEM\\Y"));
    }

    #[test]
    fn words_of_any_language_are_not_values() {
        assert_eq!(Registry::parse("reg: 지정한 레지스트리 키를 찾을 수 없습니다\n"), Registry::default());
    }
}
