//! Whom the file of ntpd lets ask: `restrict`.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::provider::config::Config;

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
    fn the_narrowest_line_of_ntpd_counts() {
        let config =
            read("restrict default ignore\nrestrict 10.10.10.0 mask 255.255.255.0 noquery\nrestrict 127.0.0.1\n");
        assert!(serves(&config, at("10.10.10.2")) && !serves(&config, at("10.10.11.2")));
        assert!(answers_itself(&config));
        assert!(!answers_itself(&read("restrict default noquery\n")));
    }
}
