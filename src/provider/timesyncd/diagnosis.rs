//! What a diagnosis has to know of systemd-timesyncd.

use super::{FILE, Timesyncd};
use crate::config;
use crate::provider::config::{Config, Language};
use crate::provider::diagnosis::{Diagnosis, Tool};

/// The language of timesyncd.conf.
const LANGUAGE: Language = Language {
    syntax: config::Language::Ini,
    sources: &["NTP"],
    harmless: &["SaveIntervalSec", "ConnectionRetrySec"],
    besides: &["PollIntervalMinSec", "PollIntervalMaxSec"],
    how_often: &[],
};

/// Its default `RootDistanceMaxSec`, seconds.
const DISTANCE: f64 = 5.0;

impl Diagnosis for Timesyncd {
    fn evidence(&self) -> &'static str {
        include_str!("evidence.sh")
    }

    fn language(&self) -> &'static Language {
        &LANGUAGE
    }

    fn tool(&self) -> Option<Tool> {
        let install = "apt-get install systemd, dnf install systemd, zypper install systemd";
        Some(Tool { name: "busctl", install, by_loopback: false, commands: false, says_access: false })
    }

    /// It says the one that it asks now.
    fn shows_all_sources(&self) -> bool {
        false
    }

    /// A line `# FILE` stands before what each file says.
    fn last_word<'a>(&self, config: &'a str) -> Option<&'a str> {
        let (_, after) = config.split_once(&format!("# {FILE}\n"))?;
        let (mut file, mut last) = (None, None);
        for line in after.lines() {
            file = line.strip_prefix("# ").filter(|path| path.starts_with('/') && path.ends_with(".conf")).or(file);
            if line.split_once('=').is_some_and(|(key, _)| key.trim() == "NTP") {
                last = file.or(last);
            }
        }
        last
    }

    fn without_dhcp(&self) -> Option<&'static str> {
        Some("say `UseNTP=no` under `[DHCPv4]` in the .network file of the interface and restart systemd-networkd")
    }

    fn lists_visitors(&self, _config: &Config, _lacks: &[&str]) -> bool {
        false
    }

    fn max_distance(&self, config: &Config) -> Option<(f64, &'static str)> {
        let set = config.value("RootDistanceMaxSec").and_then(|text| text.trim_end_matches('s').parse().ok());
        Some((set.unwrap_or(DISTANCE), "RootDistanceMaxSec"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_file_that_names_servers_after_ours_has_the_last_word() {
        let all = |more: &str| {
            format!("# /etc/systemd/timesyncd.conf\n[Time]\nNTP=old\n\n# {FILE}\n[Time]\nNTP=\n# ours\nNTP=a\n{more}")
        };
        let last = |more: &str| Timesyncd.last_word(&all(more)).map(str::to_owned);
        assert_eq!(last(""), None);
        let poll = "\n# /etc/systemd/timesyncd.conf.d/poll.conf\n[Time]\nPollIntervalMaxSec=64\n";
        assert_eq!(last(poll), None);
        let other = "\n# /run/systemd/timesyncd.conf.d/zz.conf\n[Time]\nNTP = b\n";
        assert_eq!(last(&format!("{poll}{other}{poll}")).as_deref(), Some("/run/systemd/timesyncd.conf.d/zz.conf"));
        assert_eq!(Timesyncd.last_word("[Time]\nNTP=a\n"), None);
    }
}
