//! The Windows firewall as it counts: the host's own rules and those of policies, block before
//! allow, each profile for itself (MS-GPFAS 2.2.2). Read from the registry; nothing is guessed: what
//! a rule says that cannot be judged here makes the answer [`Door::Unsure`].

use std::net::IpAddr;

use ipnet::IpNet;

use super::registry::Registry;

/// The host's own store.
const LOCAL: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy";

/// The rules of the host itself.
pub const RULES: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules";

/// The store of the group policy.
const POLICY: &str = r"HKLM\SOFTWARE\Policies\Microsoft\WindowsFirewall";

/// The store of a device management such as Intune.
const MANAGED: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\Mdm";

/// The NTP port.
const NTP: u16 = 123;

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

/// What keeps somebody out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shut {
    /// A rule that blocks; block rules win over those that allow. Its name, and whether a policy has made it.
    Block(String, bool),
    /// "Block all incoming connections" of a profile.
    Shields(&'static str),
    /// A policy lets the host's own rules not count in a profile, and has none itself.
    OwnRulesIgnored(&'static str),
    /// No rule lets it in.
    NoRule,
}

impl Shut {
    /// Says what it is.
    pub fn why(&self) -> String {
        match self {
            Shut::Block(name, policy) => {
                format!("the {}rule `{name}` blocks it, and wins over every rule that allows", by(*policy))
            }
            Shut::Shields(profile) => format!("profile {profile} blocks all incoming connections"),
            Shut::OwnRulesIgnored(profile) => {
                format!("a policy ignores the host's own rules in profile {profile} (AllowLocalPolicyMerge is 0)")
            }
            Shut::NoRule => "no active inbound rule for udp/123 lets it in".to_owned(),
        }
    }

    /// Says what somebody has to do about it; nobody else's rule is changed by us.
    pub fn remedy(&self, from: IpNet) -> String {
        match self {
            Shut::Block(name, false) => format!(
                "decide about the rule `{name}`: narrow it so that it spares {from}, or `netsh advfirewall firewall set rule name=\"{name}\" dir=in new enable=no`"
            ),
            Shut::Block(name, true) => format!("narrow the rule `{name}` in its policy so that it spares {from}"),
            Shut::Shields(profile) => format!(
                "`netsh advfirewall set {}profile firewallpolicy blockinbound,allowoutbound`, or in the policy that says so",
                profile.to_ascii_lowercase()
            ),
            Shut::OwnRulesIgnored(_) => {
                format!("put an inbound rule for udp/123 from {from} into the policy, or let it merge local rules")
            }
            Shut::NoRule => format!(
                "`netsh advfirewall firewall add rule name=fleetclock-ntp dir=in action=allow protocol=UDP localport=123 remoteip={from}`"
            ),
        }
    }
}

fn by(policy: bool) -> &'static str {
    if policy { "policy's " } else { "" }
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

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    name: String,
    policy: bool,
    block: bool,
    profiles: Vec<String>,
    remote: Vec<String>,
    /// It says more than is judged here.
    doubtful: bool,
}

/// How far a rule is about somebody.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    No,
    Part,
    All,
}

impl Firewall {
    /// Reads the answers of the commands. A host outside a domain is never in the profile Domain.
    pub fn parse(registry: &Registry, domain_member: bool) -> Self {
        let profiles = PROFILES.iter().filter(|names| domain_member || names.name != "Domain");
        let mut rules = rules(registry, RULES, false);
        for store in [POLICY, MANAGED] {
            rules.extend(self::rules(registry, &format!("{store}\\FirewallRules"), true));
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
        let counts = |rule: &&Rule| rule.policy || profile.own_rules_count;
        let here = |rule: &&Rule| rule.profiles.is_empty() || rule.profiles.iter().any(|name| name == profile.name);
        let fitting = |block: bool| {
            let rules = self.rules.iter().filter(counts).filter(here).filter(move |rule| rule.block == block);
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

fn rules(registry: &Registry, key: &str, policy: bool) -> Vec<Rule> {
    registry.texts(key).filter_map(|text| rule(text, policy)).collect()
}

/// `v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=17|LPort=123|RA4=10.0.0.0/8|Name=x|`: a rule that
/// may be about questions to the time service; several fields of a kind are alternatives.
fn rule(text: &str, policy: bool) -> Option<Rule> {
    let fields: Vec<(&str, &str)> = text.split('|').filter_map(|field| field.split_once('=')).collect();
    let all = |names: &'static [&'static str]| {
        fields.iter().filter(move |(key, _)| names.contains(key)).map(|(_, value)| *value)
    };
    let is = |name: &'static str, wanted: &str| {
        fields.iter().any(|(key, value)| *key == name && value.eq_ignore_ascii_case(wanted))
    };
    let only = |name: &'static str, fits: &dyn Fn(&str) -> bool| {
        fields.iter().filter(|(key, _)| *key == name).all(|(_, value)| fits(value))
    };
    let ports: Vec<&str> = all(&["LPort", "LPort2_10", "LPort2_20", "LPort2_24", "LPort2_29"]).collect();
    let concerns = is("Active", "TRUE")
        && is("Dir", "In")
        && only("Protocol", &|value| matches!(value, "17" | "256" | "*"))
        && only("Svc", &|value| value == "*" || value.eq_ignore_ascii_case("w32time"))
        && only("App", &|value| value.to_ascii_lowercase().ends_with("svchost.exe"))
        && (ports.is_empty() || ports.iter().any(|port| holds_port(port)));
    let known = |key: &str| {
        let more = ["RPort", "LA4", "LA6", "IF", "LU", "RU", "RM", "Sec", "AppPkg", "PFN", "RA4NOT"];
        !more.iter().any(|start| key.starts_with(start))
    };
    concerns.then(|| Rule {
        name: all(&["Name"]).next().unwrap_or("without a name").to_owned(),
        policy,
        block: is("Action", "Block"),
        profiles: all(&["Profile"]).map(str::to_owned).collect(),
        remote: all(&["RA4", "RA6", "RA42", "RA62"]).map(str::to_owned).collect(),
        doubtful: fields.iter().any(|(key, _)| !known(key)) || is("Action", "ByPass"),
    })
}

fn holds_port(text: &str) -> bool {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    matches!((first.trim().parse::<u16>(), last.trim().parse::<u16>()), (Ok(first), Ok(last)) if (first..=last).contains(&NTP))
}

fn fit(rule: &Rule, from: IpNet) -> Fit {
    let best = rule.remote.iter().map(|remote| fit_one(remote, from)).max_by_key(|fit| *fit as u8);
    match best {
        Some(Fit::No) => Fit::No,
        Some(Fit::Part) => Fit::Part,
        // A rule that blocks a part blocks somebody; one that allows has to allow all.
        _ if rule.doubtful => Fit::Part,
        _ => Fit::All,
    }
}

/// `10.0.0.0/255.255.255.0`, `10.0.0.0/24`, `10.0.0.1`, `10.0.0.1-10.0.0.9`, or a word such as
/// `LocalSubnet`, of which it is not known here what it stands for.
fn fit_one(remote: &str, from: IpNet) -> Fit {
    if let Some((first, last)) = remote.split_once('-')
        && let (Ok(first), Ok(last)) = (first.parse::<IpAddr>(), last.parse::<IpAddr>())
    {
        let (low, high) = (from.network(), from.broadcast());
        let same = first.is_ipv4() == low.is_ipv4();
        return match (same && first <= low && high <= last, same && low <= last && first <= high) {
            (true, _) => Fit::All,
            (_, true) => Fit::Part,
            _ => Fit::No,
        };
    }
    match network(remote) {
        Some(network) if network.contains(&from) => Fit::All,
        Some(network) if from.contains(&network) => Fit::Part,
        Some(_) => Fit::No,
        None => Fit::Part,
    }
}

/// A network in one of the spellings of Windows.
pub fn network(text: &str) -> Option<IpNet> {
    if let Some((address, mask)) = text.split_once('/')
        && let (Ok(address), Ok(mask)) = (address.parse::<IpAddr>(), mask.parse::<IpAddr>())
    {
        return IpNet::with_netmask(address, mask).ok().map(|net| net.trunc());
    }
    text.parse::<IpNet>().map(|net| net.trunc()).or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()
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

    proptest::proptest! {
        #[test]
        fn no_text_breaks_it(text in "(HKEY_LOCAL_MACHINE.{0,80}|    .{0,20}    REG_SZ    [A-Za-z0-9=|./-]{0,120}\n){0,8}") {
            let _ = Firewall::parse(&Registry::parse(&text), true).door(network("10.0.0.1").unwrap());
        }
    }
}
