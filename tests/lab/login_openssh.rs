//! What OpenSSH can and libssh2 cannot, on further ports of one host.

use crate::fixture::Lab;
use crate::report::{error, host};

/// Servers beside the usual one, each with its own lines.
const SERVERS: &str = r#"set -e
firewall-cmd -q --add-port=2201-2299/tcp
mkdir -p /run/sshd /home/admin/.ssh; cp /root/.ssh/authorized_keys /home/admin/.ssh/; chown -R admin /home/admin/.ssh
cd /root; rm -f ca ca.pub; ssh-keygen -q -t ed25519 -N '' -f ca
key=/etc/ssh/ssh_host_ed25519_key
ssh-keygen -q -s ca -I h1 -h -n 10.10.10.1 -V -1d:+1d $key.pub
serve() { f=/etc/ssh/extra-$1; { printf 'Port %s\n' "$@"; echo 'PidFile none
UsePAM yes
PermitRootLogin prohibit-password'; } | sed '2,/^PidFile/s/^Port \([A-Z]\)/\1/' >$f; /usr/sbin/sshd -f $f; }
serve 2201 'HostKeyAlgorithms rsa-sha2-512,rsa-sha2-256'
serve 2202 'KexAlgorithms sntrup761x25519-sha512@openssh.com'
serve 2203 "HostCertificate $key-cert.pub"
serve 2204 "HostCertificate $key-cert.pub"
serve 2205 'TrustedUserCAKeys /root/ca.pub' 'AuthorizedKeysFile none'
serve 2206 'AuthenticationMethods publickey,password'
serve 2207 'AuthenticationMethods publickey,keyboard-interactive' 'KbdInteractiveAuthentication yes'
serve 2208
serve 2209 'KexAlgorithms sntrup761x25519-sha512@openssh.com'
for v in 'other -n other.example' 'ended -n 10.10.10.1 -V -2d:-1d' 'stolen -n 10.10.10.1'; do
  cp $key.pub ${v%% *}.pub; ssh-keygen -q -s ca -I h1 -h ${v#* } ${v%% *}.pub
done
serve 2212 'HostCertificate /root/other-cert.pub'
serve 2213 'HostCertificate /root/ended-cert.pub'
serve 2214 'HostCertificate /root/stolen-cert.pub'
setsid python3 -m http.server 2211 >/dev/null 2>&1 </dev/null &
serve 2215
cat $key.pub ca.pub"#;

const HOSTS: &str = "
  fips: { address: ADDR, ssh: { user: root, port: 2201 } }
  quantum: { address: ADDR, ssh: { user: root, port: 2202, host_key: accept-new } }
  quantum-ssh2: { address: ADDR, ssh: { user: root, port: 2202, client: ssh2, host_key: accept-new } }
  signed: { address: ADDR, ssh: { user: root, port: 2203 } }
  plain: { address: ADDR, ssh: { user: root, port: 2204, host_key: accept-new, known_hosts: plain_known } }
  certified: { address: ADDR, ssh: { user: root, port: 2205, key: CERTIFIED, host_key: accept-new } }
  named: { address: ADDR, ssh: { user: root, port: 2205, key: named, config: named_config, host_key: accept-new } }
  piped: { address: piped, ssh: { user: root, config: piped_config } }
  other-name: { address: ADDR, ssh: { user: root, port: 2212, known_hosts: signed_known } }
  ended: { address: ADDR, ssh: { user: root, port: 2213, known_hosts: signed_known } }
  stolen: { address: ADDR, ssh: { user: root, port: 2214, known_hosts: signed_known } }
  factors: { address: ADDR, ssh: { user: admin, port: 2206, password: { env: FC_ADMIN }, become: sudo, become_password: { env: FC_ADMIN }, host_key: accept-new } }
  asked: { address: ADDR, ssh: { user: admin, port: 2207, password: { env: FC_ADMIN }, become: sudo, become_password: { env: FC_ADMIN }, host_key: accept-new } }
  factors-openssh: { address: ADDR, ssh: { user: admin, port: 2206, client: openssh, password: { env: FC_ADMIN }, become: sudo, become_password: { env: FC_ADMIN }, host_key: accept-new } }
  asked-openssh: { address: ADDR, ssh: { user: admin, port: 2207, client: openssh, password: { env: FC_ADMIN }, become: sudo, become_password: { env: FC_ADMIN }, host_key: accept-new } }
  factors-wrong: { address: ADDR, ssh: { user: admin, port: 2206, client: openssh, password: { env: FC_WRONG }, host_key: accept-new } }
  gate-wrong: { address: h1, ssh: { user: admin, key: none, client: openssh, jump: ['admin@10.10.10.1:2215'], password: { env: FC_WRONG }, host_key: accept-new } }
  revoked: { address: ADDR, ssh: { user: root, port: 2208, host_key: accept-new } }
  revoked-openssh: { address: ADDR, ssh: { user: root, port: 2208, client: openssh, host_key: accept-new } }
  terminal: { address: ADDR, ssh: { user: paula, client: openssh, become: doas, become_password: { env: FC_PAULA } } }
  bastion: { address: h1, ssh: { user: root, client: openssh, jump: ['root@10.10.10.1:22'], host_key: accept-new } }
  locked: { address: ADDR, ssh: { user: root, client: openssh, key: id_ed25519_pass, passphrase: { env: FC_PASSPHRASE } } }
  unknown: { address: ADDR, ssh: { user: root, port: 2208, client: openssh, known_hosts: none } }
  fresh: { address: ADDR, ssh: { user: root, port: 2209, known_hosts: fresh_known } }
  fresh-ssh2: { address: ADDR, ssh: { user: root, port: 2209, client: ssh2, known_hosts: fresh_known } }
  offered: { address: ADDR, ssh: { user: root, port: 2202, client: ssh2, jump: ['root@10.10.10.1:22'] } }
  fips-behind: { address: ADDR, ssh: { user: root, port: 2201, client: ssh2, jump: ['root@10.10.10.1:22'] } }
  web-behind: { address: ADDR, ssh: { user: root, port: 2211, client: ssh2, jump: ['root@10.10.10.1:22'] } }
  pem: { address: ADDR, ssh: { user: root, key: PEM, passphrase: { env: FC_PASSPHRASE } } }
  nobody: { address: ADDR, ssh: { user: root, port: 2299, client: openssh } }
";

const REACHED: &[&str] = &[
    "quantum",
    "signed",
    "plain",
    "certified",
    "named",
    "piped",
    "factors",
    "asked",
    "factors-openssh",
    "asked-openssh",
    "terminal",
    "bastion",
    "locked",
    "pem",
];

/// What is refused: the status, and in which words.
const REFUSED: &[(&str, &str, &str)] = &[
    ("fips", "failed", "known_hosts has ssh-ed25519, the server offers rsa-sha2-512, rsa-sha2-256"),
    ("quantum-ssh2", "unreachable", "no key exchange in common: the server offers sntrup761x25519-sha512@openssh.com"),
    ("fresh", "failed", "host key is known for [10.10.10.1]:2209"),
    ("fresh-ssh2", "unreachable", "no key exchange in common: the server offers sntrup761x25519-sha512@openssh.com"),
    ("offered", "unreachable", "no key exchange in common: the server offers sntrup761x25519-sha512@openssh.com"),
    ("fips-behind", "failed", "known_hosts has ssh-ed25519, the server offers rsa-sha2-512, rsa-sha2-256"),
    ("web-behind", "unreachable", "what answers there is no SSH server: it says `<!DOCTYPE HTML>`"),
    ("other-name", "failed", "Certificate invalid: name is not a listed principal"),
    ("ended", "failed", "Certificate invalid: expired"),
    ("stolen", "failed", "revoked"),
    ("factors-wrong", "failed", "ssh: admin@10.10.10.1: Permission denied (password)."),
    // One that had been left to send an empty password would have said `Permission denied`.
    ("gate-wrong", "failed", "as `admin`: the password was tried once and refused: it is asked for again, `"),
    ("revoked", "failed", "is revoked by "),
    ("revoked-openssh", "failed", "host key of 10.10.10.1:2208: ssh: "),
    ("unknown", "failed", "host key is known for [10.10.10.1]:2208"),
    ("nobody", "unreachable", "port 2299: Connection refused"),
];

/// Starts the servers, and gives the control side their keys.
fn prepare(lab: &Lab) {
    let said = lab.sh("h1", SERVERS);
    let keys: Vec<&str> = said.lines().map(|line| line.rsplit_once(' ').unwrap().0).collect();
    let (key, authority) = (keys[0], keys[1]);
    let known = lab.path("known_hosts");
    let old = std::fs::read_to_string(&known).unwrap();
    let more = format!(
        "[10.10.10.1]:2201 {key}\n@cert-authority [10.10.10.1]:2203 {authority}\n@revoked [10.10.10.1]:2208 {key}\n"
    );
    std::fs::write(&known, format!("{old}{more}")).unwrap();
    let signed = ["@cert-authority [10.10.10.1]:22??", "@revoked [10.10.10.1]:2214"]
        .map(|names| format!("{names} {authority}\n"));
    std::fs::write(lab.path("signed_known"), signed.concat()).unwrap();
    certificate(lab, "certified", "ed25519");
    configurations(lab);
    let pem = lab.path("pem").display().to_string();
    lab.here(&format!("rm -f {pem} {pem}.pub; ssh-keygen -q -t rsa -b 2048 -m PEM -N 'lab passphrase' -f {pem}"));
    let public = std::fs::read_to_string(format!("{pem}.pub")).unwrap();
    lab.sh("h1", &format!("echo '{}' >>/root/.ssh/authorized_keys", public.trim()));
}

/// What an ssh_config says and libssh2 cannot follow: a certificate in a place of its own, a command as the way, and
/// another name in known_hosts; and lines that count for nobody.
fn configurations(lab: &Lab) {
    certificate(lab, "named", "ed25519");
    let path = |name: &str| lab.path(name).display().to_string();
    std::fs::rename(path("named-cert.pub"), path("elsewhere")).unwrap();
    std::fs::write(path("named_config"), format!("CertificateFile {}\n", path("elsewhere"))).unwrap();
    let piped = "Match exec false\n  Port 9\n  User nobody\nHost p*\n  HostName nowhere.%h\n  HostKeyAlias 10.10.10.1\n  \
                 ProxyCommand ssh -F none -i KEY -o UserKnownHostsFile=KNOWN -W 10.10.10.1:22 root@10.10.10.1\n";
    let piped = piped.replace("KEY", &path("id_ed25519")).replace("KNOWN", &path("known_hosts"));
    std::fs::write(path("piped_config"), piped).unwrap();
}

/// A key, and beside it a certificate for root by the authority of the host.
fn certificate(lab: &Lab, name: &str, kind: &str) {
    let key = lab.path(name).display().to_string();
    lab.here(&format!("rm -f {key} {key}.pub; ssh-keygen -q -t {kind} -N '' -f {key}"));
    let public = std::fs::read_to_string(format!("{key}.pub")).unwrap();
    let sign = "echo 'KEY' >/root/user.pub; cd /root; ssh-keygen -q -s ca -I user -n root user.pub; cat user-cert.pub";
    let certificate = lab.sh("h1", &sign.replace("KEY", public.trim()));
    std::fs::write(format!("{key}-cert.pub"), format!("{certificate}\n")).unwrap();
}

/// Runs them all at once over the one host of a lab.
pub(crate) fn what_openssh_does(lab: &Lab, inventory: fn(&str) -> String) {
    prepare(lab);
    let hosts = HOSTS.replace("ADDR", "10.10.10.1").replace("CERTIFIED", "certified").replace("PEM", "pem");
    lab.inventory(&inventory(hosts.trim_start_matches('\n')));

    let rooms = lab.path("rooms");
    std::fs::create_dir(&rooms).unwrap();
    let rooms = rooms.display().to_string();
    let variables = [
        ("FC_ADMIN", "admin-password"),
        ("FC_WRONG", "wr0ng-s3cret"),
        ("FC_PAULA", "paula-password"),
        ("FC_PASSPHRASE", "lab passphrase"),
        ("XDG_RUNTIME_DIR", rooms.as_str()),
    ];
    let run = lab.fleetclock_with(&["check", "--format", "json"], &variables);
    let report = serde_json::from_str(&run.stdout).unwrap();
    for name in REACHED {
        assert_eq!(host(&report, name)["status"], "drifted", "{name}: {}", error(&report, name));
        assert_eq!(host(&report, name)["executions"], 2, "{name}");
    }
    for (name, status, words) in REFUSED {
        assert!(error(&report, name).contains(*words), "{name}: {}", error(&report, name));
        assert_eq!(host(&report, name)["status"], *status, "{name}");
    }
    for note in [
        "10.10.10.1:2202; libssh2 knows no key exchange that",
        "10.10.10.1:2203; ",
        "has a certificate authority for its host key",
        "certified-cert.pub is a certificate for its key",
        "the ssh_config sets certificatefile",
        "the ssh_config sets proxycommand",
    ] {
        assert!(run.stderr.contains(note), "{note}: {}", run.stderr);
    }
    // A plain key was remembered of the server that shows a certificate, too.
    let now = std::fs::read_to_string(lab.path("plain_known")).unwrap();
    assert!(now.contains("[10.10.10.1]:2204 ssh-ed25519 ") && !now.contains("-cert-v01"), "{now}");
    // That of the bastion would be sent again with each new start.
    let refused = lab.sh("h1", "journalctl -o cat | grep -cE 'Failed password|PAM: Authentication failure' || true");
    assert_eq!(refused, "2", "a wrong password is sent once");
    let left = format!("ls {rooms}; pgrep -fa '[s]sh .*{rooms}' || true");
    assert_eq!(lab.said_here(&left), "", "something was left behind");
    for secret in ["admin-password", "wr0ng-s3cret", "paula-password", "lab passphrase"] {
        assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{secret} was shown");
    }
    ways_out(lab);
    a_certificate_in_the_agent(lab, inventory);
}

/// What the messages name, also where only the system's ssh comes to the key.
fn ways_out(lab: &Lab) {
    for name in ["fips", "fresh"] {
        assert_eq!(lab.fleetclock(&["trust", name, "--yes"]).code, 0, "{name}");
        assert_eq!(lab.fleetclock(&["check", "-l", name]).code, 3, "{name}");
    }
    let trusted = lab.fleetclock(&["trust", "fresh", "--yes"]).stdout;
    assert!(trusted.contains("is trusted already"), "{trusted}");
    let refused = lab.fleetclock(&["trust", "fresh-ssh2", "--yes"]);
    assert!(refused.code == 4 && refused.stderr.contains("no key exchange in common"), "{}", refused.stderr);
    let revoked = lab.fleetclock(&["trust", "revoked-openssh", "--yes"]);
    assert!(revoked.code == 1 && revoked.stderr.contains("is revoked by "), "{}", revoked.stderr);
}

/// The server takes no key, and only what its authority has signed. libssh2 can hand on an ed25519 certificate of
/// the agent; one of RSA goes with a signature that it does not ask for.
fn a_certificate_in_the_agent(lab: &Lab, inventory: fn(&str) -> String) {
    for (kind, client, note) in [("ed25519", "ssh2", None), ("rsa", "auto", Some("the agent holds a certificate"))] {
        let held = format!("user: root, port: 2205, key: none, host_key: accept-new, client: {client}");
        lab.inventory(&inventory(&format!("  held: {{ address: 10.10.10.1, ssh: {{ {held} }} }}\n")));
        let name = format!("held-{kind}");
        certificate(lab, &name, kind);
        let socket = lab.path(&format!("agent-{kind}"));
        let _agent = lab.agent(&socket);
        let agent = socket.display().to_string();
        lab.here(&format!("SSH_AUTH_SOCK={agent} ssh-add -q {}", lab.path(&name).display()));
        let run = lab.fleetclock_with(&["check"], &[("SSH_AUTH_SOCK", &agent)]);
        assert_eq!(run.code, 3, "{kind}: {}{}", run.stdout, run.stderr);
        assert_eq!(run.stderr.contains("the agent holds"), note.is_some(), "{kind}: {}", run.stderr);
        assert!(run.stderr.contains(note.unwrap_or_default()), "{kind}: {}", run.stderr);
    }
}

mod slow {
    use super::*;

    /// On both: 2210 takes tickets of Kerberos only, 2202 speaks post-quantum key exchange of OpenSSH 10 only.
    const TICKETS: &str = r#"
firewall-cmd -q --add-port=2201-2299/tcp; mkdir -p /run/sshd
printf '[libdefaults]\n default_realm = LAB.TEST\n dns_canonicalize_hostname = false\n rdns = false\n' >/etc/krb5.conf
printf '%s\n' 'Port 2210' 'PidFile none' 'UsePAM yes' 'PermitRootLogin prohibit-password' 'GSSAPIAuthentication yes' \
  'GSSAPIStrictAcceptorCheck no' 'PubkeyAuthentication no' 'PasswordAuthentication no' \
  'KbdInteractiveAuthentication no' >/etc/ssh/tickets; /usr/sbin/sshd -f /etc/ssh/tickets"#;
    const QUANTUM: &str = r#"
firewall-cmd -q --add-port=2201-2299/tcp; mkdir -p /run/sshd
printf '%s\n' 'Port 2202' 'PidFile none' 'UsePAM yes' 'PermitRootLogin prohibit-password' \
  'KexAlgorithms mlkem768x25519-sha256' >/etc/ssh/quantum; /usr/sbin/sshd -f /etc/ssh/quantum"#;

    const HOSTS: &str = "
  tickets: { address: 10.10.10.1, ssh: { user: root, port: 2210, key: none, host_key: accept-new } }
  tickets-openssh: { address: 10.10.10.1, ssh: { user: root, port: 2210, key: none, client: openssh, host_key: accept-new } }
  token: { address: 10.10.10.1, ssh: { user: root, key: id_ecdsa_sk, config: TOKEN } }
  token-ed25519: { address: 10.10.10.1, ssh: { user: root, key: id_ed25519_sk, config: TOKEN } }
  quantum: { address: 10.10.10.2, ssh: { user: root, port: 2202 } }
  quantum-behind: { address: 10.10.10.2, ssh: { user: root, port: 2202, client: ssh2, jump: ['root@10.10.10.1:22'] } }
";

    /// Tickets of a real Kerberos, keys of the authenticator in OpenSSH's own tests, and an sshd of OpenSSH 10, by
    /// the `ssh` of Debian 12 and by that of Debian 13.
    #[test]
    #[ignore = "needs the lab: ./test --slow runs it"]
    fn tickets_tokens_and_servers_of_tomorrow() {
        let inventory = format!(
            "defaults: {{ ssh: {{ SSH }}, role: master, isolated: true }}\nhosts:{}",
            HOSTS.replace("TOKEN", "token_config")
        );
        let lab = Lab::up("waysin", &["h1=bookworm@10.10.10.1", "h2=trixie@10.10.10.2"], &inventory);
        let realm = lab.realm("10.10.10.254", "host/10.10.10.1");
        lab.here(&format!("cp {}/keytab {}/etc/krb5.keytab", realm.display(), lab.path("hosts/h1/root").display()));
        lab.sh("h1", TICKETS);
        lab.sh("h2", QUANTUM);
        tokens(&lab);
        let file = |name: &str| realm.join(name).display().to_string();
        let (config, tickets) = (file("krb5.conf"), file("tickets"));
        let variables = [("KRB5_CONFIG", config.as_str()), ("KRB5CCNAME", tickets.as_str())];

        let (_, report) = lab.json_with(&["check"], &variables);
        for name in ["tickets", "tickets-openssh", "token", "token-ed25519"] {
            assert_eq!(host(&report, name)["status"], "drifted", "{name}: {}", error(&report, name));
        }
        // Neither libssh2 nor the ssh of Debian 12 knows it; each says so, and what the server offers.
        let message = error(&report, "quantum");
        assert!(message.contains("no matching key exchange method") && message.contains("mlkem768x25519"), "{message}");
        let message = error(&report, "quantum-behind");
        assert!(message.contains("the server offers mlkem768x25519-sha256; libssh2 knows "), "{message}");
        let (_, report) = lab.json(&["check", "-l", "tickets"]);
        let message = error(&report, "tickets");
        assert!(message.contains("gssapi-with-mic, and fleetclock logs in with"), "{message}");

        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", new_ssh(&lab));
        let variables = [("PATH", path.as_str())];
        let trusted = lab.fleetclock_with(&["trust", "quantum", "--yes"], &variables);
        assert_eq!(trusted.code, 0, "{}", trusted.stderr);
        let run = lab.fleetclock_with(&["check", "-l", "quantum"], &variables);
        assert_eq!(run.code, 3, "{}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains("libssh2 knows no key exchange that 10.10.10.2:2202 offers"), "{}", run.stderr);
    }

    /// Keys that a token holds, and the ssh_config that names what speaks to it.
    fn tokens(lab: &Lab) {
        let root = lab.foreign();
        let provider = format!("{root}/usr/lib/openssh/regress/misc/sk-dummy/sk-dummy.so");
        std::fs::write(lab.path("token_config"), format!("SecurityKeyProvider {provider}\n")).unwrap();
        for kind in ["ecdsa", "ed25519"] {
            let key = lab.path(&format!("id_{kind}_sk")).display().to_string();
            lab.here(&format!("ssh-keygen -q -t {kind}-sk -w {provider} -N '' -f {key}"));
            let public = std::fs::read_to_string(format!("{key}.pub")).unwrap();
            lab.sh("h1", &format!("echo '{}' >>/root/.ssh/authorized_keys", public.trim()));
        }
    }

    /// A folder with the `ssh` of Debian 13, on its own libraries.
    fn new_ssh(lab: &Lab) -> String {
        let folder = lab.path("new");
        std::fs::create_dir(&folder).unwrap();
        let script = "#!/bin/sh\nl=TREE/usr/lib/x86_64-linux-gnu\n\
                      exec $l/ld-linux-x86-64.so.2 --library-path $l TREE/usr/bin/ssh \"$@\"\n";
        std::fs::write(folder.join("ssh"), script.replace("TREE", &lab.tree("trixie"))).unwrap();
        lab.here(&format!("chmod 755 {}/ssh", folder.display()));
        folder.display().to_string()
    }
}
