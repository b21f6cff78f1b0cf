use super::*;

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
    assert!(firewalld.running.zones.is_empty());
    assert_eq!(Firewalld::read(""), None);
}

const BOUND: &str = "default s \"public\"\nactive a{sa{sas}} 1 \"dmz\" 1 \"interfaces\" 1 \"eth1\"\nroute 10.10.10.1 10.10.10.1 dev eth1 src 10.10.10.9\nneighbour 10.10.10.7 02:00:00:00:00:07\nipset running/lan as 2 \"10.10.10.64/26\" \"10.20.0.0/16\"\n";

fn split(sources: &str, network: &str) -> Vec<String> {
    let text = format!("{BOUND}running public a{{sv}} 0\nrunning dmz a{{sv}} 0\n{sources}");
    let firewalld = Firewalld::read(&text).unwrap();
    let parts = firewalld.split(network.parse().unwrap(), false);
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
fn after_the_next_start_other_zones_may_be_bound() {
    let text = format!(
        "{BOUND}running public a{{sv}} 0\npermanent work a{{sv}} 1 \"sources\" as 1 \"10.10.10.20\"\npermanent inner a{{sv}} 1 \"interfaces\" as 1 \"eth1\"\n"
    );
    let firewalld = Firewalld::read(&text).unwrap();
    let all = "10.10.10.0/24".parse().unwrap();
    assert_eq!(firewalld.split(all, false), [(all, "dmz")]);
    assert_eq!(firewalld.split(all, true), [("10.10.10.20/32".parse().unwrap(), "work"), (all, "inner")]);
}

#[test]
fn an_interface_may_be_bound_by_the_beginning_of_its_name() {
    let zone = |bound: &str, saved: &str, permanent: bool| {
        let text = format!(
            "default s \"public\"\nactive a{{sa{{sas}}}} 1 \"dmz\" 1 \"interfaces\" {bound}\nroute 10.10.10.1 10.10.10.1 dev eth1 src 10.10.10.9\npermanent inner a{{sv}} 1 \"interfaces\" as 1 \"{saved}\"\n"
        );
        let firewalld = Firewalld::read(&text).unwrap();
        firewalld.split("10.10.10.0/24".parse().unwrap(), permanent)[0].1.to_owned()
    };
    assert_eq!(zone("1 \"eth+\"", "lo", false), "dmz");
    assert_eq!(zone("1 \"en+\"", "lo", false), "public");
    // After the next start, what is saved; a whole name before the beginning of one.
    assert_eq!(zone("1 \"eth+\"", "eth+", true), "inner");
    assert_eq!(zone("1 \"eth1\"", "eth+", true), "dmz");
    assert_eq!(zone("1 \"eth+\"", "eth1", true), "inner");
    assert_eq!(zone("1 \"+\"", "lo", false), "dmz");
}

#[test]
fn an_interface_may_come_before_a_source() {
    let zones =
        "running work a{sv} 1 \"sources\" as 1 \"10.10.10.0/28\"\nrunning dmz a{sv} 1 \"ingress_priority\" i -1\n";
    assert_eq!(split(zones, "10.10.10.0/24"), ["10.10.10.0/24 dmz"]);
    let firewalld = Firewalld::read(&format!("{BOUND}{zones}")).unwrap();
    let from = "10.10.10.2".parse().unwrap();
    assert_eq!((firewalld.zone(from, Some("eth1")), firewalld.zone(from, Some("eth0"))), ("dmz", "work"));
}

#[test]
fn services_and_policies_and_direct_rules_are_those_of_their_state() {
    let text = concat!(
        "default s \"public\"\n",
        "running public a{sv} 1 \"services\" as 1 \"ntp\"\npermanent public a{sv} 1 \"services\" as 1 \"ntp\"\n",
        "service running/ntp a{sv} 1 \"ports\" a(ss) 1 \"124\" \"udp\"\n",
        "service permanent/ntp (sssa(ss)asa{ss}asa(ss)) \"\" \"NTP\" \"words\" 1 \"123\" \"udp\" 0 0 0 0\n",
        "policy permanent/noise a{sv} 4 \"target\" s \"REJECT\" \"priority\" i -1 \"ingress_zones\" as 1 \"public\" \"egress_zones\" as 1 \"HOST\"\n",
        "direct running/rules a(sssias) 1 \"ipv4\" \"filter\" \"INPUT\" 0 2 \"-p\" \"udp\"\n",
        "direct permanent/settings (a(sss)a(sssias)a(sas)) 0 2 \"ipv4\" \"filter\" \"INPUT\" 0 2 \"-p\" \"udp\" \"ipv4\" \"filter\" \"INPUT\" 1 2 \"-j\" \"DROP\" 0\n",
    );
    let firewalld = Firewalld::read(text).unwrap();
    let door = |permanent| firewalld.door("public", "10.10.10.2/32".parse().unwrap(), permanent).unwrap();
    assert_eq!(door(false), Door::Closed);
    assert_eq!(door(true), Door::Refused { policy: Some("noise".to_owned()), words: "target REJECT".to_owned() });
    assert_eq!(firewalld.element(), "port port=\"123\" protocol=\"udp\"");
    assert_eq!(firewalld.direct_later(), ["ipv4 filter INPUT 1 -j DROP"]);
}

#[test]
fn a_lower_priority_comes_first() {
    let zone = |name: &str, priority: i32| {
        format!("running {name} a{{sv}} 2 \"sources\" as 1 \"10.0.0.0/8\" \"ingress_priority\" i {priority}\n")
    };
    assert_eq!(split(&(zone("a", 0) + &zone("b", -5)), "10.10.10.0/24"), ["10.10.10.0/24 b"]);
}
