//! Whom the file of a service lets ask: `allow` and `deny` of chronyd, `restrict` of ntpd.

use std::net::IpAddr;

use ipnet::IpNet;

use super::evidence::Config;

/// Returns the `restrict` line of ntpd that holds for an address, the narrowest that fits, and its flags.
pub(super) fn restrict(config: &Config, from: IpAddr) -> Option<(String, &[String])> {
    let fitting = config.all("restrict").filter_map(|words| {
        let (bits, flags) = fits(words, from)?;
        Some((bits, format!("restrict {}", words.join(" ")), flags))
    });
    // Of two that are as narrow the later one counts.
    fitting.max_by_key(|(bits, ..)| *bits).map(|(_, line, flags)| (line, flags))
}

/// Returns whether ntpd serves time to an address.
pub(super) fn serves(config: &Config, from: IpAddr) -> bool {
    let refuses = |flag: &String| matches!(flag.as_str(), "ignore" | "noserve");
    restrict(config, from).is_none_or(|(_, flags)| !flags.iter().any(refuses))
}

/// Returns whether ntpd answers questions about itself that come from the host, as those of ntpq do.
pub(super) fn answers_itself(config: &Config) -> bool {
    let refuses = |flag: &String| matches!(flag.as_str(), "ignore" | "noquery");
    // At this address we ask.
    let own = std::net::Ipv4Addr::LOCALHOST.into();
    restrict(config, own).is_none_or(|(_, flags)| !flags.iter().any(refuses))
}

/// Returns how narrow a `restrict` line is and its flags, if it fits the address.
fn fits(words: &[String], from: IpAddr) -> Option<(u8, &[String])> {
    let (words, family) = match words.first().map(String::as_str) {
        Some(option @ ("-4" | "-6")) => (words.get(1..)?, Some(option)),
        _ => (words, None),
    };
    let (address, rest) = words.split_first()?;
    if family.is_some_and(|family| (family == "-4") != from.is_ipv4()) {
        return None;
    }
    if address == "default" {
        return Some((0, rest));
    }
    let (mask, flags) = match rest.first().map(String::as_str) {
        Some("mask") => (rest.get(1)?.parse().ok(), rest.get(2..)?),
        _ => (None, rest),
    };
    let network = match (address.parse::<IpNet>(), mask) {
        (Ok(network), _) => network,
        (_, Some(mask)) => IpNet::with_netmask(address.parse().ok()?, mask).ok()?,
        (_, None) => address.parse::<IpAddr>().ok()?.into(),
    };
    network.contains(&from).then_some((network.prefix_len(), flags))
}

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
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_narrowest_line_of_chronyd_counts_and_all_overrides() {
        let config = Config::read("allow 10.10\ndeny 10.10.10.2\nallow 10.10.10.3\n");
        assert_eq!(allowed(&config, at("10.10.10.2")), Some(false));
        assert_eq!(allowed(&config, at("10.10.10.3")), Some(true));
        assert_eq!(allowed(&config, at("10.11.0.1")), Some(false));
        let config = Config::read("deny 10.10.10.2\nallow all 10.10.0.0/16\n");
        assert_eq!(allowed(&config, at("10.10.10.2")), Some(true));
        assert_eq!(allowed(&Config::read("allow"), at("2001:db8::1")), Some(true));
        assert_eq!(allowed(&Config::read("allow ntp.example"), at("10.0.0.1")), None);
    }

    #[test]
    fn the_narrowest_line_of_ntpd_counts() {
        let config = Config::read(
            "restrict default ignore\nrestrict 10.10.10.0 mask 255.255.255.0 noquery\nrestrict 127.0.0.1\n",
        );
        assert!(serves(&config, at("10.10.10.2")) && !serves(&config, at("10.10.11.2")));
        assert!(answers_itself(&config));
        assert!(!answers_itself(&Config::read("restrict default noquery\n")));
    }
}
