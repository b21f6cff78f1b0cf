//! Hosts of Windows: the variables of `winrm` and `psrp`.

use super::connect::path;
use super::view::View;
use crate::yaml::out::Out;
use crate::yaml::tree::{At, Kind};

/// The variables of one of the two connections.
struct Names<'a> {
    port: &'a [&'static str],
    scheme: &'a [&'static str],
    auth: &'a [&'static str],
    certificates: &'a [&'static str],
    ca: &'a [&'static str],
}

const WINRM: Names<'static> = Names {
    port: &["ansible_winrm_port", "ansible_port"],
    scheme: &["ansible_winrm_scheme"],
    auth: &["ansible_winrm_transport"],
    certificates: &["ansible_winrm_server_cert_validation"],
    ca: &["ansible_winrm_ca_trust_path", "ansible_winrm_ca_cert"],
};

const PSRP: Names<'static> = Names {
    port: &["ansible_psrp_port", "ansible_port"],
    scheme: &["ansible_psrp_protocol"],
    auth: &["ansible_psrp_auth"],
    certificates: &["ansible_psrp_cert_validation"],
    ca: &["ansible_psrp_ca_cert"],
};

/// Translates the connection of a Windows host.
pub(super) fn winrm(view: &mut View<'_>, which: &str) {
    let names = if which == "psrp" { &PSRP } else { &WINRM };
    let users = ["ansible_winrm_user", "ansible_psrp_user", "ansible_user"];
    if let Some((_, user)) = view.text(&users) {
        view.set("winrm", "user", Out::text(user));
    }
    let port = view.number(names.port, 65_535).map(|(_, port)| port);
    let https = match view.text(names.scheme) {
        Some((_, scheme)) => scheme != "http",
        // Ansible's own rule.
        None => !matches!(port, Some(5985 | 80)),
    };
    if !https {
        view.set("winrm", "scheme", Out::text("http"));
    }
    if let Some(port) = port.filter(|port| *port != if https { 5986 } else { 5985 }) {
        view.set("winrm", "port", Out::Number(port));
    }
    let insecure = trust(view, names) && https;
    let auth = auth(view, names, https, insecure);
    if auth != "ntlm" {
        view.set("winrm", "auth", Out::text(auth));
    }
    match auth {
        "certificate" => certificate(view),
        "kerberos" => {}
        _ => password(view),
    }
}

fn password(view: &mut View<'_>) {
    let names = [
        "ansible_winrm_password",
        "ansible_winrm_pass",
        "ansible_psrp_password",
        "ansible_password",
        "ansible_ssh_pass",
    ];
    let password = view.secret(&names, "WINRM_PASSWORD");
    if password.is_none() {
        view.notes.say(
            At { file: 0, line: 0, column: 0 },
            "the Windows hosts have no `ansible_password`: { env: WINRM_PASSWORD } is written",
        );
    }
    view.set("winrm", "password", password.unwrap_or_else(|| Out::env("WINRM_PASSWORD")));
}

/// Whose certificate is believed; whether anybody's is.
fn trust(view: &mut View<'_>, names: &Names<'static>) -> bool {
    let ca = view.text(names.ca);
    let ignored = view.text(names.certificates);
    if let Some((at, _)) = ignored.as_ref().filter(|(_, word)| word == "ignore") {
        view.set("winrm", "insecure", Out::Bool(true));
        view.notes
            .say(*at, "certificates are not checked, as in Ansible: `insecure: true`; better `pin_sha256` or `ca`");
        return true;
    }
    if let Some((_, ca)) = ca.filter(|(_, ca)| ca != "legacy_requests") {
        view.set("winrm", "ca", Out::text(path(&ca)));
    }
    false
}

/// How the account proves itself: the first of the ways that is built.
fn auth(view: &mut View<'_>, names: &Names<'static>, https: bool, insecure: bool) -> &'static str {
    let Some((at, words)) = words(view, names) else { return "ntlm" };
    let known = |word: &str| match word {
        "ntlm" | "negotiate" => Some("ntlm"),
        "kerberos" => Some("kerberos"),
        "certificate" => Some("certificate"),
        "basic" | "plaintext" | "ssl" => Some("basic"),
        _ => None,
    };
    match words.iter().find_map(|word| known(word)) {
        Some("basic") if !https || insecure => {
            let text = "`basic` would show the password to anybody on the way (no https, or no certificate checked): `ntlm` is used";
            view.notes.say(at, text);
            "ntlm"
        }
        Some("certificate") if view.said(&["ansible_winrm_cert_pem", "ansible_psrp_certificate_pem"]).is_none() => {
            view.notes.say(at, "`certificate` without a certificate: `ntlm` is used");
            "ntlm"
        }
        Some(auth) => auth,
        None => {
            view.notes.say(at, format!("`{}` is not built: `ntlm` is used", words.join(", ")));
            "ntlm"
        }
    }
}

fn words(view: &mut View<'_>, names: &Names<'static>) -> Option<(At, Vec<String>)> {
    let (name, said) = view.said(names.auth)?;
    let node = view.node(name)?;
    let words = match &node.kind {
        Kind::List(list) => list.iter().filter_map(crate::yaml::tree::Node::scalar).collect(),
        _ => node.scalar()?.split(',').map(|word| word.trim().to_owned()).collect(),
    };
    Some((said.node.at, words))
}

fn certificate(view: &mut View<'_>) {
    for (names, key) in [
        (["ansible_winrm_cert_pem", "ansible_psrp_certificate_pem"], "cert"),
        (["ansible_winrm_cert_key_pem", "ansible_psrp_certificate_key_pem"], "key"),
    ] {
        if let Some((_, text)) = view.text(&names) {
            view.set("winrm", key, Out::text(path(&text)));
        }
    }
}
