use super::*;
use crate::firewall::ALL;
use crate::firewall::filter::RULES;
use crate::firewall::firewalld::Daemon;

const NTP: &str = r#""services" as 2 "ssh" "ntp""#;
const RULE: &str =
    r#""rules_str" as 1 "rule family=\"ipv4\" source address=\"10.10.10.0/24\" service name=\"ntp\" accept""#;
const OTHER: &str =
    r#""rules_str" as 1 "rule family=\"ipv4\" source address=\"10.9.0.0/16\" service name=\"ntp\" accept""#;

fn wanted() -> Wanted {
    Wanted { networks: vec!["10.10.10.0/24".parse().unwrap()], ..Wanted::default() }
}

fn opens(wanted: Wanted) -> Open {
    Open::new(&Daemon, wanted)
}

fn firewalld() -> Open {
    opens(wanted())
}

fn rule(network: &str) -> String {
    format!("rule family=\"ipv4\" source address=\"{network}\" service name=\"ntp\" accept")
}

fn seen(running: &str, permanent: &str, more: &str) -> Slice {
    let zone = |state: &str, settings: &str| match settings {
        "" => format!("{state} public a{{sv}} 0\n"),
        settings => format!("{state} public a{{sv}} 1 {settings}\n"),
    };
    let head = "default s \"public\"\nactive a{sa{sas}} 0\n";
    let stdout = format!("{head}{}{}{more}", zone("running", running), zone("permanent", permanent));
    Slice { stdout, ..Slice::default() }
}

#[test]
fn running_and_permanent_are_two_things() {
    let slice = seen(RULE, "", "");
    let deltas = firewalld().diff(&slice).unwrap();
    assert_eq!(deltas.len(), 1);
    assert_eq!(deltas[0].property, "123/udp from 10.10.10.0/24 (permanent)");
    let fix = firewalld().fix(&slice, false).unwrap();
    assert!(fix.change.contains("firewall-cmd -q --permanent --zone='public' --add-rich-rule="), "{}", fix.change);
    assert_eq!(fix.change.matches("firewall-cmd").count(), 1);
    assert!(fix.undo.contains("--remove-rich-rule="));
}

#[test]
fn what_was_seen_is_judged_once() {
    let (resource, open) = (firewalld(), seen(NTP, NTP, ""));
    assert!(Arc::ptr_eq(&resource.judged(&open).unwrap(), &resource.judged(&open).unwrap()));
    assert_eq!((resource.diff(&open).unwrap().len(), resource.diff(&seen("", "", "")).unwrap().len()), (0, 2));
}

/// The same beside what a real firewalld has made of its zones, a case of `tests/firewall`.
fn beside(case: &str, settings: &str) -> (Open, Slice) {
    let path = format!("{}/tests/firewall/{case}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let (_, rules) = text.split_once("#: nft\n").unwrap();
    let route = "10.10.10.0/24 10.10.10.1 dev host0 src 10.10.10.1 uid 0\n";
    let more = format!("{RULES}{rules}#: keepers\n#: routes\n{route}");
    let followers = vec!["10.10.10.2".parse().unwrap()];
    let filter = Filter { host: "m1".to_owned(), networks: wanted().networks, followers };
    (opens(Wanted { filter: Some(filter), ..wanted() }), seen(settings, settings, &more))
}

#[test]
fn what_the_rules_stop_is_opened_or_refused_and_never_called_open() {
    let (resource, slice) = beside("firewalld-closed", "");
    assert_eq!(resource.diff(&slice).unwrap().len(), 2);
    // The settings say that it is open, and the rules stop it: no change would help.
    let (resource, slice) = beside("firewalld-closed", NTP);
    let error = resource.diff(&slice).unwrap_err();
    assert!(error.to_string().contains("keeps followers out"), "{error}");
    // A rule that refuses comes before what the zone would let in.
    let drop = r#""rules_str" as 1 "rule family=\"ipv4\" source address=\"10.10.10.2\" service name=\"ntp\" drop""#;
    let (resource, slice) = beside("firewalld-rich-drop", drop);
    let error = resource.diff(&slice).unwrap_err();
    let hint = crate::exit::hint(&error).unwrap();
    assert!(
        hint.contains("firewall-cmd --zone=public --add-rich-rule='rule priority=\"-32768\" family=\"ipv4\""),
        "{error}: {hint}"
    );
    // That of CentOS 7 (0.6) has no priorities.
    let old = Wanted { lacks: vec!["rich_priority"], ..resource.wanted };
    let error = opens(old).diff(&slice).unwrap_err();
    let hint = crate::exit::hint(&error).unwrap();
    assert!(!hint.contains("priority=") && hint.contains("out of zone `public`, or narrow it"), "{hint}");
    assert!(hint.contains("--direct --add-rule ipv4 filter INPUT -999 -s 10.10.10.2/32 -p udp --dport 123"), "{hint}");
}

#[test]
fn what_the_rules_let_in_is_open_now_whatever_the_settings_say() {
    let (resource, slice) = beside("firewalld-rich", "");
    let shown: Vec<String> = resource.diff(&slice).unwrap().into_iter().map(|delta| delta.property).collect();
    assert_eq!(shown, ["123/udp from 10.10.10.0/24 (permanent)"]);
}

#[test]
fn a_wider_opening_is_enough() {
    for (running, permanent) in [
        (NTP, r#""ports" a(ss) 1 "123" "udp""#),
        (RULE, r#""ports" a(ss) 1 "100-200" "udp""#),
        (r#""target" s "ACCEPT""#, r#""target" s "ACCEPT""#),
    ] {
        assert_eq!(firewalld().diff(&seen(running, permanent, "")).unwrap(), [], "{running} {permanent}");
    }
}

#[test]
fn the_zone_is_that_of_the_source() {
    let bound = |state: &str| format!("{state} work a{{sv}} 1 \"sources\" as 1 \"10.10.10.20\"\n");
    let work = &(bound("running") + &bound("permanent"));
    let deltas = firewalld().diff(&seen(NTP, NTP, work)).unwrap();
    let shown: Vec<String> = deltas.iter().map(|delta| format!("{} {}", delta.resource, delta.property)).collect();
    let open = |state: &str| format!("firewalld zone work 123/udp from 10.10.10.20/32 ({state})");
    assert_eq!(shown, [open("permanent"), open("running")]);
}

#[test]
fn a_rule_of_ours_that_is_not_wanted_goes_and_that_of_another_stays() {
    let both = format!("\"rules_str\" as 2 {} {}", &RULE[17..], &OTHER[17..]);
    assert_eq!(firewalld().diff(&seen(&both, &both, "")).unwrap(), []);
    let rule = rule("10.9.0.0/16");
    let ours = format!("ours running\tpublic\t{rule}\nours permanent\tpublic\t{rule}\n");
    let slice = seen(&both, &both, &ours);
    let deltas = firewalld().diff(&slice).unwrap();
    assert_eq!((deltas.len(), deltas[0].from.as_deref(), deltas[0].to.as_deref()), (2, Some("open"), None));
    let fix = firewalld().fix(&slice, false).unwrap();
    assert!(fix.change.contains("--remove-rich-rule=") && fix.undo.contains("--add-rich-rule="), "{}", fix.change);
    assert!(!fix.change.contains("10.10.10.0/24"), "{}", fix.change);
    // A follower that only a rule which goes lets in gets one of its own.
    let one = opens(Wanted { networks: vec!["10.9.0.7/32".parse().unwrap()], ..wanted() });
    let shown: Vec<String> = one.diff(&slice).unwrap().into_iter().map(|delta| delta.property).collect();
    assert!(shown.len() == 4 && shown[0] == "123/udp from 10.9.0.7/32 (permanent)", "{shown:?}");
    // Whoever serves nobody has none.
    let nobody = opens(Wanted::default());
    assert_eq!(nobody.diff(&slice).unwrap().len(), 2);
    assert_eq!(nobody.diff(&Slice::default()).unwrap(), []);
}

#[test]
fn another_port_has_rules_and_a_record_of_its_own() {
    let port = Opening::read("4460/tcp").unwrap();
    let nts = opens(Wanted { port, ..wanted() });
    // What lets NTP in says nothing of it, and is not ours to take away.
    let rule = rule("10.9.0.0/16");
    let ours = format!("ours running\tpublic\t{rule}\nours permanent\tpublic\t{rule}\n");
    let slice = seen(OTHER, OTHER, &ours);
    let shown: Vec<String> = nts.diff(&slice).unwrap().into_iter().map(|delta| delta.property).collect();
    assert_eq!(shown, ["4460/tcp from 10.10.10.0/24 (permanent)", "4460/tcp from 10.10.10.0/24 (running)"]);
    let fix = nts.fix(&slice, false).unwrap();
    assert!(fix.change.contains("port port=\"4460\" protocol=\"tcp\" accept"), "{}", fix.change);
    assert!(
        fix.change.contains("firewalld-4460-tcp") && fix.undo.contains("rm -f /var/lib/fleetclock/firewalld-4460-tcp")
    );
    let open = r#""ports" a(ss) 1 "4000-5000" "tcp""#;
    assert_eq!(nts.diff(&seen(open, open, "")).unwrap(), []);
    let part = r#""ports" a(ss) 1 "4461" "tcp""#;
    assert_eq!(nts.diff(&seen(part, part, "")).unwrap().len(), 2);
}

#[test]
fn a_firewalld_in_panic_mode_lets_nobody_in_whatever_its_zones_say() {
    let error = firewalld().diff(&seen(NTP, NTP, "panic\n")).unwrap_err();
    assert!(error.to_string().contains("panic mode"), "{error}");
    assert!(crate::exit::hint(&error).unwrap().ends_with("firewall-cmd --panic-off"));
    let nobody = opens(Wanted::default());
    assert_eq!(nobody.diff(&seen(NTP, NTP, "panic\n")).unwrap(), []);
}

#[test]
fn a_stopped_firewalld_is_an_error_with_a_hint() {
    let slice = Slice { stdout: "off\n".into(), ..Slice::default() };
    assert!(crate::exit::hint(&firewalld().diff(&slice).unwrap_err()).is_some());
}

/// A rule that lets SSH in and counts, and one that keeps the followers out, in the chain and in the file of iptables.
fn counting(packets: u64, policy: &str) -> Slice {
    let rules = |count: &str| {
        format!("*filter\n:INPUT {policy} {count}\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n")
    };
    let now = rules("[0:0]").replace("-A INPUT", &format!("[{packets}:0] -A INPUT"));
    let stdout = format!(
        "loads iptables\n--- file /etc/sysconfig/iptables\n{}\n{RULES}#: iptables\n# ip\n{now}#: keepers\n#: routes\n10.10.10.0/24 10.10.10.2 dev host0 src 10.10.10.1\n",
        rules("[0:0]")
    );
    Slice { stdout, ..Slice::default() }
}

#[test]
fn a_saved_plan_holds_while_rules_count_and_until_one_changes() {
    let word = ALL.iter().copied().find(|firewall| firewall.word() == "iptables").unwrap();
    let open = Open::new(word, wanted());
    assert_eq!(open.diff(&counting(1, "DROP")).unwrap().len(), 2);
    assert_eq!(open.reviewed(&counting(1, "DROP")), open.reviewed(&counting(2, "DROP")));
    assert_ne!(open.reviewed(&counting(1, "DROP")), open.reviewed(&counting(1, "ACCEPT")));
}
