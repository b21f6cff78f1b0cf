//! firewalld: which zone a packet is in, as firewalld finds it, and whether that zone lets NTP in.
//! `apply`, `check` and `doctor` all ask here.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::dbus;
use super::zone::networks;
pub use super::zone::{Door, Ipsets, Zone};

/// Where the rich rules stand that were added by us, on the host: state, zone and rule in a line, with tabs.
pub const RECORD: &str = "/var/lib/fleetclock/firewalld";

/// Function that prints the way to the first of some addresses that is not the host's own:
/// `fc_way ADDRESS,ADDRESS`.
pub const WAY: &str = r#"fc_way() {
fc_r=
for fc_c in $(echo "$1" | tr , ' '); do
fc_r=$(ip -o route get "$fc_c" 2>/dev/null) || continue
case $fc_r in local*) ;; *) break ;; esac
done
[ -z "$fc_r" ] || echo "${1%%,*} $fc_r"
}"#;

/// Functions that print the state, after [`WAY`]: `fc_firewalld ADDRESS,ADDRESS...`, for networks that ask. It is asked over
/// D-Bus: the same questions by `firewall-cmd` start a Python each and take thirty times as long. Neighbours come and
/// go, so they are printed only where a zone is bound to hardware addresses; a saved plan compares what is printed.
pub const FUNCTIONS: &str = r#"fc_d=org.fedoraproject.FirewallD1; fc_p=/org/fedoraproject/FirewallD1
fc_bus() { busctl call $fc_d "$@"; }
fc_firewalld() {
fc_z=$(fc_bus $fc_p $fc_d getDefaultZone) || { echo off; return; }
echo "default $fc_z"
fc_t=$(fc_bus $fc_p $fc_d.zone getActiveZones)
echo "active $fc_t"
fc_x=
for fc_a in "$@"; do
fc_way "$fc_a" | sed 's/^/route /; s/[ \\]*cache.*//'
done
fc_m=$(printf %s "$fc_t" | tr A-F a-f)
ip neigh 2>/dev/null | while read -r fc_a fc_x fc_i fc_x fc_x fc_l; do
case $fc_x in *:*:*:*:*:*)
case $fc_m in *"$fc_x"* | *ipset:*) echo "neighbour $fc_a $fc_x" ;; esac ;;
esac
done
# In the reply each zone has a map of its own: the word before its number of keys.
[ -z "${fc_all-}" ] || fc_x=$(fc_bus $fc_p $fc_d.zone getZones | sed 's/^as [0-9]* "//; s/"$//; s/" "/" 1 "sources"\n"/g; s/^/"/; s/$/" 1 "sources"/')
for fc_n in $(printf '%s\n%s\n%s\n' "$fc_z" "$fc_t" "${fc_x-}" | grep -oE '"[^"]*" [0-9]+ "(interfaces|sources)"|^s "[^"]*"' | sed 's/^s //; s/"\([^"]*\)".*/\1/' | sort -u); do
fc_zone "$fc_n"
done
for fc_n in $(printf '%s' "$fc_t" | grep -oE 'ipset:[^"]*' | sort -u); do
echo "ipset ${fc_n#ipset:} $(fc_bus $fc_p $fc_d.ipset getEntries s "${fc_n#ipset:}" 2>/dev/null)"
done
[ ! -r /var/lib/fleetclock/firewalld ] || sed 's/^/ours /' /var/lib/fleetclock/firewalld
}
fc_zone() {
fc_o=$(fc_bus $fc_p/config $fc_d.config getZoneByName s "$1")
fc_o=${fc_o#o \"}; fc_o=${fc_o%\"}
if fc_s=$(fc_bus $fc_p $fc_d.zone getZoneSettings2 s "$1" 2>/dev/null); then
printf '%s\n' "running $1 $fc_s" "permanent $1 $(fc_bus "$fc_o" $fc_d.config.zone getSettings2)"
else
printf '%s\n' "running $1 $(fc_bus $fc_p $fc_d getZoneSettings s "$1")" "permanent $1 $(fc_bus "$fc_o" $fc_d.config.zone getSettings)"
fi
}"#;

/// The state of firewalld.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firewalld {
    /// The zone of interfaces that are in no other.
    default: String,
    /// Zone of each interface that is bound to one.
    interfaces: BTreeMap<String, String>,
    /// Which interface leads to an address.
    routes: BTreeMap<IpAddr, String>,
    /// The hardware addresses that are known.
    neighbours: BTreeMap<IpAddr, String>,
    /// The ipsets that zones are bound to.
    pub ipsets: Ipsets,
    /// The zones as they work now.
    pub running: BTreeMap<String, Zone>,
    /// The zones as they will be after the next start.
    pub permanent: BTreeMap<String, Zone>,
    /// The rules that were added by us: state, zone, rule.
    pub ours: Vec<(String, String, String)>,
}

impl Firewalld {
    /// Reads what the functions printed; `None` when firewalld does not run. One that runs and could
    /// not be asked has no zones.
    pub fn read(text: &str) -> Option<Self> {
        let mut firewalld = Firewalld::default();
        for line in text.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            firewalld.line(word, rest);
        }
        (!text.trim().is_empty()).then_some(firewalld)
    }

    fn line(&mut self, word: &str, rest: &str) {
        let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
        match word {
            "default" => self.default = text(rest),
            "interface" if !value.is_empty() => drop(self.interfaces.insert(name.to_owned(), value.to_owned())),
            "active" => self.active(rest),
            "route" => {
                let device = value.split(' ').skip_while(|word| *word != "dev").nth(1);
                self.routes.extend(name.parse().ok().zip(device.map(str::to_owned)));
            }
            "neighbour" => self.neighbours.extend(name.parse().ok().map(|address| (address, value.to_lowercase()))),
            "running" => drop(self.running.insert(name.to_owned(), Zone::read(value))),
            "permanent" => drop(self.permanent.insert(name.to_owned(), Zone::read(value))),
            "ipset" => {
                let entries = dbus::values(value).unwrap_or_default();
                let texts = entries.first().and_then(|list| list.as_array()).cloned().unwrap_or_default();
                let texts = texts.iter().filter_map(|entry| entry.as_str().map(str::to_owned)).collect();
                self.ipsets.insert(name.to_owned(), texts);
            }
            "ours" => {
                let mut fields = rest.splitn(3, '\t').map(str::to_owned);
                let row = (fields.next(), fields.next(), fields.next());
                self.ours.extend(row.0.zip(row.1).zip(row.2).map(|((state, zone), rule)| (state, zone, rule)));
            }
            _ => {}
        }
    }

    /// Each zone that is bound to something, with its interfaces.
    fn active(&mut self, reply: &str) {
        let zones = dbus::values(reply).and_then(|values| values.into_iter().next()).unwrap_or_default();
        for (zone, bound) in zones.as_object().into_iter().flatten() {
            for device in bound["interfaces"].as_array().into_iter().flatten().filter_map(|name| name.as_str()) {
                self.interfaces.insert(device.to_owned(), zone.clone());
            }
        }
    }

    /// Returns the zone that a packet from `from` is in, when it comes in by `device`: sources
    /// come before interfaces, and both before the default.
    pub fn zone(&self, from: IpAddr, device: Option<&str>) -> &str {
        let from = IpNet::from(from);
        let by_source = self.bindings().into_iter().find(|(_, source)| self.binds(source, from)).map(|(zone, _)| zone);
        by_source.unwrap_or_else(|| self.zone_of(device))
    }

    /// All zones that are bound to sources, in the order in which firewalld looks: by priority, then by name.
    fn bindings(&self) -> Vec<(&str, &str)> {
        let mut zones: Vec<(&String, &Zone)> = self.running.iter().collect();
        zones.sort_by_key(|(name, zone)| (zone.priority, *name));
        let all = zones.into_iter().flat_map(|(name, zone)| zone.sources.iter().map(move |source| (name, source)));
        all.map(|(name, source)| (name.as_str(), source.as_str())).collect()
    }

    /// Whether a source of a zone has an address, or all of a network.
    fn binds(&self, source: &str, from: IpNet) -> bool {
        let by_mac = || {
            let mac = self.neighbours.get(&from.addr()).filter(|_| from.prefix_len() == from.max_prefix_len());
            mac.is_some_and(|mac| self.macs(source).contains(mac))
        };
        networks(source, &self.ipsets).iter().any(|network| network.contains(&from)) || by_mac()
    }

    /// The hardware addresses that a source stands for.
    fn macs(&self, source: &str) -> Vec<String> {
        match source.strip_prefix("ipset:") {
            Some(name) => self.ipsets.get(name).into_iter().flatten().map(|entry| entry.to_lowercase()).collect(),
            None => vec![source.to_lowercase()],
        }
    }

    fn zone_of(&self, device: Option<&str>) -> &str {
        let bound = device.and_then(|device| self.interfaces.get(device)).filter(|zone| !zone.is_empty());
        bound.unwrap_or(&self.default)
    }

    /// Returns where packets of a network arrive: the parts of it that sources of zones have, each with its
    /// zone, and the rest with the zone of the interface that leads there.
    pub fn split(&self, network: IpNet) -> Vec<(IpNet, &str)> {
        let (mut parts, mut taken): (Vec<(IpNet, &str)>, Vec<IpNet>) = (Vec::new(), Vec::new());
        for (zone, source) in self.bindings() {
            for own in self.sources_in(source, network) {
                if taken.iter().any(|other| other.contains(&own)) {
                    continue;
                }
                parts.push((own, zone));
                taken.push(own);
            }
        }
        if !IpNet::aggregate(&taken).iter().any(|all| all.contains(&network)) {
            let device = self.routes.get(&asker(network)).map(String::as_str);
            parts.push((network, self.zone_of(device)));
        }
        parts
    }

    /// The parts of a network that a source has; of hardware addresses those that are known.
    fn sources_in(&self, source: &str, network: IpNet) -> Vec<IpNet> {
        let within = |own: IpNet| match (own.contains(&network), network.contains(&own)) {
            (true, _) => Some(network),
            (false, true) => Some(own),
            (false, false) => None,
        };
        let macs = self.macs(source);
        let known = self.neighbours.iter().filter(|(address, mac)| network.contains(*address) && macs.contains(mac));
        let by_mac = known.map(|(address, _)| IpNet::from(*address));
        networks(source, &self.ipsets).into_iter().filter_map(within).chain(by_mac).collect()
    }

    /// Returns whether a zone lets a network in, now or after the next start.
    pub fn door(&self, zone: &str, from: IpNet, permanent: bool) -> Option<Door> {
        let zones = if permanent { &self.permanent } else { &self.running };
        Some(zones.get(zone)?.door(from, &self.ipsets))
    }

    /// Returns the zones that let NTP in, now; one that lets everything in is no sign that NTP was meant.
    pub fn open_zones(&self, from: IpAddr) -> Vec<&str> {
        let from = IpNet::from(from);
        let open = |zone: &Zone| !zone.lets_all_in() && zone.door(from, &self.ipsets) == Door::Open;
        self.running.iter().filter(|(_, zone)| open(zone)).map(|(name, _)| name.as_str()).collect()
    }
}

/// Returns an address of a network that a packet may come from.
fn asker(network: IpNet) -> IpAddr {
    network.hosts().next().unwrap_or(network.addr())
}

/// Returns addresses of a network that packets may come from, as [`WAY`] takes them; it is known by the
/// first. The others are for a host that has the first one itself, as a master at `.1` has.
pub fn askers(network: IpNet) -> String {
    let first = asker(network);
    let mut all = vec![first];
    all.extend(network.hosts().nth(1));
    all.extend(last(network).filter(|last| !all.contains(last)));
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The highest address of a network that a host may have.
fn last(network: IpNet) -> Option<IpAddr> {
    match network {
        IpNet::V4(net) => u32::from(net.broadcast()).checked_sub(1).map(|number| IpAddr::from(number.to_be_bytes())),
        IpNet::V6(net) => Some(net.broadcast().into()),
    }
    .filter(|last| network.contains(last))
}

/// A name as our own lines have it, or as busctl prints it: `s "public"`.
fn text(word: &str) -> String {
    let reply = dbus::values(word).filter(|_| word.starts_with("s "));
    reply.and_then(|values| values.first()?.as_str().map(str::to_owned)).unwrap_or_else(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_askers_beside_the_host_itself() {
        for (network, all) in [
            ("10.10.10.0/24", "10.10.10.1,10.10.10.2,10.10.10.254"),
            ("10.10.10.0/31", "10.10.10.0,10.10.10.1"),
            ("10.10.10.7/32", "10.10.10.7"),
            ("0.0.0.0/0", "0.0.0.1,0.0.0.2,255.255.255.254"),
            ("fd00::/64", "fd00::,fd00::1,fd00::ffff:ffff:ffff:ffff"),
        ] {
            assert_eq!(askers(network.parse().unwrap()), all);
        }
    }

    #[test]
    fn the_way_to_the_first_that_is_not_the_host_itself_is_told() {
        let ip = "ip() { case $4 in 10.0.0.1) echo 'local 10.0.0.1 dev lo' ;; 10.0.0.9) return 2 ;; *) echo \"$4 dev eth1\" ;; esac; }";
        #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
        let way = |asked: &str| {
            let output =
                std::process::Command::new("sh").arg("-c").arg(format!("{ip}\n{WAY}\nfc_way {asked}")).output();
            String::from_utf8(output.unwrap().stdout).unwrap()
        };
        assert_eq!(way("10.0.0.1,10.0.0.2"), "10.0.0.1 10.0.0.2 dev eth1\n");
        assert_eq!(way("10.0.0.3,10.0.0.2"), "10.0.0.3 10.0.0.3 dev eth1\n");
        assert_eq!(way("10.0.0.1"), "10.0.0.1 local 10.0.0.1 dev lo\n");
        assert_eq!(way("10.0.0.9"), "");
    }

    const CLOSED: &str = r#"{"data":[{"services":{"type":"as","data":["ssh"]}}]}"#;
    const OPEN: &str =
        r#"{"data":[{"services":{"type":"as","data":["ntp"]},"sources":{"type":"as","data":["10.9.0.0/16"]}}]}"#;

    #[test]
    fn a_source_comes_before_an_interface_and_both_before_the_default() {
        let text = format!(
            "default public\ninterface eth1 dmz\nrunning public {CLOSED}\nrunning dmz {CLOSED}\nrunning lan {OPEN}\n"
        );
        let firewalld = Firewalld::read(&text).unwrap();
        let zone = |from: &str, device| firewalld.zone(from.parse().unwrap(), device).to_owned();
        assert_eq!(zone("10.9.1.1", Some("eth1")), "lan");
        assert_eq!(zone("10.8.1.1", Some("eth1")), "dmz");
        assert_eq!(zone("10.8.1.1", Some("eth0")), "public");
        assert_eq!(firewalld.open_zones("10.8.1.1".parse().unwrap()), ["lan"]);
    }

    #[test]
    fn a_firewalld_that_could_not_be_asked_is_not_taken_for_none() {
        let firewalld = Firewalld::read("default \n").unwrap();
        assert!(firewalld.running.is_empty());
        assert_eq!(Firewalld::read(""), None);
    }

    const BOUND: &str = "default s \"public\"\nactive a{sa{sas}} 1 \"dmz\" 1 \"interfaces\" 1 \"eth1\"\nroute 10.10.10.1 10.10.10.1 dev eth1 src 10.10.10.9\nneighbour 10.10.10.7 02:00:00:00:00:07\nipset lan as 2 \"10.10.10.64/26\" \"10.20.0.0/16\"\n";

    fn split(sources: &str, network: &str) -> Vec<String> {
        let text = format!("{BOUND}running public a{{sv}} 0\nrunning dmz a{{sv}} 0\n{sources}");
        let firewalld = Firewalld::read(&text).unwrap();
        let parts = firewalld.split(network.parse().unwrap());
        parts.into_iter().map(|(network, zone)| format!("{network} {zone}")).collect()
    }

    #[test]
    fn a_network_is_split_where_a_source_has_a_part_of_it() {
        let bound = |zone: &str, source: &str| format!("running {zone} a{{sv}} 1 \"sources\" as 1 \"{source}\"\n");
        let all = "10.10.10.0/24";
        assert_eq!(split("", all), ["10.10.10.0/24 dmz"]);
        assert_eq!(split("", "10.99.0.0/24"), ["10.99.0.0/24 public"]);
        assert_eq!(split(&bound("work", "10.0.0.0/8"), all), ["10.10.10.0/24 work"]);
        assert_eq!(split(&bound("work", "10.10.10.20"), all), ["10.10.10.20/32 work", "10.10.10.0/24 dmz"]);
        assert_eq!(split(&bound("work", "ipset:lan"), all), ["10.10.10.64/26 work", "10.10.10.0/24 dmz"]);
        assert_eq!(split(&bound("work", "02:00:00:00:00:07"), all), ["10.10.10.7/32 work", "10.10.10.0/24 dmz"]);
        let two = bound("a", "10.10.10.0/25") + &bound("b", "10.10.10.0/24");
        assert_eq!(split(&two, all), ["10.10.10.0/25 a", "10.10.10.0/24 b"]);
        let halves = bound("a", "10.10.10.0/25") + &bound("b", "10.10.10.128/25");
        assert_eq!(split(&halves, all), ["10.10.10.0/25 a", "10.10.10.128/25 b"]);
        assert_eq!(split(&two, "10.10.10.7/32"), ["10.10.10.7/32 a"]);
    }

    #[test]
    fn a_lower_priority_comes_first() {
        let zone = |name: &str, priority: i32| {
            format!("running {name} a{{sv}} 2 \"sources\" as 1 \"10.0.0.0/8\" \"ingress_priority\" i {priority}\n")
        };
        assert_eq!(split(&(zone("a", 0) + &zone("b", -5)), "10.10.10.0/24"), ["10.10.10.0/24 b"]);
    }
}
