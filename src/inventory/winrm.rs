//! The keys of `winrm`.

use std::path::PathBuf;
use std::time::Duration;

use super::kinds::{Boolean, FilePath, Hidden, Span, Text, Words, number, types};
use super::node::{Kind, Node};
use super::read::Reader;
use super::secret::Secret;
use super::spec::{Trust, WinrmAuth, WinrmSettings};
use super::table::{One, Row, Table, Type, one};

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

types! {
    /// The fingerprint of a certificate.
    PinType: String, Reader::pin, "SHA-256", { "type": "string" };
}

const fn login<T: Type>(slot: fn(&mut WinrmLines) -> &mut Option<T::Value>, of: T) -> One<WinrmLines, T> {
    one(slot, of)
}

#[rustfmt::skip]
pub(super) const WINRM: Table<WinrmLines> = &[&[
    Row { key: "user", field: &login(|w| &mut w.user, Text), default: "`Administrator`",
        doc: "The account, also as `DOMAIN\\user` or `user@domain`; it must be an administrator of the host." },
    Row { key: "password", field: &login(|w| &mut w.password, Hidden), default: "none",
        doc: "Of the account: `{ env: NAME }`, `{ file: PATH }`, `{ command: [...] }` or `ask`." },
    Row { key: "scheme", field: &login(|w| &mut w.https, Words(SCHEMES)), default: "`https`",
        doc: "Over http the messages are encrypted by NTLM." },
    Row { key: "port", field: &login(|w| &mut w.port, number(1, 65_535, "number")), default: "5986; with http 5985",
        doc: "The TCP port." },
    Row { key: "auth", field: &login(|w| &mut w.auth, Words(AUTH)), default: "`ntlm`",
        doc: "How the account proves itself: `basic` over https with a believed certificate only, `certificate` with `cert` and `key`; `kerberos` needs a build with `--features kerberos`, and that `libkrb5-dev`, `libclang-dev` and `clang` (it builds and has not been tried against a domain)." },
    Row { key: "ca", field: &login(|w| &mut w.ca, FilePath), default: "the authorities of this machine",
        doc: "A PEM file: the authorities whose certificates are believed." },
    Row { key: "pin_sha256", field: &login(|w| &mut w.pin, PinType), default: "none",
        doc: "The one certificate that is believed, 64 hexadecimal digits, colons or not." },
    Row { key: "insecure", field: &login(|w| &mut w.insecure, Boolean), default: "`false`",
        doc: "Any certificate is believed." },
    Row { key: "cert", field: &login(|w| &mut w.certificate, FilePath), default: "none",
        doc: "The certificate of the account, PEM." },
    Row { key: "key", field: &login(|w| &mut w.key, FilePath), default: "none",
        doc: "Its key, PEM." },
    Row { key: "timeout", field: &login(|w| &mut w.timeout, Span), default: "`15s`",
        doc: "For connecting." },
]];
