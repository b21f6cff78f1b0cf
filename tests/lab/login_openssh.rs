//! What OpenSSH can and libssh2 cannot, on further ports of one host.

use crate::fixture::Lab;
use crate::report::{error, host};

/// Servers beside the usual one, each with its own lines.
const SERVERS: &str = r#"
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
cat $key.pub ca.pub"#;

const HOSTS: &str = "
  fips: { address: ADDR, ssh: { user: root, port: 2201 } }
  quantum: { address: ADDR, ssh: { user: root, port: 2202, host_key: accept-new } }
  quantum-ssh2: { address: ADDR, ssh: { user: root, port: 2202, client: ssh2, host_key: accept-new } }
  signed: { address: ADDR, ssh: { user: root, port: 2203 } }
  plain: { address: ADDR, ssh: { user: root, port: 2204, host_key: accept-new } }
  certified: { address: ADDR, ssh: { user: root, port: 2205, key: CERTIFIED, host_key: accept-new } }
  factors: { address: ADDR, ssh: { user: admin, port: 2206, password: { env: FC_ADMIN }, become: sudo, become_password: { env: FC_ADMIN }, host_key: accept-new } }
  asked: { address: ADDR, ssh: { user: admin, port: 2207, password: { env: FC_ADMIN }, become: sudo, become_password: { env: FC_ADMIN }, host_key: accept-new } }
  factors-openssh: { address: ADDR, ssh: { user: admin, port: 2206, client: openssh, password: { env: FC_ADMIN }, become: sudo, become_password: { env: FC_ADMIN }, host_key: accept-new } }
  asked-openssh: { address: ADDR, ssh: { user: admin, port: 2207, client: openssh, password: { env: FC_ADMIN }, become: sudo, become_password: { env: FC_ADMIN }, host_key: accept-new } }
  factors-wrong: { address: ADDR, ssh: { user: admin, port: 2206, client: openssh, password: { env: FC_WRONG }, host_key: accept-new } }
  revoked: { address: ADDR, ssh: { user: root, port: 2208, host_key: accept-new } }
  revoked-openssh: { address: ADDR, ssh: { user: root, port: 2208, client: openssh, host_key: accept-new } }
  terminal: { address: ADDR, ssh: { user: paula, client: openssh, become: doas, become_password: { env: FC_PAULA } } }
  bastion: { address: h1, ssh: { user: root, client: openssh, jump: ['root@10.10.10.1:22'], host_key: accept-new } }
  locked: { address: ADDR, ssh: { user: root, client: openssh, key: id_ed25519_pass, passphrase: { env: FC_PASSPHRASE } } }
  unknown: { address: ADDR, ssh: { user: root, port: 2208, client: openssh, known_hosts: none } }
  pem: { address: ADDR, ssh: { user: root, key: PEM, passphrase: { env: FC_PASSPHRASE } } }
  nobody: { address: ADDR, ssh: { user: root, port: 2299, client: openssh } }
";

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
    let (certified, pem) = (lab.path("certified"), lab.path("pem"));
    for (file, kind) in [(&certified, "-t ed25519 -N ''"), (&pem, "-t rsa -b 2048 -m PEM -N 'lab passphrase'")] {
        lab.here(&format!("rm -f {0} {0}.pub; ssh-keygen -q {kind} -f {0}", file.display()));
    }
    let public = |file: &std::path::Path| std::fs::read_to_string(file.with_extension("pub")).unwrap();
    lab.sh("h1", &format!("echo '{}' >>/root/.ssh/authorized_keys", public(&pem).trim()));
    let sign = "echo 'KEY' >/root/user.pub; cd /root; ssh-keygen -q -s ca -I user -n root user.pub; cat user-cert.pub";
    let certificate = lab.sh("h1", &sign.replace("KEY", public(&certified).trim()));
    std::fs::write(lab.path("certified-cert.pub"), format!("{certificate}\n")).unwrap();
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
    for name in [
        "quantum",
        "signed",
        "plain",
        "certified",
        "factors",
        "asked",
        "factors-openssh",
        "asked-openssh",
        "terminal",
        "bastion",
        "locked",
        "pem",
    ] {
        assert_eq!(host(&report, name)["status"], "drifted", "{name}: {}", error(&report, name));
        assert_eq!(host(&report, name)["executions"], 2, "{name}");
    }
    for (name, status, words) in [
        ("fips", "failed", "known_hosts has ssh-ed25519, the server offers rsa-sha2-512, rsa-sha2-256"),
        (
            "quantum-ssh2",
            "unreachable",
            "no key exchange in common: the server offers sntrup761x25519-sha512@openssh.com",
        ),
        ("factors-wrong", "failed", "ssh: admin@10.10.10.1: Permission denied (password)."),
        ("revoked", "failed", "is revoked by "),
        ("revoked-openssh", "failed", "host key of 10.10.10.1:2208: ssh: "),
        ("unknown", "failed", "host key is known for [10.10.10.1]:2208"),
        ("nobody", "unreachable", "port 2299: Connection refused"),
    ] {
        assert!(error(&report, name).contains(words), "{name}: {}", error(&report, name));
        assert_eq!(host(&report, name)["status"], status, "{name}");
    }
    for note in [
        "10.10.10.1:2202; libssh2 knows no key exchange that",
        "10.10.10.1:2203; ",
        "has a certificate authority for its host key",
        "certified-cert.pub is a certificate for its key",
    ] {
        assert!(run.stderr.contains(note), "{note}: {}", run.stderr);
    }
    // A plain key was remembered of the server that shows a certificate, too.
    let now = std::fs::read_to_string(lab.path("known_hosts")).unwrap();
    assert!(now.contains("[10.10.10.1]:2204 ssh-ed25519 ") && !now.contains("-cert-v01"), "{now}");
    let refused = lab.sh("h1", "journalctl -o cat | grep -c 'Failed password' || true");
    assert_eq!(refused, "1", "a wrong password is sent once");
    let left = format!("ls {rooms}; pgrep -fa '[s]sh .*{rooms}' || true");
    assert_eq!(lab.said_here(&left), "", "something was left behind");
    for secret in ["admin-password", "wr0ng-s3cret", "paula-password", "lab passphrase"] {
        assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{secret} was shown");
    }
    // The way out that the message names.
    assert_eq!(lab.fleetclock(&["trust", "fips", "--yes"]).code, 0);
    assert_eq!(lab.fleetclock(&["check", "-l", "fips"]).code, 3);
}
