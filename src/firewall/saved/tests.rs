use super::*;
use crate::exit;
use crate::firewall::filter::{Filter, RULES};
use crate::firewall::registry::{self, LinuxFirewall};
use crate::model::Slice;

fn named(word: &str) -> &'static dyn LinuxFirewall {
    *registry::ALL.iter().find(|firewall| firewall.word() == word).unwrap()
}

/// Who is served: a network, in which one follower is known.
fn wanted(network: &str) -> Wanted {
    let networks: Vec<IpNet> = vec![network.parse().unwrap()];
    let follower = networks[0].hosts().nth(1).unwrap();
    let filter = Filter { host: "m1".to_owned(), networks: networks.clone(), followers: vec![follower] };
    Wanted { networks, filter: Some(filter), ..Wanted::default() }
}

fn judged(word: &str, stdout: &str, wanted: &Wanted) -> Result<Judged> {
    named(word).judge(wanted, &Slice { stdout: stdout.to_owned(), ..Slice::default() })
}

/// What a real ufw has made of a rule for SSH, a `deny 123/udp`, and one of ours that is no longer wanted.
const UFW: &str = include_str!("../../../tests/firewall/ufw/before.txt");

/// The file that `ufw insert 2 allow proto udp from 10.10.10.0/24 to any port 123 comment fleetclock` has made of it.
const INSERTED: &str = include_str!("../../../tests/firewall/ufw/after.rules");

#[test]
fn the_file_of_ufw_becomes_what_ufw_itself_would_write() {
    let judged = judged("ufw", UFW, &wanted("10.10.10.0/24")).unwrap();
    assert!(judged.change.contains(&format!("printf '%s' '{INSERTED}'")), "{}", judged.change);
    let chain = "-t filter -I ufw-user-input 2 -p udp --dport 123 -s 10.10.10.0/24 -j ACCEPT\n";
    assert!(judged.change.contains(chain), "{}", judged.change);
    assert!(judged.change.contains("-D ufw-user-input -p udp --dport 123 -s 10.10.9.0/24 -j ACCEPT\n"));
    assert!(judged.undo.contains("-D ufw-user-input -p udp --dport 123 -s 10.10.10.0/24 -j ACCEPT 2>/dev/null || :\n"));
    assert!(judged.undo.contains("-I ufw-user-input 3 -p udp --dport 123 -s 10.10.9.0/24 -j ACCEPT\n"));
    assert_eq!((judged.deltas.len(), judged.doubts.len()), (3, 0));
    let diff = judged.deltas[0].diff.as_deref().unwrap();
    assert!(diff.contains("+-A ufw-user-input -p udp --dport 123 -s 10.10.10.0/24 -j ACCEPT\n"), "{diff}");
}

/// The same host when that was done.
fn opened() -> String {
    let (head, rest) = UFW.split_once("--- file /etc/ufw/user.rules\n").unwrap();
    let (_, rest) = rest.split_once("\n--- file").unwrap();
    let now = "[0:0] -A ufw-user-input -s 10.10.10.0/24 -p udp -m udp --dport 123 -j ACCEPT\n";
    let deny = "[0:0] -A ufw-user-input -p udp -m udp --dport 123 -j DROP\n";
    let old = "[0:0] -A ufw-user-input -s 10.10.9.0/24 -p udp -m udp --dport 123 -j ACCEPT\n";
    let rest = rest.replace(deny, &format!("{now}{deny}")).replace(old, "");
    format!("{head}--- file /etc/ufw/user.rules\n{INSERTED}\n--- file{rest}")
}

#[test]
fn what_ufw_has_now_and_what_it_will_have_are_two_things() {
    let wanted = wanted("10.10.10.0/24");
    assert_eq!(judged("ufw", &opened(), &wanted).unwrap().deltas, []);
    // Somebody has taken it out of the chain, or out of the file.
    let now = "[0:0] -A ufw-user-input -s 10.10.10.0/24 -p udp -m udp --dport 123 -j ACCEPT\n";
    let in_file_only = judged("ufw", &opened().replace(now, ""), &wanted).unwrap();
    let shown: Vec<&str> = in_file_only.deltas.iter().map(|delta| delta.property.as_str()).collect();
    assert_eq!(shown, ["123/udp from 10.10.10.0/24 (running)"]);
    let line = "-A ufw-user-input -p udp --dport 123 -s 10.10.10.0/24 -j ACCEPT\n";
    let now_only = judged("ufw", &opened().replacen(line, "", 1), &wanted).unwrap();
    assert!(now_only.deltas.iter().any(|delta| delta.resource == "ufw /etc/ufw/user.rules"));
    // A rule for all that is before it is no use to it; one that is behind it is no matter.
    let late = "[0:0] -A ufw-user-input -p udp -m udp --dport 123 -j DROP\n";
    let moved = opened().replace(&format!("{now}{late}"), &format!("{late}{now}"));
    let moved = judged("ufw", &moved, &wanted).unwrap();
    assert!(moved.change.contains("-D ufw-user-input") && moved.change.contains("-I ufw-user-input 2"));
}

/// `ufw allow` after `ufw deny`, which comes too late: what it says is what ours says.
#[test]
fn a_rule_of_another_that_says_the_same_and_comes_too_late_stays() {
    let (tuple, line) = (
        "### tuple ### allow udp 123 0.0.0.0/0 any 10.10.10.0/24 in\n",
        "-A ufw-user-input -p udp --dport 123 -s 10.10.10.0/24 -j ACCEPT\n",
    );
    let now = "[0:0] -A ufw-user-input -s 10.10.10.0/24 -p udp -m udp --dport 123 -j ACCEPT\n";
    let deny = "[0:0] -A ufw-user-input -p udp -m udp --dport 123 -j DROP\n";
    let with_his = |text: &str| {
        let text = text.replacen("### END RULES ###", &format!("{tuple}{line}\n### END RULES ###"), 1);
        text.replace(deny, &format!("{deny}{now}"))
    };
    let open = judged("ufw", &with_his(UFW), &wanted("10.10.10.0/24")).unwrap();
    assert!(open.change.contains("-I ufw-user-input 2") && open.change.contains(tuple), "{}", open.change);
    assert!(!open.change.contains("-D ufw-user-input -p udp --dport 123 -s 10.10.10.0/24"), "{}", open.change);
    // It is not taken away with ours, were ours never put in.
    assert!(open.undo.contains("[ ! -e \"$FC_KEEP/come-0\" ] || fc_x iptables-nft -t filter -D ufw-user-input"));
    let wanted = wanted("10.10.10.0/24");
    assert_eq!(judged("ufw", &with_his(&opened()), &wanted).unwrap().deltas, []);
    let closed = judged("ufw", &with_his(&opened()), &Wanted::default()).unwrap();
    assert!(closed.change.contains(tuple) && closed.change.matches("-D ufw-user-input").count() == 1);
}

#[test]
fn what_ufw_says_of_the_followers_alone_is_somebodys_word() {
    let deny = |from: &str, line: &str| line.replace("--dport 123 -j DROP", &format!("--dport 123 -s {from} -j DROP"));
    for from in ["10.10.10.0/24", "10.10.10.2"] {
        let said = judged("ufw", &deny(from, UFW), &wanted("10.10.10.0/24")).unwrap_err();
        assert!(said.to_string().contains("keeps followers out") && said.to_string().contains("(ufw)"), "{said}");
    }
    // What its own rules drop before those of the administrator.
    let text =
        UFW.replace("-A ufw-before-input -i lo -j ACCEPT\n", "-A ufw-before-input -p udp -m udp --dport 123 -j DROP\n");
    let said = judged("ufw", &text, &wanted("10.10.10.0/24")).unwrap_err();
    assert!(exit::hint(&said).unwrap().contains("before.rules"), "{said}");
}

#[test]
fn an_inactive_ufw_is_opened_for_the_day_it_is_enabled() {
    let (settings, _) = UFW.split_once(RULES).unwrap();
    let off = format!(
        "{}{RULES}#: iptables\n#: keepers\n#: routes\n10.10.10.0/24 10.10.10.2 dev host0 src 10.10.10.1 uid 0\n",
        settings.replace("ENABLED=yes", "ENABLED=no")
    );
    let judged = judged("ufw", &off, &wanted("10.10.10.0/24")).unwrap();
    assert!(judged.deltas.len() == 1 && judged.doubts[0].contains("ufw is inactive"), "{:?}", judged.deltas);
    assert!(!judged.change.contains("-I ufw-user-input"));
}

/// Red Hat's own rules, as iptables-services brings them.
const REDHAT: &str = "*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-host-prohibited
COMMIT
";

fn iptables(file: &str, now: &str) -> String {
    format!(
        "loads iptables\n--- file /etc/sysconfig/iptables\n{file}\n{RULES}#: iptables\n# ip nft\n{now}#: keepers\n#: routes\n10.10.10.0/24 10.10.10.2 dev host0 src 10.10.10.1 uid 0\n"
    )
}

const OURS: &str = "-A INPUT -s 10.10.10.0/24 -p udp -m udp --dport 123 -m comment --comment \"fleetclock 123/udp from 10.10.10.0/24\" -j ACCEPT\n";
const LAST: &str = "-A INPUT -j REJECT --reject-with icmp-host-prohibited\n";

#[test]
fn rules_of_iptables_go_before_the_one_that_refuses_and_into_the_file_alone() {
    // Another's rule, which is there until the next boot only.
    let other = "-A INPUT -s 10.99.0.1/32 -j DROP\n";
    let now = REDHAT.replace(LAST, &format!("{other}{LAST}"));
    let judged = judged("iptables", &iptables(REDHAT, &now), &wanted("10.10.10.0/24")).unwrap();
    let file = REDHAT.replace(LAST, &format!("{OURS}{LAST}"));
    assert!(judged.change.contains(&format!("printf '%s' '{file}'")) && !judged.change.contains("10.99.0.1"));
    assert!(judged.change.contains(&OURS.replace("-A INPUT", "-t filter -I INPUT 6")), "{}", judged.change);
    assert!(judged.change.contains("iptables-restore --test <\"$FC_KEEP/0.new\"\n"));
    // One that is there twice goes; by its words that is the first, so the other one has to stand well.
    let twice = |text: &str| text.replace(LAST, &format!("{OURS}{LAST}{OURS}"));
    let late = self::judged("iptables", &iptables(REDHAT, &twice(&now)), &wanted("10.10.10.0/24")).unwrap();
    assert_eq!((late.change.matches("-D INPUT").count(), late.change.matches("-I INPUT 6").count()), (2, 1));
    let both = |text: &str| text.replace(LAST, &format!("{OURS}{LAST}"));
    let done = iptables(&both(REDHAT), &both(&now));
    assert_eq!(self::judged("iptables", &done, &wanted("10.10.10.0/24")).unwrap().deltas, []);
    // No longer wanted: both go, and nothing else.
    let gone = self::judged("iptables", &done, &Wanted::default()).unwrap();
    assert!(
        gone.change.contains(&format!("printf '%s' '{REDHAT}'")) && gone.change.contains("-D INPUT -s 10.10.10.0/24")
    );
    assert!(gone.change.contains("rm -f /var/lib/fleetclock/iptables\n"), "{}", gone.change);
}

#[test]
fn a_policy_is_the_last_word_and_an_open_file_needs_nothing() {
    let drops = REDHAT.replace(":INPUT ACCEPT", ":INPUT DROP").replace(LAST, "");
    let judged = judged("iptables", &iptables(&drops, &drops), &wanted("10.10.10.0/24")).unwrap();
    let file = drops.replace("COMMIT\n", &format!("{OURS}COMMIT\n"));
    assert!(judged.change.contains(&format!("printf '%s' '{file}'")), "{}", judged.change);
    let open = REDHAT.replace(LAST, "");
    assert_eq!(self::judged("iptables", &iptables(&open, &open), &wanted("10.10.10.0/24")).unwrap().deltas, []);
    let later = self::judged("iptables", &iptables(REDHAT, &open), &wanted("10.10.10.0/24")).unwrap();
    assert!(later.deltas.len() == 1 && later.deltas[0].property == "rules at boot");
}

/// Another port is let in as that of NTP is: where it is stopped, before what stops it.
#[test]
fn another_port_is_asked_for_as_that_of_ntp_is() {
    let networks: Vec<IpNet> = vec!["10.10.10.0/24".parse().unwrap()];
    let wanted =
        |port: &str| Wanted { networks: networks.clone(), port: Opening::read(port).unwrap(), ..Wanted::default() };
    let other = "-A INPUT -s 10.99.0.1/32 -j DROP\n";
    let now = REDHAT.replace(LAST, &format!("{other}{LAST}"));
    let seen = iptables(REDHAT, &now);
    let judged = judged("iptables", &seen, &wanted("4460/tcp")).unwrap();
    let rule = "-s 10.10.10.0/24 -p tcp -m tcp --dport 4460 -m comment --comment \"fleetclock 4460/tcp from 10.10.10.0/24\" -j ACCEPT\n";
    assert!(judged.change.contains(&format!("-t filter -I INPUT 6 {rule}")), "{}", judged.change);
    assert!(judged.change.contains(&format!("{rule}{LAST}")), "{}", judged.change);
    let with = |text: &str| text.replace(LAST, &format!("-A INPUT {rule}{LAST}"));
    let done = iptables(&with(REDHAT), &with(&now));
    assert_eq!(self::judged("iptables", &done, &wanted("4460/tcp")).unwrap().deltas, []);
    // Somebody has put a rule before ours, which is put before it again.
    let late = done.replace("-A INPUT -i lo", "-A INPUT -p tcp --dport 4460 -j DROP\n-A INPUT -i lo");
    assert_eq!(self::judged("iptables", &late, &wanted("4460/tcp")).unwrap().change.matches("-I INPUT 3 ").count(), 1);
    // What others let in is open already, and what they keep out by name stays so.
    assert_eq!(self::judged("iptables", &seen, &wanted("22/tcp")).unwrap().deltas, []);
    let denied = seen.replace(other, "-A INPUT -s 10.10.10.0/24 -p tcp --dport 4000:5000 -j DROP\n");
    let said = self::judged("iptables", &denied, &wanted("4460/tcp")).unwrap_err();
    assert!(said.to_string().contains("keeps 10.10.10.0/24 from 4460/tcp: `-A INPUT -s 10.10.10.0/24"), "{said}");
}

/// The file that the second step finds is that of the first, and so are the rules.
#[test]
fn steps_for_several_ports_of_one_file_come_one_after_the_other() {
    let networks: Vec<IpNet> = vec!["10.10.10.0/24".parse().unwrap()];
    let of = |port: &str, before: Vec<Wanted>| Wanted {
        networks: networks.clone(),
        port: Opening::read(port).unwrap(),
        before,
        ..Wanted::default()
    };
    let ntp = of("123/udp", Vec::new());
    let seen = iptables(REDHAT, REDHAT);
    let judged = |wanted: &Wanted| judged("iptables", &seen, wanted).unwrap();
    let both = judged(&of("4460/tcp", vec![ntp.clone()]));
    let first = REDHAT.replace(LAST, &format!("{OURS}{LAST}"));
    let other = OURS.replace("udp", "tcp").replace("123", "4460");
    let second = REDHAT.replace(LAST, &format!("{OURS}{other}{LAST}"));
    assert!(both.change.contains(&format!("= '{}' ]", first.trim_end())), "{}", both.change);
    assert!(both.change.contains(&format!("printf '%s' '{second}'")), "{}", both.change);
    assert!(both.change.contains("-I INPUT 6 ") && both.change.contains("--dport 4460"), "{}", both.change);
    // What was opened for another port is closed behind that.
    let opened = |text: &str| text.replace(LAST, &format!("{other}{LAST}"));
    let seen = iptables(&opened(REDHAT), &opened(REDHAT));
    let closing = Wanted { networks: Vec::new(), ..of("4460/tcp", vec![ntp]) };
    let closed = self::judged("iptables", &seen, &closing).unwrap();
    assert!(closed.change.contains(&format!("printf '%s' '{first}'")), "{}", closed.change);
}

#[test]
fn who_loads_rules_at_boot_is_the_unit_that_does() {
    let boot = named("iptables").boot().unwrap();
    let stop = |family: &str| {
        let base = Chain { family: family.to_owned(), ..Chain::default() };
        Stop { chain: base.clone(), base, rule: None, packets: None, diverts: false }
    };
    let redhat = format!(
        "loads iptables\nloads ip6tables\n--- file /etc/sysconfig/iptables\n{REDHAT}\n--- file /etc/sysconfig/ip6tables\n{REDHAT}\n"
    );
    let debian = format!("loads netfilter-persistent\n--- file /etc/iptables/rules.v4\n{REDHAT}\n");
    let told = |text: &str, family: &str| (boot.unit)(text, &stop(family));
    assert_eq!((told(&redhat, "ip"), told(&redhat, "ip6")), ("iptables", "ip6tables"));
    assert_eq!(told(&debian, "ip"), "netfilter-persistent");
    // A ufw that nothing starts loads nothing.
    let ufw = named("ufw").boot().unwrap();
    let (settings, _) = UFW.split_once(RULES).unwrap();
    assert!((ufw.read)(settings).is_some() && settings.contains("unit=enabled"));
    assert!((ufw.read)(&settings.replace("unit=enabled", "unit=disabled")).is_none());
}

/// The shell that puts a file back: as it was, or without our line where somebody has written into it since.
#[test]
#[expect(clippy::disallowed_methods, reason = "the shell text itself is what is tested")]
fn a_file_is_put_back_exactly_and_what_others_have_added_since_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("rules.v4"), folder.path().join("link.v4"));
    std::os::unix::fs::symlink("rules.v4", &link).unwrap();
    let path = path.to_str().unwrap().to_owned();
    let run = |script: &str| {
        let keep = format!("FC_KEEP={}", folder.path().to_str().unwrap());
        let script = format!("set -e\n{keep}\nfc_x() {{ :; }}\n{script}");
        let output = std::process::Command::new("sh").arg("-c").arg(&script).output().unwrap();
        assert!(output.status.success(), "{script}{}", String::from_utf8_lossy(&output.stderr));
    };
    let judged = judged("iptables", &iptables(REDHAT, REDHAT), &wanted("10.10.10.0/24")).unwrap();
    let here = |text: &str, named: &str| {
        let text = text
            .replace("/etc/sysconfig/iptables", named)
            .replace("/var/lib/fleetclock", folder.path().to_str().unwrap());
        text.replace(FUNCTION, "").replace("iptables-restore --test <", "cat >/dev/null <")
    };
    let opened = REDHAT.replace(LAST, &format!("{OURS}{LAST}"));
    let added = "-A INPUT -p tcp --dport 80 -j ACCEPT\n";
    let link = link.to_str().unwrap();
    for (added, named) in [("", path.as_str()), (added, &path), ("", link), (added, link)] {
        std::fs::write(&path, REDHAT).unwrap();
        run(&here(&judged.change, named));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), opened);
        std::fs::write(&path, opened.replace(LAST, &format!("{added}{LAST}"))).unwrap();
        run(&here(&judged.undo, named));
        assert_eq!(std::fs::read_link(link).unwrap().to_str(), Some("rules.v4"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), REDHAT.replace(LAST, &format!("{added}{LAST}")));
    }
}
