//! Inventories of several files, and those that programs print.

use std::path::Path;

use fleetclock::inventory;

fn write(dir: &Path, files: &[(&str, &str)]) {
    use std::os::unix::fs::PermissionsExt as _;
    for (name, text) in files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        if text.starts_with("#!") {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}

/// The fleet of these files, or what is said of them without the folder.
fn load(files: &[(&str, &str)], path: &str) -> Result<inventory::Fleet, String> {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), files);
    inventory::load(&dir.path().join(path))
        .map_err(|why| why.to_string().replace(&format!("{}/", dir.path().display()), ""))
}

const MASTERS: (&str, &str) =
    ("f/10-masters.yml", "groups:\n  m: { role: master, isolated: true, hosts: { m1: 10.0.0.1 } }\n");
const WEB: (&str, &str) =
    ("f/20-web.yaml", "groups:\n  web: { role: slave, follows: [m], hosts: { 'web[1:3]': '10.0.1.[1:3]' } }\n");

#[test]
fn a_folder_is_all_its_files_in_the_order_of_their_names() {
    let more = ("f/30-more.yml", "defaults: { ssh: { user: ops } }\ngroups:\n  web:\n    hosts: { web9: 10.0.1.9 }\n");
    let passed = [("f/.40.yml", "]"), ("f/notes.txt", "]"), ("f/sub/50.yml", "]")];
    let fleet = load(&[&[MASTERS, WEB, more][..], &passed].concat(), "f").unwrap();
    let names: Vec<&str> = fleet.hosts.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(names, ["m1", "web1", "web2", "web3", "web9"]);
    let file = |host: &inventory::HostSpec| {
        host.places.files[host.places.host.file as usize].rsplit('/').next().unwrap().to_owned()
    };
    assert_eq!(
        fleet.hosts.iter().map(file).collect::<Vec<_>>(),
        ["10-masters.yml", "20-web.yaml", "20-web.yaml", "20-web.yaml", "30-more.yml"]
    );
}

#[test]
fn what_two_files_say_of_the_same_is_a_mistake_with_both_places() {
    for (text, said) in [
        (
            "groups: { web: { role: slave } }",
            "f/30.yml:1:18: `groups.web.role` stands twice: f/20-web.yaml:2:10 has it already; take one out",
        ),
        (
            "groups: { web: { hosts: [web7, 'web[1:3]'] } }",
            "f/30.yml:1:32: `groups.web.hosts.web[1:3]` stands twice: f/20-web.yaml:2:46",
        ),
        ("groups: { m: { hosts: { m1: 10.0.0.1 } } }", "`groups.m.hosts.m1` stands twice: f/10-masters.yml:2:47"),
        ("groups: { web: { ssh: [] } }", "f/30.yml:1:23: groups.web.ssh: a map is needed"),
        ("groups: []", "`groups` stands twice"),
        ("x: 1", "f/30.yml:1:1: inventory: no setting `x`"),
        ("hosts: { a: { role: slave, follows: [none] } }", "f/30.yml:1:38: "),
        ("}", "f/30.yml:1:1: "),
    ] {
        let why = load(&[MASTERS, WEB, ("f/30.yml", text)], "f").unwrap_err();
        assert!(why.contains(said), "{text}:\n{why}\n{said}");
    }
    let why = load(&[("f/readme", "")], "f").unwrap_err();
    assert!(why.starts_with("f: the folder has no file `*.yml`"), "{why}");
}

#[test]
fn settings_of_one_host_and_one_group_have_files_of_their_own() {
    let beside = [
        ("f/hosts/web2.yml", "ssh: { port: 2222 }\nlimits: { max_error: 5ms }\n"),
        ("f/hosts/m1.yaml", "time_address: 10.9.0.1\n"),
        ("f/groups/web.yml", "ssh: { user: www }\n"),
        ("f/hosts/web3.yml", ""),
    ];
    let one = (
        "f/fleet.yml",
        "groups:\n  m: { role: master, isolated: true, hosts: { m1: 10.0.0.1 } }\n  web: { role: slave, follows: [m], hosts: { 'web[1:3]': '10.0.1.[1:3]' } }\n",
    );
    for (files, path) in
        [([&[MASTERS, WEB][..], &beside].concat(), "f"), ([&[one][..], &beside].concat(), "f/fleet.yml")]
    {
        let fleet = load(&files, path).unwrap_or_else(|why| panic!("{path}: {why}"));
        let web2 = fleet.hosts.iter().find(|host| host.name == "web2").unwrap();
        let inventory::spec::Connection::Ssh(ssh) = &web2.connection else { panic!("{web2:?}") };
        assert_eq!((ssh.user.as_deref(), ssh.port, web2.address.as_str()), (Some("www"), Some(2222), "10.0.1.2"));
        assert_eq!(fleet.hosts[0].time_address, ["10.9.0.1"]);
    }
    for (file, text, said) in [
        (
            "f/hosts/web5.yml",
            "role: slave",
            "f/hosts/web5.yml:1:1: the inventory has no host `web5`, whose settings this file would be (did you mean `web",
        ),
        ("f/groups/wep.yml", "role: slave", "f/groups/wep.yml:1:1: the inventory has no group `wep`"),
        (
            "f/hosts/web1.yml",
            "porvider: ntpd",
            "f/hosts/web1.yml:1:1: hosts.web1: no setting `porvider` (did you mean `provider`?)",
        ),
        (
            "f/groups/web.yml",
            "role: master",
            "f/groups/web.yml:1:1: `groups.web.role` stands twice: f/20-web.yaml:2:10",
        ),
        ("f/hosts/web1.yml", "a: [", "f/hosts/web1.yml:"),
        (
            "f/hosts/m1.yml",
            "address: 10.0.0.2",
            "f/hosts/m1.yml:1:1: `hosts.m1.address` stands twice: f/10-masters.yml:2:51 has it already; take one out",
        ),
    ] {
        let why = load(&[MASTERS, WEB, (file, text)], "f").unwrap_err();
        assert!(why.contains(said), "{why}");
    }
}

#[test]
fn what_two_files_say_of_a_host_in_two_places_is_a_mistake_as_well() {
    let db = ("f/30-db.yml", "groups:\n  db: { hosts: { web9: { ssh: { user: db }, limits: { max_error: 1ms } } } }\n");
    let own = |text| ("f/hosts/web9.yml", text);
    let nine =
        ("f/25-more.yml", "groups:\n  more: { role: slave, follows: [m], hosts: { web9: { address: 10.0.1.9 } } }\n");
    let fine = [MASTERS, WEB, nine, db, own("ssh: { port: 2222 }\nlimits: { deadline: 9s }\n")];
    let fleet = load(&fine, "f").unwrap();
    let web9 = fleet.hosts.iter().find(|host| host.name == "web9").unwrap();
    let inventory::spec::Connection::Ssh(ssh) = &web9.connection else { panic!("{web9:?}") };
    assert_eq!((ssh.user.as_deref(), ssh.port, web9.address.as_str()), (Some("db"), Some(2222), "10.0.1.9"));
    for (last, said) in [
        (
            own("limits: { max_error: 2ms }"),
            "f/hosts/web9.yml:1:11: `hosts.web9.limits.max_error` stands twice: f/30-db.yml:2:55 has it already; take one out",
        ),
        (own("address: 10.0.1.9"), "f/hosts/web9.yml:1:1: `hosts.web9.address` stands twice: f/25-more.yml:2:55"),
        (
            ("f/40.yml", "hosts: { web9: { ssh: { user: x } } }"),
            "f/40.yml:1:25: `hosts.web9.ssh.user` stands twice: f/30-db.yml:2:33",
        ),
        (
            ("f/40.yml", "groups: { z: { hosts: { web9: 10.0.1.9 } } }"),
            "`hosts.web9.address` stands twice: f/25-more.yml",
        ),
    ] {
        let why = load(&[MASTERS, WEB, nine, db, last], "f").unwrap_err();
        assert!(why.lines().count() == 1 && why.contains(said), "{why}\n{said}");
    }
    let two =
        load(&[MASTERS, WEB, ("f/hosts/web1.yml", "provider: ntpd"), ("f/hosts/web1.yaml", "provider: chrony")], "f");
    assert!(
        two.unwrap_err().contains("f/hosts/web1.yml:1:1: `hosts.web1.provider` stands twice: f/hosts/web1.yaml:1:1")
    );
    // One file may say of a host in two groups what it likes, as ever: the later one counts.
    let one = "groups:\n  m: { role: master, isolated: true, hosts: { m1: { address: 10.0.0.1, provider: ntpd } } }\n  x: { hosts: { m1: { provider: chrony } } }\n";
    let fleet = load(&[("f.yml", one), ("hosts/m1.yml", "ssh: { user: x }")], "f.yml").unwrap();
    assert_eq!(fleet.hosts[0].provider.word(), "chrony");
}

/// Each of many files costs no walk through what the others say.
#[test]
fn the_time_for_many_files_grows_with_them_and_no_faster() {
    let host = |i: usize| format!("h{i}: {{ address: 10.1.{}.{}, role: master, isolated: true }}", i / 200, i % 200);
    let single: Vec<(String, String)> =
        (0..3_000).map(|i| (format!("f/h{i}.yml"), format!("hosts: {{ {} }}\n", host(i)))).collect();
    let whole: String = (3_000..23_000).map(|i| format!("  {}\n", host(i))).collect();
    let whole = [("f/a.yml".to_owned(), format!("hosts:\n{whole}"))];
    let own = (3_000..6_000).map(|i| (format!("f/hosts/h{i}.yml"), "provider: ntpd\n".to_owned()));
    let files: Vec<(String, String)> = single.into_iter().chain(whole).chain(own).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let before = crate::processor_seconds();
    assert_eq!(load(&files, "f").unwrap().hosts.len(), 23_000);
    let took = crate::processor_seconds() - before;
    assert!(took < 20.0, "{took} s");
}

#[test]
fn a_program_prints_ours_or_what_it_prints_for_ansible() {
    let ours = "#!/bin/sh\necho 'hosts: { m1: { address: 10.0.0.1, role: master, isolated: true } }'\n";
    let fleet = load(&[("p", ours)], "p").unwrap();
    assert_eq!((fleet.hosts.len(), fleet.hosts[0].name.as_str()), (1, "m1"));
    let list = r#"#!/bin/sh
cat <<'END'
{ "masters": ["t1"], "web": { "hosts": ["w1", "w2"], "vars": { "ansible_user": "www" } },
  "_meta": { "hostvars": { "t1": { "ansible_host": "10.0.0.1" }, "w1": { "ansible_host": "10.0.1.1" },
  "w2": { "ansible_host": "10.0.1.2", "fleetclock": { "limits": { "max_error": "7ms" } } } } } }
END
echo 'the token ends tomorrow' >&2
"#;
    let fleet = load(&[("p", list), ("hosts/w1.yml", "provider: ntpd")], "p").unwrap();
    let names: Vec<&str> = fleet.hosts.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(names, ["t1", "w1", "w2"]);
    assert_eq!(fleet.hosts[2].limits.max_error, std::time::Duration::from_millis(7));
    assert!(
        fleet.warnings.iter().any(|warning| warning == "the program said: the token ends tomorrow"),
        "{:?}",
        fleet.warnings
    );
    assert!(fleet.groups.contains_key("web"));
    for (script, said) in [
        ("echo no access >&2; exit 4", "p: read the inventory from the program: it failed (exit status: 4): no access"),
        ("echo 'hosts: ['", "p:"),
        ("echo 'hosts: { a: { rolle: slave } }'", "p:1:"),
        ("echo '{\"web\": [\"w1\"]}'", "p: what the program printed: no host is a time master; a group `masters`"),
    ] {
        let why = load(&[("p", &format!("#!/bin/sh\n{script}\n"))], "p").unwrap_err();
        assert!(why.contains(said), "{script}: {why}");
    }
}
