//! The firewalls of a Linux host: what was read of them, what becomes of one NTP packet, and how
//! it is let in, in the words of whoever owns the rule. Text in, values out; no I/O.
//!
//! [`registry`] has all firewalls that are opened here; each owns what is known of it.
//! `nft` and `iptables` read into a [`Ruleset`]; [`walk`] sends a [`Packet`] through it and answers
//! yes, no, or that it cannot be told; [`advice`] says what to insert where; [`firewalld`] has the zones.

pub mod advice;
mod askers;
mod dbus;
mod expression;
pub mod filter;
pub mod firewalld;
mod insert;
pub mod iptables;
mod iptables_file;
mod known;
pub mod nft;
mod nftables;
mod owner;
pub mod packet;
pub mod precede;
pub mod record;
pub mod registry;
mod rich;
pub mod ruleset;
mod saved;
mod steps;
mod ufw;
pub mod unread;
pub mod walk;
mod windows;
pub mod zone;

pub use owner::Owner;
pub use packet::{ClientPort, Packet, Sender};
pub use registry::{ALL, Firewall, LinuxFirewall, Word, every};
pub use ruleset::Ruleset;
pub use walk::{Stop, Verdict};

/// Shell text that prints all rules of nftables: as JSON in one line, and as text with handles, by which
/// a rule is shown. `unreadable` where there may be rules that cannot be read; an `nft` without JSON says whether there
/// are any.
pub const NFT: &str = r#"fc_nft=$(nft -j list ruleset 2>/dev/null) || fc_nft=
if [ -n "$fc_nft" ]; then
printf '%s\n' "$fc_nft"
nft -a list ruleset 2>/dev/null
elif fc_t=$(nft list ruleset 2>/dev/null) && [ -z "$fc_t" ]; then :
elif command -v nft >/dev/null 2>&1 || [ -d /sys/module/nf_tables ]; then
echo unreadable
fi"#;

/// Shell text that prints the rules of iptables, both kinds, behind a line for each family. The tables of
/// iptables-legacy are in the kernel beside those of nft, and to ask where there are none would make
/// some. Those of iptables-nft are asked for where `nft` cannot show what they say or shows nothing, and where `fc_xt` is `yes`.
/// Comes after [`NFT`].
pub const IPTABLES: &str = r#"fc_legacy() {
[ -n "$(cat "/proc/net/$1_tables_names" 2>/dev/null)" ] || return 0
for fc_c in "$1tables-legacy-save" "$1tables-save"; do
fc_t=$("$fc_c" -c 2>/dev/null) && [ -n "$fc_t" ] || continue
case $("$fc_c" -V 2>/dev/null) in *nf_tables*) continue ;; esac
printf '# %s\n%s\n' "$1" "$fc_t"
return 0
done
echo unreadable
}
fc_xtables() {
for fc_c in "$1tables-nft-save" "$1tables-save"; do
case $("$fc_c" -V 2>/dev/null) in *nf_tables*) ;; *) continue ;; esac
printf '# %s nft\n%s\n' "$1" "$("$fc_c" -c 2>/dev/null)"
return 0
done
}
fc_legacy ip
fc_legacy ip6
case ${fc_xt-}$fc_nft in
yes* | *'"xt"'*) fc_xtables ip; fc_xtables ip6 ;;
'') [ ! -d /sys/module/nf_tables ] || { fc_xtables ip; fc_xtables ip6; } ;;
esac"#;

/// Shell text that prints who keeps rules over a boot, whether `nft` is not installed, and which users time services have.
pub const KEEPERS: &str = r#"for fc_f in /usr/sbin/netfilter-persistent /etc/sysconfig/iptables /etc/iptables/rules.v4 /etc/nftables.conf /etc/sysconfig/nftables.conf /usr/sbin/iptables-legacy; do
[ ! -e "$fc_f" ] || echo "file $fc_f"
done
command -v nft >/dev/null 2>&1 || echo "without nft"
while IFS=: read -r fc_u fc_x fc_i fc_r; do
case $fc_u in chrony | _chrony | ntp | ntpsec) echo "user $fc_i $fc_u" ;; esac
done </etc/passwd"#;

/// Shell text that prints what beside nftables may take packets away. Of an interface: a filter of `tc`, a queue
/// that loses some on purpose, a program of XDP. Of two networks: a policy of IPsec that blocks, or that wants what
/// a plain packet has not. Of all: a table of connections that has no room for another, or hardly (dash reads byte by
/// byte, and a file of sysctl gives no more than the first one then, so `cat` reads it).
pub const BESIDE: &str = r#"tc qdisc show 2>/dev/null | sed -n -E 's/^qdisc (clsact|ingress) .* dev ([^ ]+).*/tc \2/p; s/^qdisc netem .* dev ([^ ]+) .*(loss|corrupt).*/tc \1/p' | sort -u
ip -o link show 2>/dev/null | sed -n -E 's/^[0-9]+: ([^:@]+).* (xdp|xdpgeneric|xdpoffload|prog\/xdp)[ \/].*/xdp \1/p'
ip xfrm policy 2>/dev/null | while read -r fc_a fc_b fc_c fc_d fc_r; do
case "$fc_a $fc_b $fc_c $fc_d" in
src\ *\ dst\ *) fc_s="$fc_b $fc_d"; fc_w= ;;
dir\ fwd\ *) fc_w=fwd ;;
dir\ *action\ block) echo "xfrm $fc_s" ;;
tmpl\ *) [ -n "$fc_w" ] || echo "xfrm $fc_s" ;;
esac
done
fc_a=$(cat /proc/sys/net/netfilter/nf_conntrack_count 2>/dev/null) && fc_b=$(cat /proc/sys/net/netfilter/nf_conntrack_max 2>/dev/null) &&
[ "$fc_b" -gt 0 ] && [ "$fc_a" -ge $((fc_b - fc_b / 100)) ] && echo "conntrack $fc_a $fc_b" || :"#;

/// Returns the ruleset that the parts say.
pub fn read(nft: &str, iptables: &str, keepers: &str) -> Ruleset {
    let mut rules = nft::read(nft);
    rules.join_iptables(iptables);
    rules.keep(keepers);
    rules
}

#[cfg(test)]
mod tests {
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the shell text itself is what is tested")]
    fn a_table_of_connections_is_full_at_the_last_hundredth() {
        let folder = tempfile::tempdir().unwrap();
        let (_, part) = super::BESIDE.rsplit_once("\nfc_a=").unwrap();
        let script = format!("fc_a={part}").replace("/proc/sys/net/netfilter", folder.path().to_str().unwrap());
        let said = |used: &str, room: &str| {
            std::fs::write(folder.path().join("nf_conntrack_count"), format!("{used}\n")).unwrap();
            std::fs::write(folder.path().join("nf_conntrack_max"), format!("{room}\n")).unwrap();
            let output = std::process::Command::new("sh").arg("-c").arg(&script).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(said("989", "1000"), "");
        assert_eq!(said("990", "1000"), "conntrack 990 1000\n");
        assert_eq!(said("50", "50"), "conntrack 50 50\n");
        assert_eq!(said("0", "0"), "");
        // A file of sysctl is no file of a disk: the second read of it is its end.
        let (counts, real) = (folder.path().join("nf_conntrack_"), "/proc/sys/kernel/pid_max");
        let counts = counts.to_str().unwrap();
        let script = script.replace(&format!("{counts}count"), real).replace(&format!("{counts}max"), real);
        let number = std::fs::read_to_string(real).unwrap();
        for shell in ["dash", "bash"] {
            let output = std::process::Command::new(shell).arg("-c").arg(&script).output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            assert_eq!(said, format!("conntrack {0} {0}\n", number.trim()), "{shell}");
        }
    }
}
