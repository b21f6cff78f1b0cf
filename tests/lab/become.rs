//! Becoming root as hosts have it, and login shells as people have them: one host, many accounts.

use crate::fixture::Lab;
use crate::report::{error, host};

/// Accounts in the groups that sudoers below knows, and a program of each kind that is only read about:
/// dzdo is sudo by another name, the others are stand-ins that ask as their manuals say.
const ACCOUNTS: &str = r#"
printf 'root:root-password\n' | chpasswd
for u in tina nell tara rob rud greta kim max nina pia walt zoe false menu noisy quits eva; do
  useradd -m -s /bin/bash $u; echo $u:$u-password | chpasswd
  mkdir /home/$u/.ssh; cp /home/ops/.ssh/authorized_keys /home/$u/.ssh/; chown -R $u /home/$u/.ssh; chmod 700 /home/$u/.ssh
done
chage -d 0 eva; usermod -s /bin/false false; usermod -s /usr/local/bin/menu menu; usermod -s /usr/bin/dash noisy
cat >/etc/sudoers.d/become <<'CONF'
tina,kim,max,tara,rob,rud,greta ALL=(ALL) ALL
nell,noisy,quits,menu,false,pia ALL=(ALL) NOPASSWD: ALL
nina ALL=(ALL) NOPASSWD: /usr/bin/id
Defaults:tina,nell requiretty
Defaults:tara targetpw
Defaults:rob rootpw
Defaults:rud runaspw
Defaults:kim passprompt_override, passprompt="[본사] 비밀번호를 넣으세요"
Defaults:max lecture=always, use_pty, log_input, log_output, secure_path=/usr/bin
CONF
printf '#!/bin/sh\nwhile echo "1) mail 2) quit: "; do read -r n || exit 4; done\n' >/usr/local/bin/menu
printf '#!/bin/bash\nread -rs -p "Password:" pw </dev/tty; echo\n[ "$pw" = pia-password ] || { echo "Request rejected by pb.conf."; exit 1; }\nexec sudo -n "$@"\n' >/usr/local/bin/pbrun
sed 's/Password:/Enter UPM user password:/' /usr/local/bin/pbrun >/usr/local/bin/pmrun
chmod 755 /usr/local/bin/menu /usr/local/bin/p?run; ln -s /usr/bin/sudo /usr/local/bin/dzdo
cat >/home/noisy/.bashrc <<'RC'
printf 'welcome, no end of line'; echo complaint >&2; umask 077; set -eu; export TMOUT=1 BASH_ENV=/nonexistent LC_ALL=ko_KR.UTF-8 ENV=/home/noisy/.env
RC
usermod -s /bin/bash noisy
echo 'echo maintenance until noon; exit 7' | tee /home/quits/.bashrc >/home/quits/.profile
sed -i '1i echo maintenance until noon; exit 7' /home/quits/.bashrc
mkdir /home/greta/bin; printf '#!/bin/sh\nunset LC_ALL; LANG=C.UTF-8 LANGUAGE=de exec /usr/bin/sudo "$@"\n' >/home/greta/bin/sudo
chmod 755 /home/greta/bin/sudo; sed -i '1i export LANG=de_DE.UTF-8 LC_ALL=C.UTF-8 LANGUAGE=de PATH=/home/greta/bin:$PATH' /home/greta/.bashrc
sed -i 's/^auth.*pam_rootok.so/&\nauth [success=ignore default=1] pam_succeed_if.so quiet user = nobody ruser = walt\nauth requisite pam_deny.so/' /etc/pam.d/su
"#;

/// The name of a host, its login, what gives root rights, and the variable of the password.
const HOSTS: &[(&str, &str, &str, &str)] = &[
    ("tty-password", "tina", "sudo", "FC_TINA"),
    ("tty-free", "nell", "sudo", ""),
    ("tty-wrong", "tina", "sudo", "FC_WRONG"),
    ("tty-unasked", "tina", "sudo", ""),
    ("target", "tara", "sudo", "FC_ROOT"),
    ("target-own", "tara", "sudo", "FC_TARA"),
    ("target-unasked", "tara", "sudo", ""),
    ("root-own", "rob", "sudo", "FC_ROB"),
    ("root", "rob", "sudo", "FC_ROOT"),
    ("runas", "rud", "sudo", "FC_ROOT"),
    ("runas-unasked", "rud", "sudo", ""),
    ("german", "greta", "sudo", "FC_GRETA"),
    ("german-wrong", "greta", "sudo", "FC_WRONG"),
    ("german-unasked", "greta", "sudo", ""),
    ("prompt", "kim", "sudo", "FC_KIM"),
    ("prompt-wrong", "kim", "sudo", "FC_WRONG"),
    ("logged", "max", "sudo", "FC_MAX"),
    ("some", "nina", "sudo", ""),
    ("su", "pia", "su", "FC_ROOT"),
    ("su-wrong", "pia", "su", "FC_WRONG"),
    ("su-unasked", "pia", "su", ""),
    ("dzdo", "max", "dzdo", "FC_MAX"),
    ("dzdo-wrong", "max", "dzdo", "FC_WRONG"),
    ("pbrun", "pia", "pbrun", "FC_PIA"),
    ("pbrun-wrong", "pia", "pbrun", "FC_WRONG"),
    ("pmrun", "pia", "pmrun", "FC_PIA"),
    ("no-run0", "pia", "run0", "FC_ROOT"),
    ("no-word", "false", "sudo", ""),
    ("no-word-su", "false", "su", "FC_ROOT"),
    ("menu", "menu", "sudo", ""),
    ("noisy", "noisy", "sudo", ""),
    ("noisy-su", "noisy", "su", "FC_ROOT"),
    ("quits", "quits", "sudo", ""),
    ("quits-su", "quits", "su", "FC_ROOT"),
    ("expired", "eva", "sudo", ""),
    ("expired-su", "eva", "su", "FC_ROOT"),
];

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn root_rights_of_every_kind_and_login_shells_of_every_kind() {
    let account = |name: &str, user: &str, method: &str, secret: &str| {
        let password =
            if secret.is_empty() { String::new() } else { format!(", become_password: {{ env: {secret} }}") };
        format!("  {name}: {{ address: 10.10.10.1, ssh: {{ user: \"{user}\", become: {method}{password} }} }}\n")
    };
    let hosts: String = HOSTS.iter().map(|(name, user, method, secret)| account(name, user, method, secret)).collect();
    let inventory =
        format!("defaults: {{ ssh: {{ SSH, timeout: 5s }}, role: master, isolated: true }}\nhosts:\n{hosts}");
    let lab = Lab::up("become", &["h1=bookworm@10.10.10.1"], &inventory);
    lab.sh("h1", ACCOUNTS);
    let variables = [
        ("FC_TINA", "tina-password"),
        ("FC_TARA", "tara-password"),
        ("FC_ROOT", "root-password"),
        ("FC_ROB", "rob-password"),
        ("FC_GRETA", "greta-password"),
        ("FC_KIM", "kim-password"),
        ("FC_MAX", "max-password"),
        ("FC_PIA", "pia-password"),
        ("FC_WRONG", "wr0ng-s3cret"),
    ];
    let run = lab.fleetclock_with(&["check", "--format", "json", "-v"], &variables);
    let report = serde_json::from_str(&run.stdout).unwrap();
    let refused = |name: &str| REFUSED.iter().any(|(other, _)| *other == name);
    for (name, ..) in HOSTS.iter().filter(|(name, ..)| !refused(name)) {
        assert_eq!(host(&report, name)["status"], "drifted", "{name}: {}", error(&report, name));
        assert_eq!(host(&report, name)["executions"], 2, "{name}");
    }
    for (name, words) in REFUSED {
        assert!(error(&report, name).contains(words), "{name}: {}", error(&report, name));
        assert_eq!(host(&report, name)["status"], "failed", "{name}");
    }
    // Her sudo really speaks German.
    let german = lab.sh("h1", "su greta -c 'LC_ALL= ~/bin/sudo -n true' 2>&1 || true");
    assert!(german.ends_with("Ein Passwort ist notwendig"), "{german}");
    // One attempt each: no account is locked by us.
    for (user, tries) in [("tina", "1"), ("kim", "1"), ("max", "1"), ("greta", "1")] {
        let refused = format!(
            "journalctl -o cat _COMM=sudo _COMM=dzdo | grep -c 'authentication failure.*ruser={user} ' || true"
        );
        assert_eq!(lab.sh("h1", &refused), tries, "{user}");
    }
    for (_, secret) in variables {
        assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{secret} was shown");
    }
}

/// What is refused, and in which words.
const REFUSED: &[(&str, &str)] = &[
    ("tty-wrong", "become root with sudo as `tina`: the password was refused"),
    ("tty-unasked", "a password is asked for and none is configured"),
    ("target-own", "the password of `root` was refused correct `become_password`; it was tried once; sudo wants"),
    ("target-unasked", "the password of `root` is asked for and none is configured"),
    ("root-own", "the password of `root` was refused correct `become_password`; it was tried once; sudo wants"),
    ("runas-unasked", "the password of `root` is asked for and none is configured"),
    ("german-wrong", "become root with sudo as `greta`: the password was refused"),
    ("german-unasked", "a password is asked for and none is configured"),
    ("prompt-wrong", "the password was refused"),
    ("some", "a rule for other commands does not help"),
    ("su-wrong", "become root with su as `pia`: su: Authentication failure"),
    ("su-unasked", "the password of `root` is asked for and none is configured"),
    ("dzdo-wrong", "become root with dzdo as `max`: the password was refused"),
    ("pbrun-wrong", "become root with pbrun as `pia`: Request rejected by pb.conf."),
    ("no-run0", "run0 came with systemd 256"),
    (
        "no-word",
        "its login shell did not run the command, and sudo was not reached: it ended at once, with exit status 1",
    ),
    (
        "no-word-su",
        "its login shell did not run the command, and su was not reached: it ended at once, with exit status 1",
    ),
    ("menu", "sudo was not reached: it waits for something, and did not come to it within 1"),
    ("expired", "log in to 10.10.10.1:22 as `eva`: the password has expired"),
    ("expired-su", "log in to 10.10.10.1:22 as `eva`: the password has expired"),
    ("quits", "its login shell did not run the command, and sudo was not reached: maintenance until noon"),
    ("quits-su", "its login shell did not run the command, and su was not reached: maintenance until noon"),
];
