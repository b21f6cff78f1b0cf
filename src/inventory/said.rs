//! How a host is reached, written as the inventory says it.

use std::path::Path;
use std::time::Duration;

use super::secret::{Origin, Secret};
use super::spec::{Become, Client, Connection, ElevateSettings, HostKeyPolicy, Jump, SshSettings, Trust};
use super::spec::{WinrmAuth, WinrmSettings};

/// Returns the keys of a host that say how it is reached, each with its value as YAML; what is the default is left out.
pub fn connection(connection: &Connection) -> Vec<(String, String)> {
    let pair = |key: &str, parts: Vec<String>| {
        (!parts.is_empty()).then(|| (key.to_owned(), format!("{{ {} }}", parts.join(", "))))
    };
    match connection {
        Connection::Local(elevate) => {
            let here = ("local".to_owned(), "true".to_owned());
            std::iter::once(here).chain(pair("ssh", become_parts(elevate))).collect()
        }
        Connection::Ssh(ssh) => pair("ssh", ssh_parts(ssh)).into_iter().collect(),
        // A Windows host is one because it has the key.
        Connection::Winrm(winrm) => pair("winrm", winrm_parts(winrm)).into_iter().collect(),
    }
}

fn ssh_parts(ssh: &SshSettings) -> Vec<String> {
    let mut parts = Vec::new();
    let mut say = |key: &str, value: Option<String>| parts.extend(value.map(|value| format!("{key}: {value}")));
    say("user", ssh.user.as_deref().map(scalar));
    say("port", ssh.port.map(|port| port.to_string()));
    say("key", list(ssh.keys.iter().map(|key| path(key))));
    say("passphrase", ssh.passphrase.as_ref().and_then(secret));
    say("password", ssh.password.as_ref().and_then(secret));
    say("jump", list(ssh.jump.iter().map(jump)));
    say("jump_limit", (ssh.jump_limit != 8).then(|| ssh.jump_limit.to_string()));
    say(
        "host_key",
        ssh.host_key.map(|policy| match policy {
            HostKeyPolicy::Strict => "strict".to_owned(),
            HostKeyPolicy::AcceptNew => "accept-new".to_owned(),
        }),
    );
    say("known_hosts", ssh.known_hosts.as_deref().map(path));
    say("config", ssh.config.as_deref().map(path));
    say("timeout", seconds(ssh.timeout, 10));
    say(
        "client",
        match ssh.client {
            Client::Auto => None,
            Client::Ssh2 => Some("ssh2".to_owned()),
            Client::OpenSsh => Some("openssh".to_owned()),
        },
    );
    parts.extend(become_parts(&ssh.elevate));
    parts
}

fn become_parts(elevate: &ElevateSettings) -> Vec<String> {
    let method = match elevate.method {
        Become::None => return Vec::new(),
        Become::Sudo => "sudo",
        Become::Doas => "doas",
        Become::Su => "su",
        Become::Run0 => "run0",
        Become::Dzdo => "dzdo",
        Become::Pbrun => "pbrun",
        Become::Pmrun => "pmrun",
    };
    let password = elevate.password.as_ref().and_then(secret).map(|secret| format!("become_password: {secret}"));
    std::iter::once(format!("become: {method}")).chain(password).collect()
}

fn winrm_parts(winrm: &WinrmSettings) -> Vec<String> {
    let mut parts = vec![format!("user: {}", scalar(&winrm.user))];
    let mut say = |key: &str, value: Option<String>| parts.extend(value.map(|value| format!("{key}: {value}")));
    say("password", winrm.password.as_ref().and_then(secret));
    say("scheme", (!winrm.https).then(|| "http".to_owned()));
    let usual = if winrm.https { 5986 } else { 5985 };
    say("port", (winrm.port != usual).then(|| winrm.port.to_string()));
    say(
        "auth",
        match winrm.auth {
            WinrmAuth::Ntlm => None,
            WinrmAuth::Basic => Some("basic".to_owned()),
            WinrmAuth::Kerberos => Some("kerberos".to_owned()),
            WinrmAuth::Certificate => Some("certificate".to_owned()),
        },
    );
    match &winrm.trust {
        Trust::System => {}
        Trust::Ca(file) => say("ca", Some(path(file))),
        Trust::Pin(pin) => say("pin_sha256", Some(scalar(pin))),
        Trust::Anybody => say("insecure", Some("true".to_owned())),
    }
    say("cert", winrm.certificate.as_deref().map(path));
    say("key", winrm.key.as_deref().map(path));
    say("timeout", seconds(winrm.timeout, 15));
    parts
}

fn list(values: impl Iterator<Item = String>) -> Option<String> {
    let values: Vec<String> = values.collect();
    match values.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        more => Some(format!("[{}]", more.join(", "))),
    }
}

fn path(path: &Path) -> String {
    scalar(&path.display().to_string())
}

fn seconds(time: Duration, usual: u64) -> Option<String> {
    (time != Duration::from_secs(usual)).then(|| humantime::format_duration(time).to_string())
}

fn jump(jump: &Jump) -> String {
    let user = jump.user.as_ref().map_or(String::new(), |user| format!("{user}@"));
    let six = jump.address.contains(':');
    let address = if six { format!("[{}]", jump.address) } else { jump.address.clone() };
    scalar(&format!("{user}{address}{}", jump.port.map_or(String::new(), |port| format!(":{port}"))))
}

/// Where a secret comes from; one that was given by word of mouth is nothing to be written down.
fn secret(secret: &Secret) -> Option<String> {
    match secret.origin() {
        Origin::Env(name) => Some(format!("{{ env: {} }}", scalar(name))),
        Origin::File(file) => Some(format!("{{ file: {} }}", path(file))),
        Origin::Command(words) => {
            let words: Vec<String> = words.iter().map(|word| scalar(word)).collect();
            Some(format!("{{ command: [{}] }}", words.join(", ")))
        }
        Origin::Ask(_) => Some("ask".to_owned()),
        Origin::Given => None,
    }
}

/// Returns a text as YAML reads it back: plain where that is beyond doubt, else in quotation marks.
pub fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "./-_".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
    let letters = text.chars().any(|c| c.is_ascii_alphabetic()) || text.matches('.').count() > 1;
    let words = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf"];
    let special =
        words.contains(&text.to_lowercase().as_str()) || text.parse::<f64>().is_ok() || text.starts_with("0x");
    if begins && letters && !special && text.chars().all(plain) {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::parse;
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for said in [
            "ssh: { user: ops, port: 2222, key: /k, jump: gate.example, become: sudo, become_password: { env: PW } }",
            "ssh: { key: [/a, /b], password: { command: [pass, \"the server\"] }, host_key: accept-new, timeout: 20s }",
            "ssh: { jump: [\"me@[fd00::1]:2022\", gate], known_hosts: /kh, config: /c, client: openssh, jump_limit: 4 }",
            "winrm: { user: \"CORP\\\\ops\", password: { file: /pw }, scheme: http, timeout: 5s }",
            "winrm: { user: ops, password: { env: PW }, pin_sha256: \"ab12\", auth: basic }",
        ] {
            let read = |said: &str| {
                let text = format!("hosts: {{ h: {{ role: master, isolated: true, {said} }} }}");
                parse(Path::new("/x/fleet.yml"), &text).map(|fleet| fleet.hosts[0].connection.clone())
            };
            let Ok(first) = read(said) else { continue };
            let written: Vec<String> =
                connection(&first).into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
            assert_eq!(format!("{first:?}"), format!("{:?}", read(&written.join(", ")).unwrap()), "{said}");
        }
    }

    #[test]
    fn a_text_stays_a_text() {
        for (text, written) in [
            ("10.0.0.1", "10.0.0.1"),
            ("10", "\"10\""),
            ("yes", "\"yes\""),
            ("a b", "\"a b\""),
            ("fd00::1", "\"fd00::1\""),
        ] {
            assert_eq!(scalar(text), written);
        }
    }
}
