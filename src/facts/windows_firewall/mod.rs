//! The Windows firewall as it counts: the host's own rules and those of policies, block before
//! allow, each profile for itself (MS-GPFAS 2.2.2). Read from the registry; nothing is guessed: what
//! a rule says that cannot be judged here makes the answer [`Door::Unsure`].

mod rule;
mod shut;

use ipnet::IpNet;

use super::registry::Registry;
pub use rule::{Asked, network};
use rule::{Fit, Rule, fit};
pub use shut::Shut;
use shut::by;

/// The host's own store.
const LOCAL: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy";

/// The rules of the host itself.
pub const RULES: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules";

/// The store of the group policy.
const POLICY: &str = r"HKLM\SOFTWARE\Policies\Microsoft\WindowsFirewall";

/// The store of a device management such as Intune.
const MANAGED: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\Mdm";

/// What cannot let NTP in, or keep it out: rules for what goes out, for TCP and ICMP.
const OTHERS: &str = r#"findstr /v /c:"|Dir=Out|" /c:"|Protocol=6|" /c:"|Protocol=1|" /c:"|Protocol=58|""#;

/// The command that prints the rules of the host itself that may matter for NTP.
pub fn query_rules() -> String {
    format!("reg query \"{RULES}\" 2>&1|{OTHERS}")
}

/// The command that prints the rules and switches of the group policy.
pub fn query_policy() -> String {
    format!("reg query \"{POLICY}\" /s 2>&1|{OTHERS}")
}

/// The command that prints those of a device management.
pub fn query_managed() -> String {
    format!("reg query \"{MANAGED}\" /s 2>&1|{OTHERS}")
}

/// The three commands for the rules that may matter for some ports.
pub fn queries_for(asked: Asked) -> [String; 3] {
    // Of TCP, what is for UDP is left out.
    let swap = |query: String| if asked.tcp { query.replace("|Protocol=6|", "|Protocol=17|") } else { query };
    [query_rules(), query_policy(), query_managed()].map(swap)
}

/// The names of rules that this program adds begin so.
pub const OURS: &str = "fleetclock-";

/// The command that prints the rules that this program has added, and no others.
pub fn query_ours() -> String {
    format!("reg query \"{RULES}\" 2>&1|findstr /c:\"HKEY_\" /c:\"|Name={OURS}\"")
}

/// The commands that print the switches of each profile.
pub fn query_profiles() -> [String; 3] {
    PROFILES.map(|profile| format!("reg query \"{LOCAL}\\{}\" 2>&1", profile.own))
}

/// A profile and its keys.
struct Names {
    name: &'static str,
    own: &'static str,
    /// Policies for old systems have one for all networks that are no domain's.
    policy: &'static [&'static str],
}

const PROFILES: [Names; 3] = [
    Names { name: "Domain", own: "DomainProfile", policy: &["DomainProfile"] },
    Names { name: "Private", own: "StandardProfile", policy: &["PrivateProfile", "StandardProfile"] },
    Names { name: "Public", own: "PublicProfile", policy: &["PublicProfile", "StandardProfile"] },
];

/// Whether somebody who asks for time gets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// Gets in; says by what.
    Open(String),
    /// Does not.
    Closed(Shut),
    /// Cannot be told; says why.
    Unsure(String),
}

/// The firewall of a host, as far as NTP is concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firewall {
    profiles: Vec<Profile>,
    rules: Vec<Rule>,
    /// Whether the host's own rules were read.
    read: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Profile {
    name: &'static str,
    on: bool,
    shields: bool,
    own_rules_count: bool,
    lets_in: bool,
}

impl Profile {
    /// Whether a rule is in force here.
    fn counts(&self, rule: &Rule) -> bool {
        let named = rule.profiles.is_empty() || rule.profiles.iter().any(|name| name == self.name);
        named && (rule.policy || self.own_rules_count)
    }
}

impl Firewall {
    /// Reads the answers of the commands. A host outside a domain is never in the profile Domain.
    pub fn parse(registry: &Registry, domain_member: bool) -> Self {
        Self::parse_for(registry, domain_member, Asked::NTP)
    }

    /// The same, as far as other ports are concerned.
    pub fn parse_for(registry: &Registry, domain_member: bool, asked: Asked) -> Self {
        let profiles = PROFILES.iter().filter(|names| domain_member || names.name != "Domain");
        let mut rules = rule::rules(registry, RULES, false, asked);
        for store in [POLICY, MANAGED] {
            rules.extend(rule::rules(registry, &format!("{store}\\FirewallRules"), true, asked));
        }
        Firewall {
            profiles: profiles.map(|names| profile(registry, names)).collect(),
            rules,
            read: registry.has(RULES),
        }
    }

    /// Whether a profile that the host can be in is on.
    pub fn is_on(&self) -> bool {
        self.profiles.iter().any(|profile| profile.on)
    }

    /// Names of the rules that let anybody ask for time, in a profile that is on and counts them.
    pub fn open_to_all(&self) -> Vec<&str> {
        let here = |rule: &&Rule| self.profiles.iter().any(|profile| profile.on && profile.counts(rule));
        let open = |rule: &&Rule| !rule.block && rule.is_for_all();
        self.rules.iter().filter(open).filter(here).map(|rule| rule.name.as_str()).collect()
    }

    /// The same with a rule of the host itself for some networks.
    #[must_use]
    pub fn with_own(&self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        let remote = networks.into_iter().map(|network| network.to_string()).collect();
        let name = "fleetclock-ntp".to_owned();
        let mut with = self.clone();
        with.rules.push(Rule { name, policy: false, block: false, profiles: Vec::new(), remote, doubtful: false });
        with
    }

    /// Judges somebody who asks; where the profiles differ nobody can tell which one is in force.
    pub fn door(&self, from: IpNet) -> Door {
        let doors: Vec<(&Profile, Door)> =
            self.profiles.iter().map(|profile| (profile, self.of(profile, from))).collect();
        let closed = doors.iter().filter(|(_, door)| matches!(door, Door::Closed(_))).count();
        let open = doors.iter().filter(|(_, door)| matches!(door, Door::Open(_))).count();
        match doors.first() {
            None => Door::Unsure("the firewall was not read".to_owned()),
            Some((_, first)) if closed == doors.len() || open == doors.len() => first.clone(),
            Some(_) => {
                Door::Unsure(doors.iter().map(|(profile, door)| said(profile, door)).collect::<Vec<_>>().join("; "))
            }
        }
    }

    fn of(&self, profile: &Profile, from: IpNet) -> Door {
        if !profile.on {
            return Door::Open(format!("profile {} is off", profile.name));
        }
        if profile.shields {
            return Door::Closed(Shut::Shields(profile.name));
        }
        let fitting = |block: bool| {
            let rules = self.rules.iter().filter(move |rule| profile.counts(rule) && rule.block == block);
            rules.map(|rule| (rule, fit(rule, from))).filter(|(_, fit)| *fit != Fit::No)
        };
        if let Some((rule, fit)) = fitting(true).max_by_key(|(_, fit)| *fit == Fit::All) {
            return match fit {
                Fit::All => Door::Closed(Shut::Block(rule.name.clone(), rule.policy)),
                _ => Door::Unsure(format!("the {}rule `{}` may block it", by(rule.policy), rule.name)),
            };
        }
        if !self.read && profile.own_rules_count {
            return Door::Unsure("the rules of the host were not read".to_owned());
        }
        match fitting(false).max_by_key(|(_, fit)| *fit == Fit::All) {
            Some((rule, Fit::All)) => Door::Open(format!("{}rule `{}` lets it in", by(rule.policy), rule.name)),
            _ if profile.lets_in => Door::Open(format!("profile {} lets everything in", profile.name)),
            Some((rule, _)) => Door::Unsure(format!("the {}rule `{}` may let it in", by(rule.policy), rule.name)),
            None if !profile.own_rules_count => Door::Closed(Shut::OwnRulesIgnored(profile.name)),
            None => Door::Closed(Shut::NoRule),
        }
    }
}

fn said(profile: &Profile, door: &Door) -> String {
    let what = match door {
        Door::Open(why) | Door::Unsure(why) => why.clone(),
        Door::Closed(shut) => shut.why(),
    };
    format!("in profile {}: {what}", profile.name)
}

fn profile(registry: &Registry, names: &Names) -> Profile {
    let policy = |value: &str| {
        let keys = [POLICY, MANAGED]
            .into_iter()
            .flat_map(|store| names.policy.iter().map(move |key| format!("{store}\\{key}")));
        keys.into_iter().find_map(|key| registry.number(&key, value))
    };
    let setting = |value: &str, otherwise: u32| {
        policy(value).or_else(|| registry.number(&format!("{LOCAL}\\{}", names.own), value)).unwrap_or(otherwise)
    };
    Profile {
        name: names.name,
        on: setting("EnableFirewall", 1) != 0,
        shields: setting("DoNotAllowExceptions", 0) != 0,
        own_rules_count: policy("AllowLocalPolicyMerge") != Some(0),
        lets_in: setting("DefaultInboundAction", 1) == 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each `tests/windows-firewall/NAME.txt` is what the commands print; its first lines say who asks, whether the host is
    /// in a domain, and what has to come out: `open`, `closed` or `unsure`, and a part of why.
    #[test]
    fn every_firewall_is_judged() {
        let files = std::fs::read_dir("tests/windows-firewall").unwrap().map(|entry| entry.unwrap().path());
        let mut count = 0;
        for path in files {
            let text = std::fs::read_to_string(&path).unwrap();
            let (head, printed) = text.split_once("\n\n").unwrap();
            let firewall = |member| Firewall::parse(&Registry::parse(printed), member);
            for line in head.lines() {
                let [from, place, wanted, why] = line.splitn(4, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
                let door = firewall(place == "domain").door(network(from).unwrap());
                let (found, reason) = match &door {
                    Door::Open(why) => ("open", why.clone()),
                    Door::Closed(shut) => ("closed", shut.why()),
                    Door::Unsure(why) => ("unsure", why.clone()),
                };
                assert!(found == wanted && reason.contains(why), "{}: {line}: {door:?}", path.display());
                count += 1;
            }
        }
        assert!(count >= 20, "{count}");
    }

    #[test]
    fn a_rule_of_our_own_counts_where_own_rules_do() {
        let from = network("10.10.10.5").unwrap();
        let read = |more: &str| {
            let key = RULES.replace("HKLM", "HKEY_LOCAL_MACHINE");
            Firewall::parse(&Registry::parse(&format!("{key}\n\n{more}")), false)
        };
        assert_eq!(read("").door(from), Door::Closed(Shut::NoRule));
        assert!(matches!(read("").with_own([from]).door(from), Door::Open(_)));
        let policy = r"HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\WindowsFirewall";
        let alone = read(&format!(
            "{policy}\\PublicProfile\n    AllowLocalPolicyMerge    REG_DWORD    0x0\n{policy}\\PrivateProfile\n    AllowLocalPolicyMerge    REG_DWORD    0x0\n"
        ));
        assert_eq!(alone.with_own([from]).door(from), Door::Closed(Shut::OwnRulesIgnored("Private")));
    }

    /// Ours, narrower ones, those of others that are off, block or say more, and those of another profile are none of them.
    #[test]
    fn a_rule_that_lets_anybody_in_is_named() {
        let key = RULES.replace("HKLM", "HKEY_LOCAL_MACHINE");
        let open = |fields: &str, more: &str| {
            let rule = format!("v2.26|Active=TRUE|Dir=In|Protocol=17|{fields}|Name=wide|");
            let text = format!("{key}\n    {{1}}    REG_SZ    {rule}\n{more}");
            Firewall::parse(&Registry::parse(&text), false).open_to_all() == ["wide"]
        };
        for (fields, wanted) in [
            ("Action=Allow|LPort=123", true),
            ("Action=Allow|LPort=100-200|Profile=Public", true),
            ("Action=Allow|Svc=w32time|LPort=123|RA4=0.0.0.0/0.0.0.0", true),
            ("Action=Allow|LPort=123|RA4=0.0.0.0-255.255.255.255", true),
            ("Action=Allow|LPort=123|RA6=::/0", true),
            ("Action=Allow|LPort=123|RA4=10.0.0.0/255.0.0.0", false),
            ("Action=Allow|LPort=123|RA4=LocalSubnet|RA6=LocalSubnet", false),
            ("Action=Block|LPort=123", false),
            ("Action=Allow|LPort=124", false),
            ("Action=Allow|LPort=123|Profile=Domain", false),
            ("Action=Allow|LPort=123|RPort=4000", false),
        ] {
            assert_eq!(open(fields, ""), wanted, "{fields}");
        }
        let off = LOCAL.replace("HKLM", "HKEY_LOCAL_MACHINE");
        let off = ["StandardProfile", "PublicProfile"]
            .map(|name| format!("{off}\\{name}\n    EnableFirewall    REG_DWORD    0x0\n"));
        assert!(!open("Action=Allow|LPort=123", &off.concat()));
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_it(text in "(HKEY_LOCAL_MACHINE.{0,80}|    .{0,20}    REG_SZ    [A-Za-z0-9=|./-]{0,120}\n){0,8}") {
            let _ = Firewall::parse(&Registry::parse(&text), true).door(network("10.0.0.1").unwrap());
        }
    }
}
