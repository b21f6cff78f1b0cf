//! How a host is reached, written as the inventory says it.

use std::path::Path;
use std::time::Duration;

use super::secret::{Origin, Secret};
use super::spec::{Become, Client, Connection, ElevateSettings, HostKeyPolicy, Jump, SshSettings, Trust};
use super::spec::{WinrmAuth, WinrmSettings};
use crate::yaml::out::Out;
pub(crate) use crate::yaml::out::scalar;

/// Returns the keys of a host that say how it is reached, each with its value as YAML; what is the default is left out.
pub fn connection(connection: &Connection) -> Vec<(String, String)> {
    let pair = |key: &str, said: Said| (!said.is_empty()).then(|| (key.to_owned(), Out::Map(said).to_string()));
    match connection {
        Connection::Local(elevate) => {
            let here = ("local".to_owned(), "true".to_owned());
            std::iter::once(here).chain(pair("ssh", become_root(elevate))).collect()
        }
        Connection::Ssh(settings) => pair("ssh", ssh(settings)).into_iter().collect(),
        // A Windows host is one because it has the key.
        Connection::Winrm(settings) => pair("winrm", winrm(settings)).into_iter().collect(),
    }
}

/// The keys of a map, each with its value.
type Said = Vec<(String, Out)>;

fn said<const N: usize>(all: [(&str, Option<Out>); N]) -> Said {
    all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

fn ssh(ssh: &SshSettings) -> Said {
    let host_key = ssh.host_key.map(|policy| match policy {
        HostKeyPolicy::Strict => "strict",
        HostKeyPolicy::AcceptNew => "accept-new",
    });
    let client = match ssh.client {
        Client::Auto => None,
        Client::Ssh2 => Some("ssh2"),
        Client::OpenSsh => Some("openssh"),
    };
    let mut all = said([
        ("user", ssh.user.as_ref().map(Out::text)),
        ("port", ssh.port.map(|port| Out::Number(port.into()))),
        ("key", one_or_many(ssh.keys.iter().map(|key| path(key)))),
        ("passphrase", ssh.passphrase.as_ref().and_then(secret)),
        ("password", ssh.password.as_ref().and_then(secret)),
        ("jump", one_or_many(ssh.jump.iter().map(jump))),
        ("jump_limit", i64::try_from(ssh.jump_limit).ok().filter(|limit| *limit != 8).map(Out::Number)),
        ("host_key", host_key.map(Out::text)),
        ("known_hosts", ssh.known_hosts.as_deref().map(path)),
        ("config", ssh.config.as_deref().map(path)),
        ("timeout", seconds(ssh.timeout, 10)),
        ("client", client.map(Out::text)),
    ]);
    all.extend(become_root(&ssh.elevate));
    all
}

fn become_root(elevate: &ElevateSettings) -> Said {
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
    said([("become", Some(Out::text(method))), ("become_password", elevate.password.as_ref().and_then(secret))])
}

fn winrm(winrm: &WinrmSettings) -> Said {
    let usual = if winrm.https { 5986 } else { 5985 };
    let auth = match winrm.auth {
        WinrmAuth::Ntlm => None,
        WinrmAuth::Basic => Some("basic"),
        WinrmAuth::Kerberos => Some("kerberos"),
        WinrmAuth::Certificate => Some("certificate"),
    };
    let trust = match &winrm.trust {
        Trust::System => ("ca", None),
        Trust::Ca(file) => ("ca", Some(path(file))),
        Trust::Pin(pin) => ("pin_sha256", Some(Out::text(pin))),
        Trust::Anybody => ("insecure", Some(Out::Bool(true))),
    };
    said([
        ("user", Some(Out::text(&winrm.user))),
        ("password", winrm.password.as_ref().and_then(secret)),
        ("scheme", (!winrm.https).then(|| Out::text("http"))),
        ("port", (winrm.port != usual).then(|| Out::Number(winrm.port.into()))),
        ("auth", auth.map(Out::text)),
        trust,
        ("cert", winrm.certificate.as_deref().map(path)),
        ("key", winrm.key.as_deref().map(path)),
        ("timeout", seconds(winrm.timeout, 15)),
    ])
}

fn one_or_many(values: impl Iterator<Item = Out>) -> Option<Out> {
    let mut values: Vec<Out> = values.collect();
    match values.len() {
        0 => None,
        1 => values.pop(),
        _ => Some(Out::List(values)),
    }
}

fn path(path: &Path) -> Out {
    Out::text(path.display().to_string())
}

fn seconds(time: Duration, usual: u64) -> Option<Out> {
    (time != Duration::from_secs(usual)).then(|| Out::text(humantime::format_duration(time).to_string()))
}

fn jump(jump: &Jump) -> Out {
    let user = jump.user.as_ref().map_or(String::new(), |user| format!("{user}@"));
    let six = jump.address.contains(':');
    let address = if six { format!("[{}]", jump.address) } else { jump.address.clone() };
    Out::text(format!("{user}{address}{}", jump.port.map_or(String::new(), |port| format!(":{port}"))))
}

/// Where a secret comes from; one that was given by word of mouth is nothing to be written down.
fn secret(secret: &Secret) -> Option<Out> {
    let from = |key: &str, value: Out| Some(Out::Map(vec![(key.to_owned(), value)]));
    match secret.origin() {
        Origin::Env(name) => Some(Out::env(name)),
        Origin::File(file) => from("file", path(file)),
        Origin::Command(words) => from("command", Out::List(words.iter().map(Out::text).collect())),
        Origin::Ask(_) => Some(Out::text("ask")),
        Origin::Given => None,
    }
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
}
