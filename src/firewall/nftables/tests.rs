use super::*;
use crate::firewall::filter::{Filter, RULES};
use crate::model::Slice;

/// A ruleset as `nft -j` and `nft -a` print it: chains with their policies, and the rules of each.
fn ruleset(chains: &[(&str, &str, &[&str])]) -> String {
    let mut json = vec!["{\"table\": {\"family\": \"inet\", \"name\": \"f\"}}".to_owned()];
    let mut text = "table inet f {\n".to_owned();
    for (name, policy, rules) in chains {
        json.push(format!("{{\"chain\": {{\"family\": \"inet\", \"table\": \"f\", \"name\": \"{name}\", \"type\": \"filter\", \"hook\": \"input\", \"prio\": 0, \"policy\": \"{policy}\"}}}}"));
        text.push_str(&format!("chain {name} {{\ntype filter hook input priority 0; policy {policy};\n"));
        for (handle, rule) in rules.iter().enumerate() {
            json.push(format!("{{\"rule\": {{\"family\": \"inet\", \"table\": \"f\", \"chain\": \"{name}\", \"handle\": {handle}, \"expr\": [{}]}}}}", expression(rule)));
            text.push_str(&format!("{rule} # handle {handle}\n"));
        }
        text.push_str("}\n");
    }
    format!("{{\"nftables\": [{}]}}\n{text}}}\n", json.join(", "))
}

fn expression(rule: &str) -> String {
    let compare = |field: &str, value: &str| {
        let (protocol, field) = field.split_once(' ').unwrap();
        format!(
            "{{\"match\": {{\"op\": \"==\", \"left\": {{\"payload\": {{\"protocol\": \"{protocol}\", \"field\": \"{field}\"}}}}, \"right\": {value}}}}}"
        )
    };
    let net = "{\"prefix\": {\"addr\": \"10.10.10.0\", \"len\": 24}}";
    match rule {
        "drop" => "{\"drop\": null}".to_owned(),
        "tcp dport 22 accept" => format!("{}, {{\"accept\": null}}", compare("tcp dport", "22")),
        "ip saddr 10.10.10.2 drop" => format!("{}, {{\"drop\": null}}", compare("ip saddr", "\"10.10.10.2\"")),
        _ => format!("{}, {}, {{\"accept\": null}}", compare("ip saddr", net), compare("udp dport", "123")),
    }
}

const OURS: &str = "ip saddr 10.10.10.0/24 udp dport 123 accept comment \"fleetclock 123/udp from 10.10.10.0/24\"";

fn seen(unit: &str, own: &str, drop_in: &str, boot: &str, now: &str) -> Slice {
    let stdout = format!(
        "boot {unit} /etc/nftables.conf\n#: drop-in\n{drop_in}#: own\n{own}#: boot\n{boot}{RULES}{now}#: iptables\n#: keepers\n#: routes\n10.10.10.0/24 10.10.10.2 dev host0 src 10.10.10.1 uid 0\n"
    );
    Slice { stdout, ..Slice::default() }
}

fn judged(seen: &Slice) -> Result<Judged> {
    let networks: Vec<IpNet> = vec!["10.10.10.0/24".parse().unwrap()];
    let followers = vec!["10.10.10.2".parse().unwrap()];
    let filter = Some(Filter { host: "m1".to_owned(), networks: networks.clone(), followers });
    Nftables.judge(&Wanted { networks, filter, ..Wanted::default() }, seen)
}

/// What our file has to say: its last line.
fn own(line: &str) -> String {
    format!(
        "# Written by fleetclock: who may ask this host at 123/udp. nftables.service loads it after /etc/nftables.conf.\n{line}\n"
    )
}

#[test]
fn a_rule_of_ours_stands_before_what_drops_now_and_at_boot() {
    for (policy, rules, line) in [
        ("drop", &["tcp dport 22 accept"][..], format!("add rule inet f in {OURS}")),
        ("accept", &["tcp dport 22 accept", "drop"], format!("insert rule inet f in index 1 {OURS}")),
        ("accept", &["drop"], format!("insert rule inet f in {OURS}")),
    ] {
        let rules = ruleset(&[("in", policy, rules)]);
        let judged = judged(&seen("enabled", "", "", &rules, &rules)).unwrap();
        let shown: Vec<&str> = judged.deltas.iter().map(|delta| delta.resource.as_str()).collect();
        let drop_in = format!("nftables {DROP_IN}");
        assert_eq!(shown, ["nftables /etc/fleetclock/nftables.nft", drop_in.as_str(), "nftables chain inet f in"]);
        assert!(judged.change.contains(&format!("printf '%s' '{}' >", own(&line))), "{}", judged.change);
        assert!(judged.change.contains(&format!("nft '{line}'\n")), "{}", judged.change);
        assert!(
            judged.undo.contains("fc_delete inet 'f' 'in' 'fleetclock 123/udp from 10.10.10.0/24' 2>/dev/null || :\n")
        );
        assert_eq!(judged.doubts.len(), 0);
    }
}

#[test]
fn what_is_there_stays_and_each_state_is_seen_by_itself() {
    let boot = ruleset(&[("in", "drop", &["tcp dport 22 accept"])]);
    let now = ruleset(&[("in", "drop", &["tcp dport 22 accept", OURS])]);
    let file = own(&format!("add rule inet f in {OURS}"));
    assert_eq!(judged(&seen("enabled", &file, LOADS, &boot, &now)).unwrap().deltas, []);
    let of = |seen: &Slice| judged(seen).unwrap().deltas.into_iter().map(|delta| delta.property).collect::<Vec<_>>();
    assert_eq!(of(&seen("enabled", &file, LOADS, &boot, &boot)), ["123/udp from 10.10.10.0/24 (running)"]);
    assert_eq!(of(&seen("enabled", "", LOADS, &boot, &now)), ["loaded at boot"]);
    assert_eq!(of(&seen("enabled", &file, "", &boot, &now)), ["loaded at boot"]);
    // Nothing is needed where nothing stops them, and what is ours goes when nobody is served.
    let open = ruleset(&[("in", "accept", &["tcp dport 22 accept"])]);
    assert_eq!(of(&seen("enabled", "", "", &open, &open)), Vec::<String>::new());
    let gone = Nftables.judge(&Wanted::default(), &seen("enabled", &file, LOADS, &boot, &now)).unwrap();
    assert_eq!(gone.deltas.iter().filter(|delta| delta.to.is_none()).count(), 3);
    assert!(gone.change.contains("rm -f /etc/fleetclock/nftables.nft\n") && gone.change.contains("fc_delete inet"));
}

#[test]
fn another_drop_gets_a_rule_of_its_own_or_is_named() {
    let rules = ruleset(&[("in", "drop", &[]), ("late", "drop", &["tcp dport 22 accept"])]);
    let both = judged(&seen("enabled", "", "", &rules, &rules)).unwrap();
    for chain in ["in", "late"] {
        assert!(both.change.contains(&format!("nft 'add rule inet f {chain} {OURS}'\n")), "{}", both.change);
    }
    // A program writes its chain anew.
    let rules = ruleset(&[("in", "drop", &[]), ("DOCKER-INPUT", "drop", &["tcp dport 22 accept"])]);
    let said = judged(&seen("enabled", "", "", &rules, &rules)).unwrap_err();
    assert!(said.to_string().contains("`policy drop` in chain inet f DOCKER-INPUT (Docker)"), "{said}");
    // A rule for one follower is somebody's word; the others are let in behind it.
    let rules = ruleset(&[("in", "drop", &["ip saddr 10.10.10.2 drop"])]);
    let said = judged(&seen("enabled", "", "", &rules, &rules)).unwrap_err();
    assert!(said.to_string().contains("`ip saddr 10.10.10.2 drop` in chain inet f in"), "{said}");
}

#[test]
fn what_loads_rules_at_boot_is_told_when_it_is_not_known_or_fails() {
    let rules = ruleset(&[("in", "drop", &["tcp dport 22 accept"])]);
    let off = judged(&seen("disabled", "", "", "", &rules)).unwrap();
    assert!(off.deltas.len() == 1 && off.doubts[0].contains("nftables.service is disabled"), "{:?}", off.doubts);
    let broken =
        Slice { stderr: "/etc/nftables.conf:3:1: Error: syntax error\n".into(), ..seen("enabled", "", "", "", &rules) };
    let said = judged(&broken).unwrap_err();
    assert!(said.to_string().contains("does not load: /etc/nftables.conf:3:1"), "{said}");
    // What cannot be read is not said to be broken, and our file stays.
    let own = own(&format!("add rule inet f in {OURS}"));
    for (boot, why) in [("", "unshare: Operation not permitted\n"), ("unreadable\n", "nft: invalid option -- 'j'\n")] {
        let now = ruleset(&[("in", "drop", &["tcp dport 22 accept", OURS])]);
        let cannot = Slice { stderr: why.into(), ..seen("enabled", &own, LOADS, boot, &now) };
        let judged = judged(&cannot).unwrap();
        assert_eq!(judged.deltas, []);
        assert!(judged.doubts[0].contains("could not be told: ") && judged.doubts[0].ends_with(why.trim()));
    }
}

/// A real shell with an `nft` that knows the interfaces of its namespace, and counts what is started.
#[test]
#[expect(clippy::disallowed_methods, reason = "the shell text itself is what is tested")]
fn interfaces_are_made_where_a_file_takes_them_only() {
    let folder = tempfile::tempdir().unwrap();
    let programs = "unshare() { shift; \"$@\"; }
export FC=FOLDER PATH=FOLDER:$PATH\n";
    for (name, text) in [
        ("nft", "case $* in '-f /easy' | '-j'* | '-a'*) echo \"nft $1\" ;; '-f /hard') [ -e \"$FC/made\" ] ;; esac"),
        ("ip", "echo ip >>\"$FC/started\"; [ \"$1\" != -force ] || { cat >\"$FC/made\"; }"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let programs = programs.replace("FOLDER", folder.path().to_str().unwrap());
    let load = |file: &str| {
        let script = format!("{programs}{LOAD}\nfc_load {file}");
        let output = std::process::Command::new("sh").arg("-c").arg(&script).output().unwrap();
        assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
        let started = std::fs::read_to_string(folder.path().join("started")).unwrap_or_default();
        (String::from_utf8(output.stdout).unwrap(), started.lines().count())
    };
    assert_eq!(load("/easy"), ("nft -f\nnft -j\nnft -a\n".to_owned(), 0));
    assert_eq!(load("/hard"), ("nft -j\nnft -a\n".to_owned(), 2));
    let made = std::fs::read_to_string(folder.path().join("made")).unwrap();
    assert!(made.lines().any(|line| line == "link add lo type veth"), "{made}");
}
