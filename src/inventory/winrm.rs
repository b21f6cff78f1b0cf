//! The keys of `winrm`.

use std::path::PathBuf;
use std::time::Duration;

use super::node::{Kind, Node};
use super::read::Reader;
use super::secret::Secret;
use super::spec::{Trust, WinrmAuth, WinrmSettings};

/// The keys of `winrm`, nothing filled in.
#[derive(Debug, Clone, Default)]
pub(super) struct WinrmLines {
    user: Option<String>,
    password: Option<Secret>,
    https: Option<bool>,
    port: Option<u16>,
    auth: Option<WinrmAuth>,
    ca: Option<PathBuf>,
    pin: Option<String>,
    insecure: Option<bool>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    timeout: Option<Duration>,
}

impl WinrmLines {
    /// Puts these settings over `below`.
    pub(super) fn over(self, below: WinrmLines) -> WinrmLines {
        WinrmLines {
            user: self.user.or(below.user),
            password: self.password.or(below.password),
            https: self.https.or(below.https),
            port: self.port.or(below.port),
            auth: self.auth.or(below.auth),
            ca: self.ca.or(below.ca),
            pin: self.pin.or(below.pin),
            insecure: self.insecure.or(below.insecure),
            certificate: self.certificate.or(below.certificate),
            key: self.key.or(below.key),
            timeout: self.timeout.or(below.timeout),
        }
    }

    /// Fills in the defaults.
    pub(super) fn settings(&self) -> WinrmSettings {
        let https = self.https.unwrap_or(true);
        WinrmSettings {
            user: self.user.clone().unwrap_or_else(|| "Administrator".to_owned()),
            password: self.password.clone(),
            https,
            port: self.port.unwrap_or(if https { 5986 } else { 5985 }),
            auth: self.auth.unwrap_or(WinrmAuth::Ntlm),
            trust: self.trust(),
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            timeout: self.timeout.unwrap_or(Duration::from_secs(15)),
        }
    }

    fn trust(&self) -> Trust {
        match (&self.pin, &self.ca, self.insecure) {
            (Some(pin), _, _) => Trust::Pin(pin.clone()),
            (None, Some(ca), _) => Trust::Ca(ca.clone()),
            (None, None, Some(true)) => Trust::Anybody,
            _ => Trust::System,
        }
    }

    /// What cannot be together, in words; `None` is fine.
    pub(super) fn conflict(&self) -> Option<&'static str> {
        let auth = self.auth.unwrap_or(WinrmAuth::Ntlm);
        let http = self.https == Some(false);
        match auth {
            WinrmAuth::Basic if http => Some("`auth: basic` sends the password in clear over http; use https, or ntlm"),
            WinrmAuth::Basic if self.insecure == Some(true) => {
                Some("`auth: basic` would send the password to anybody with `insecure`; give `pin_sha256` or `ca`")
            }
            WinrmAuth::Certificate if http => Some("`auth: certificate` needs https"),
            WinrmAuth::Certificate if self.certificate.is_none() || self.key.is_none() => {
                Some("`auth: certificate` needs `cert` and `key`")
            }
            WinrmAuth::Ntlm | WinrmAuth::Basic if self.password.is_none() => {
                Some("no `password` is given; write { env: NAME }, { file: PATH }, { command: [..] } or ask")
            }
            _ => None,
        }
    }
}

impl Reader<'_> {
    pub(super) fn winrm(&mut self, node: &Node, what: &str) -> WinrmLines {
        let mut winrm = WinrmLines::default();
        for (key, value) in &self.map(node, what, WINRM) {
            let what = &format!("{what}.{}", key.text);
            match key.text.as_str() {
                "user" => winrm.user = self.text(value, what),
                "password" => winrm.password = self.secret(value, what),
                "scheme" => winrm.https = self.choice(value, what, SCHEMES),
                "port" => winrm.port = self.number(value, what, 1, 65_535).and_then(|n| u16::try_from(n).ok()),
                "auth" => winrm.auth = self.choice(value, what, AUTH),
                "ca" => winrm.ca = self.path(value, what),
                "pin_sha256" => winrm.pin = self.pin(value, what),
                "insecure" => winrm.insecure = self.boolean(value, what),
                "cert" => winrm.certificate = self.path(value, what),
                "key" => winrm.key = self.path(value, what),
                "timeout" => winrm.timeout = self.duration(value, what),
                _ => {}
            }
        }
        winrm
    }

    /// 64 hexadecimal digits, with or without colons, as `openssl x509 -fingerprint -sha256` prints them.
    fn pin(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = match &node.kind {
            Kind::Text(text) => text.replace(':', "").to_ascii_lowercase(),
            _ => String::new(),
        };
        if text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit()) {
            return Some(text);
        }
        self.wrong(node.at, format!("{what}: the SHA-256 of the certificate is needed, 64 hexadecimal digits"));
        None
    }
}

/// The schemes, and whether they are https.
const SCHEMES: &[(&str, bool)] = &[("https", true), ("http", false)];

const AUTH: &[(&str, WinrmAuth)] = &[
    ("ntlm", WinrmAuth::Ntlm),
    ("basic", WinrmAuth::Basic),
    ("kerberos", WinrmAuth::Kerberos),
    ("certificate", WinrmAuth::Certificate),
];

const WINRM: &[&str] =
    &["user", "password", "scheme", "port", "auth", "ca", "pin_sha256", "insecure", "cert", "key", "timeout"];
