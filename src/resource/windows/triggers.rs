//! The triggers of a service, put back as they were: with the words of `sc`, which the service manager
//! heeds at once; what `sc` has no word for is written back into its key, which it reads at the next boot.

use anyhow::{Result, bail};

use crate::facts::registry::{Registry, Value};
use crate::transport::quote::cmd;

/// What `sc triggerinfo` calls a trigger: its word, and the action and identifier in the registry (winsvc.h).
const WORDS: &[(&str, u32, &str)] = &[
    ("start/networkon", 1, "DEF2274FE2140B43A5497CD48CBC8245"),
    ("stop/networkoff", 2, "2AA64BCC2E164846847AB6BDF993E335"),
    ("start/domainjoin", 1, "BA0AE21C5198214494301DDEB766E809"),
    ("stop/domainleave", 2, "6E51AFDDC25866489574C3B615D42EA1"),
    ("start/machinepolicy", 1, "E6CA9F65DB5BA94DB1FFCA2A178D46E0"),
    ("start/userpolicy", 1, "C846FB5489F04C46B1FD59D1B62C3B50"),
];

/// Returns the lines that make the triggers again that were read.
pub(super) fn put_back(name: &str, key: &str, registry: &Registry) -> Result<String> {
    let root = format!("{key}\\TriggerInfo");
    let mut keys: Vec<&str> = registry.below(&root).collect();
    keys.sort_by_key(|key| key.rsplit('\\').next().and_then(|number| number.parse::<u32>().ok()));
    let words: Option<Vec<&str>> = keys.iter().map(|key| word(registry, key)).collect();
    match words {
        Some(words) => Ok(format!("sc triggerinfo {name} {}\n", words.join(" "))),
        None => keys.iter().map(|key| written(registry, key)).collect(),
    }
}

/// Triggers with data of their own (ports, devices) have no word.
fn word(registry: &Registry, key: &str) -> Option<&'static str> {
    let Some(Value::Other(_, guid)) = registry.value(key, "GUID") else { return None };
    let (action, plain) = (registry.number(key, "Action")?, registry.value(key, "Data0").is_none());
    let known = WORDS.iter().find(|(_, does, id)| *does == action && id.eq_ignore_ascii_case(guid.trim()));
    known.filter(|_| plain).map(|(word, ..)| *word)
}

fn written(registry: &Registry, key: &str) -> Result<String> {
    let line = |(name, value): (&str, &Value)| {
        let (kind, data) = match value {
            Value::Number(number) => ("REG_DWORD", number.to_string()),
            Value::Text(text) => ("REG_SZ", text.clone()),
            Value::Other(kind, data) => (kind.as_str(), data.trim().to_owned()),
            Value::Expand(_) | Value::List(_) => bail!("a trigger of the service cannot be put back: {key}: {name}"),
        };
        Ok(format!("reg add {} /v {} /t {kind} /d {} /f\n", cmd(key)?, cmd(name)?, cmd(&data)?))
    };
    registry.values(key).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\W32Time";

    fn undo(triggers: &[(u32, &str, &str)]) -> String {
        let one = |(index, (action, guid, more)): (usize, &(u32, &str, &str))| {
            format!(
                "\nHKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\W32Time\\TriggerInfo\\{index}\n    Type    REG_DWORD    0x2\n    Action    REG_DWORD    0x{action}\n    GUID    REG_BINARY    {guid}\n{more}"
            )
        };
        let printed: String = triggers.iter().enumerate().map(one).collect();
        put_back("w32time", KEY, &Registry::parse(&printed)).unwrap()
    }

    #[test]
    fn what_an_administrator_has_made_comes_back_and_not_what_windows_installs() {
        let network = [(1, WORDS[0].2, ""), (2, WORDS[1].2, "")];
        assert_eq!(undo(&network), "sc triggerinfo w32time start/networkon stop/networkoff\n");
        let domain = [(1, WORDS[2].2, ""), (2, WORDS[3].2, "")];
        assert_eq!(undo(&domain), "sc triggerinfo w32time start/domainjoin stop/domainleave\n");
    }

    #[test]
    fn what_has_no_word_is_written_back() {
        let text = undo(&[(
            1,
            "00112233445566778899AABBCCDDEEFF",
            "    Data0    REG_BINARY    3100\n    DataType0    REG_DWORD    0x2\n",
        )]);
        for part in [
            "triggerinfo\\0\" /v \"guid\" /t REG_BINARY /d \"00112233445566778899AABBCCDDEEFF\"",
            "\"data0\" /t REG_BINARY /d \"3100\"",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("sc triggerinfo"));
    }
}
