//! Who may ask out of a network, and the way to them.

use std::net::IpAddr;

use ipnet::IpNet;

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

/// Returns an address of a network that a packet may come from.
pub(super) fn asker(network: IpNet) -> IpAddr {
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
}
