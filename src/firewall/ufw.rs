//! ufw: rules of iptables in chains of its own, which it makes of the files in /etc/ufw. A rule of ours is what
//! `ufw allow proto udp from NETWORK to any port 123 comment fleetclock` writes, before the first rule of the
//! administrator that stops everybody, in the file and in the chain as it works.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{Result, anyhow};
use ipnet::IpNet;

use super::advice::{Asked, short};
use super::known::Opening;
use super::packet::Packet;
use super::registry::{AtBoot, Firewall, Judged, LinuxFirewall, Read, Signs, Wanted};
use super::ruleset::{Chain, Hook, Rule, Ruleset};
use super::saved::{self, File, Saved};
use super::walk::Stop;
use super::{insert, iptables};
use crate::exit::Hint as _;

/// The word, the unit and the beginning of its chains.
const WORD: &str = "ufw";

/// What its rules of ours are called: `comment fleetclock`, as its files have it.
const COMMENT: &str = "comment=666c656574636c6f636b";

/// The files that its rules are made of, in the order in which they are loaded.
const FILES: [(&str, [&str; 3]); 2] = [
    ("ip", ["/etc/ufw/before.rules", "/etc/ufw/user.rules", "/etc/ufw/after.rules"]),
    ("ip6", ["/etc/ufw/before6.rules", "/etc/ufw/user6.rules", "/etc/ufw/after6.rules"]),
];

/// ufw.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ufw;

impl Firewall for Ufw {
    fn word(&self) -> &'static str {
        WORD
    }

    fn findings(&self) -> &'static [&'static str] {
        &["FC046", "FC049"]
    }
}

impl LinuxFirewall for Ufw {
    fn units(&self) -> &'static [&'static str] {
        &[WORD]
    }

    fn sign(&self) -> &'static str {
        "[ ! -e /etc/ufw/ufw.conf ] || ! grep -q '^ENABLED=yes' /etc/ufw/ufw.conf || echo sign=ufw\n"
    }

    fn is_active(&self, signs: &Signs<'_>) -> bool {
        signs.said.contains(&WORD)
    }

    fn settings(&self, _wanted: &Wanted) -> String {
        format!("{}\nfc_xt=yes", settings())
    }

    fn compare(&self, wanted: &Wanted, read: &Read<'_>) -> Result<Judged> {
        let ufw = Files::read(&read.settings);
        let six = wanted.networks.iter().find(|network| network.addr().is_ipv6());
        if let Some(network) = six.filter(|_| !ufw.has_six) {
            return Err(anyhow!(
                "ufw drops all of IPv6 (`IPV6=no` in /etc/default/ufw), and {network} is to be served"
            )
            .hint("set `IPV6=yes` there and run `ufw reload`, or serve no IPv6"));
        }
        if ufw.files.is_empty() {
            return Err(anyhow!("ufw has no /etc/ufw/user.rules that can be read")
                .hint("install ufw, or say `firewall: auto` or `firewall: none` for this host"));
        }
        let mut judged = saved::judge(&ufw, wanted, read)?;
        judged.doubts.extend(ufw.doubt());
        Ok(judged)
    }

    fn owns(&self, stop: &Stop, beside: &[&str]) -> bool {
        let own = |name: &str| name.starts_with("ufw-") || name.starts_with("ufw6-");
        // The last word of a base chain is that of the firewall which has its own chains in it.
        own(&stop.chain.name) || stop.rule.is_none() && beside.iter().any(|name| own(name))
    }

    fn advice(&self, asked: &Asked<'_>) -> String {
        advice(asked)
    }

    fn evidence(&self) -> String {
        format!(
            "#: ufw: ufw status verbose; cat /etc/ufw/user.rules\nif grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf; then\n{}\nfi\n\n",
            settings()
        )
    }

    fn boot(&self) -> Option<AtBoot> {
        let read = |text: &str| {
            let ufw = Some(Files::read(text)).filter(|ufw| !text.is_empty() && !ufw.is_off());
            ufw.map(|ufw| ufw.at_boot())
        };
        Some(AtBoot { part: WORD, read, unit: |_, _| WORD })
    }

    fn boot_advice(&self, _now: &Ruleset, _stop: &Stop, packet: &Packet<'_>) -> String {
        format!("ufw allow proto udp from {} to any port 123", short(packet.from))
    }
}

/// Shell text that prints its settings and its files.
fn settings() -> String {
    let files: Vec<&str> = FILES.iter().flat_map(|(_, files)| files).copied().collect();
    format!(
        "sed -n -E 's/^(ENABLED)=/\\1=/p' /etc/ufw/ufw.conf 2>/dev/null
sed -n -E 's/^(IPV6|DEFAULT_INPUT_POLICY)=/\\1=/p' /etc/default/ufw 2>/dev/null
echo \"unit=$(systemctl is-enabled ufw.service 2>/dev/null)\"
{}",
        saved::cat(&files)
    )
}

/// What its files and settings say.
#[derive(Debug, Default)]
struct Files {
    enabled: bool,
    /// Whether it is started at boot; empty where systemd does not say.
    unit: String,
    /// `DROP`, `REJECT`, `ACCEPT`.
    policy: String,
    has_six: bool,
    /// The files of its own rules, those of the administrator.
    files: Vec<File>,
    /// All files of a family, one after the other.
    all: Vec<(&'static str, String)>,
}

impl Files {
    fn read(text: &str) -> Self {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
        };
        let mut ufw = Files {
            enabled: value("ENABLED") == "yes",
            unit: value("unit"),
            policy: value("DEFAULT_INPUT_POLICY"),
            has_six: value("IPV6") == "yes",
            ..Files::default()
        };
        for (family, paths) in FILES.into_iter().filter(|(family, _)| *family == "ip" || ufw.has_six) {
            let texts: Vec<String> = paths.iter().map(|path| saved::read(text, path).unwrap_or_default()).collect();
            if let Some(user) = saved::read(text, paths[1]) {
                ufw.files.push(File { family, path: paths[1].to_owned(), text: user });
            }
            ufw.all.push((family, texts.concat()));
        }
        ufw
    }

    /// Whether nothing starts it at boot.
    fn is_off(&self) -> bool {
        matches!(self.unit.as_str(), "disabled" | "masked")
    }

    fn doubt(&self) -> Option<String> {
        match self.enabled {
            false => Some("ufw is inactive: what is opened in it works when somebody runs `ufw enable`".to_owned()),
            true if self.is_off() => Some(format!(
                "ufw.service is {}: at the next boot ufw filters nothing, and whether something else does was not judged",
                self.unit
            )),
            true => None,
        }
    }

    /// The chains that its start makes around what the files say.
    fn frame(&self, family: &str) -> String {
        let six = if family == "ip6" { "6" } else { "" };
        let (policy, last) = match self.policy.as_str() {
            "ACCEPT" => ("ACCEPT", "ACCEPT"),
            "REJECT" => ("DROP", "REJECT"),
            _ => ("DROP", "DROP"),
        };
        let steps = ["before-logging-input", "before-input", "after-input", "after-logging-input", "reject-input"];
        let jumps: String = steps.iter().map(|name| format!("-A INPUT -j ufw{six}-{name}\n")).collect();
        let chains: String =
            steps.iter().chain(&["skip-to-policy-input"]).map(|name| format!(":ufw{six}-{name} - [0:0]\n")).collect();
        let reject =
            if self.policy == "REJECT" { format!("-A ufw{six}-reject-input -j REJECT\n") } else { String::new() };
        format!(
            "# {family} nft\n*filter\n:INPUT {policy} [0:0]\n{chains}{jumps}{reject}-A ufw{six}-skip-to-policy-input -j {last}\nCOMMIT\n"
        )
    }

    /// Whom the rules of ours in its files let in at a port.
    fn ours(&self, port: &Opening) -> BTreeSet<IpNet> {
        let own = self.files.iter().flat_map(|file| file.text.lines()).filter_map(tuple);
        own.filter(|(own, _)| own == port).map(|(_, network)| network).collect()
    }
}

/// What a rule of ours lets in, by the words that stand above it in a file.
fn tuple(line: &str) -> Option<(Opening, IpNet)> {
    let words: Vec<&str> = line.strip_prefix("### tuple ### ")?.split(' ').collect();
    let port = Opening::read(&format!("{}/{}", words.get(2)?.replace(':', "-"), words.get(1)?)).ok()?;
    let from = words.get(5)?;
    let network = from.parse().ok().or_else(|| Some(IpNet::from(from.parse::<IpAddr>().ok()?)));
    network.filter(|_| words.contains(&COMMENT)).map(|network| (port, network))
}

/// The rules of a file; those of ours have their mark, which ufw keeps in the line above.
fn with_marks(text: &str) -> String {
    let mut above = None;
    let marked = |line: &str| {
        let own = above.take().filter(|_| line.starts_with("-A "));
        above = tuple(line);
        match own {
            Some((port, network)) => format!("{line} -m comment --comment \"{}\"\n", insert::mark(network, &port)),
            None => format!("{line}\n"),
        }
    };
    text.lines().map(marked).collect()
}

impl Saved for Files {
    fn word(&self) -> &'static str {
        WORD
    }

    fn at_boot(&self) -> Ruleset {
        let of = |(family, files): &(&'static str, String)| {
            let six = if *family == "ip6" { "6" } else { "" };
            // Its start calls the rules of the administrator at the end of its own.
            let call = format!("# {family} nft\n*filter\n-A ufw{six}-before-input -j ufw{six}-user-input\n");
            format!("{}{}{call}", self.frame(family), with_marks(files))
        };
        let text: String = self.all.iter().map(of).collect();
        Ruleset { chains: iptables::read(&text), ..Ruleset::default() }
    }

    fn files(&self) -> &[File] {
        &self.files
    }

    fn target(&self, rules: &Ruleset, stop: &Stop) -> Option<usize> {
        let name = if stop.base.family == "ip6" { "ufw6-user-input" } else { "ufw-user-input" };
        let own = |chain: &Chain| chain.name == name && chain.is_beside(&stop.base);
        let is_input = stop.base.hook == Some(Hook::Input);
        rules.chains.iter().position(own).filter(|_| is_input)
    }

    /// As they work, rules have no marks: of those that say what ours says, the first one is ours, for it stands
    /// before what stops them. Another may be somebody's that came too late.
    fn own(&self, chain: &Chain, port: &Opening) -> Vec<(usize, IpNet)> {
        let marked = insert::marked(chain, port);
        if !marked.is_empty() || !matches!(chain.name.as_str(), "ufw-user-input" | "ufw6-user-input") {
            return marked;
        }
        let first = |network: IpNet| {
            let four = network.addr().is_ipv4() == (chain.family == "ip");
            let words = self.words(network, port);
            let is_ours = |rule: &Rule| four && insert::is_like(rule, network, &words);
            Some((chain.rules.iter().position(is_ours)?, network))
        };
        let mut own: Vec<_> = self.ours(port).into_iter().filter_map(first).collect();
        own.sort_unstable();
        own
    }

    fn words(&self, network: IpNet, port: &Opening) -> String {
        let (protocol, ports) = (port.protocol(), port.ports().replace('-', ":"));
        let match_ports =
            if ports.contains(':') { format!("-m multiport --dports {ports}") } else { format!("--dport {ports}") };
        format!("-p {protocol} {match_ports} -s {} -j ACCEPT", short(network))
    }

    fn lines(&self, chain: &str, network: IpNet, port: &Opening) -> Vec<String> {
        let any = if network.addr().is_ipv4() { "0.0.0.0/0" } else { "::/0" };
        let (protocol, ports, from) = (port.protocol(), port.ports().replace('-', ":"), short(network));
        vec![
            format!("### tuple ### allow {protocol} {ports} {any} any {from} in {COMMENT}"),
            format!("-A {chain} {}", self.words(network, port)),
            String::new(),
        ]
    }

    fn end(&self) -> &'static str {
        "### END RULES ###"
    }

    fn test(&self, file: &File) -> String {
        let six = if file.family == "ip6" { "6" } else { "" };
        // It refers to chains that are there while ufw is active.
        if self.enabled { format!("ip{six}tables-restore -n --test") } else { "true".to_owned() }
    }
}

/// `ufw allow`, before all rules where one of the administrator stops it.
fn advice(asked: &Asked<'_>) -> String {
    let other = short(asked.other());
    let name = &asked.stop.chain.name;
    // Rules of the administrator stand in the chains of the user, policies at the ends of the base chains;
    // what comes before both stands in a file.
    if name.contains("before") || name.contains("not-local") || name.contains("after") || name.contains("track") {
        return in_file(asked);
    }
    let verb = if name.contains("user") { "prepend allow" } else { "allow" };
    match (asked.packet.inbound, asked.packet.answer) {
        (true, false) => format!("ufw {verb} from {other} to any port 123 proto udp"),
        (false, false) => format!("ufw {verb} out to {other} port 123 proto udp"),
        (true, true) => format!("ufw {verb} proto udp from {other} port 123"),
        (false, true) => format!("ufw {verb} out proto udp from any port 123 to {other}"),
    }
}

fn in_file(asked: &Asked<'_>) -> String {
    let (file, six) = if asked.is_v4() { ("before.rules", "") } else { ("before6.rules", "6") };
    let chain = if asked.packet.inbound { "input" } else { "output" };
    let flag = if asked.packet.inbound { "-s" } else { "-d" };
    format!(
        "in /etc/ufw/{file}, behind the line `# End required lines`, insert `-A ufw{six}-before-{chain} -p udp {flag} {} --{} 123 -j ACCEPT`; then ufw reload",
        short(asked.other()),
        asked.side()
    )
}
