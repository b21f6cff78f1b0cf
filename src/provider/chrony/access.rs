//! Whom the file of chronyd lets ask: `allow` and `deny`.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::provider::config::Config;

/// Returns whether the file of chronyd lets an address ask; `None` where a name decides.
pub(super) fn allowed(config: &Config, from: IpAddr) -> Option<bool> {
    let mut rules: Vec<(IpNet, bool)> = Vec::new();
    for line in config.lines() {
        let Some((allows, rest)) = line.split_first().and_then(|(word, rest)| Some((allows(word)?, rest))) else {
            continue;
        };
        let (all, rest) = match rest.split_first() {
            Some((word, rest)) if word == "all" => (true, rest),
            _ => (false, rest),
        };
        for network in networks(rest.first().map(String::as_str))? {
            rules.retain(|(other, _)| *other != network && !(all && network.contains(other)));
            rules.push((network, allows));
        }
    }
    let fitting = rules.iter().filter(|(network, _)| network.contains(&from));
    Some(fitting.max_by_key(|(network, _)| network.prefix_len()).is_some_and(|(_, allows)| *allows))
}

fn allows(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "allow" => Some(true),
        "deny" => Some(false),
        _ => None,
    }
}

/// The networks that a word of chronyd stands for: none is everybody, `10.1` is 10.1.0.0/16.
fn networks(word: Option<&str>) -> Option<Vec<IpNet>> {
    let everybody = [IpNet::new(IpAddr::from([0; 4]), 0).ok()?, IpNet::new(IpAddr::from([0_u16; 8]), 0).ok()?];
    let one = match word {
        None => return Some(everybody.to_vec()),
        Some("0/0") => return Some(vec![everybody[0]]),
        Some("::/0") => return Some(vec![everybody[1]]),
        Some(word) => word,
    };
    if let Ok(network) = one.parse::<IpNet>() {
        return Some(vec![network.trunc()]);
    }
    if let Ok(address) = one.parse::<IpAddr>() {
        return Some(vec![address.into()]);
    }
    let parts: Vec<u8> = one.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let mut bytes = [0; 4];
    bytes.iter_mut().zip(&parts).for_each(|(byte, part)| *byte = *part);
    let bits = u8::try_from(parts.len() * 8).ok()?;
    Some(vec![IpNet::new(IpAddr::from(bytes), bits).ok()?])
}

#[cfg(test)]
mod tests {
    use super::super::diagnosis::LANGUAGE;
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn read(text: &str) -> Config {
        Config::read(text, &LANGUAGE)
    }

    #[test]
    fn the_narrowest_line_of_chronyd_counts_and_all_overrides() {
        let config = read("allow 10.10\ndeny 10.10.10.2\nallow 10.10.10.3\n");
        assert_eq!(allowed(&config, at("10.10.10.2")), Some(false));
        assert_eq!(allowed(&config, at("10.10.10.3")), Some(true));
        assert_eq!(allowed(&config, at("10.11.0.1")), Some(false));
        let config = read("deny 10.10.10.2\nallow all 10.10.0.0/16\n");
        assert_eq!(allowed(&config, at("10.10.10.2")), Some(true));
        assert_eq!(allowed(&read("allow"), at("2001:db8::1")), Some(true));
        assert_eq!(allowed(&read("allow ntp.example"), at("10.0.0.1")), None);
    }
}
