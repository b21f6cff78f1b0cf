//! From the crate's errors to ours: which of the many ways in which Windows says no it was.

use winrm_rs::{SoapError, WinrmError};

use crate::inventory::spec::WinrmSettings;
use crate::transport::TransportError;

/// Said where a ticket is wanted and the program was built without.
pub(super) const NO_KERBEROS: &str = "this fleetclock was built without Kerberos (cargo feature `kerberos`)";

/// The other side, for error messages.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// As the crate wants it: an IPv6 address in brackets.
    pub(super) host: String,
    /// Address and port.
    pub(super) to: String,
    user: String,
    https: bool,
}

impl Peer {
    pub(super) fn new(address: &str, settings: &WinrmSettings) -> Self {
        let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        let to = format!("{host}:{}", settings.port);
        Peer { host, to, user: settings.user.clone(), https: settings.https }
    }

    pub(super) fn lost(&self, cause: &str) -> TransportError {
        TransportError::Lost { to: self.to.clone(), cause: cause.to_owned() }
    }

    /// The account was refused by another host of this run.
    pub(super) fn refused_elsewhere(&self, host: &str) -> TransportError {
        self.login(
            &format!("not tried: {host} has refused the password of this account"),
            "a domain locks an account after a few wrong passwords; correct it and run again",
        )
    }

    fn login(&self, cause: &str, hint: &str) -> TransportError {
        TransportError::Login {
            to: self.to.clone(),
            user: self.user.clone(),
            cause: cause.to_owned(),
            hint: hint.to_owned(),
        }
    }

    /// Says which it was.
    pub(super) fn error(&self, error: &WinrmError) -> TransportError {
        match error {
            WinrmError::Http(http) => self.http(http),
            WinrmError::Timeout(seconds) => self.unreachable(&format!("no answer within {seconds} s")),
            WinrmError::AuthFailed(text) if text.contains("Certificate auth HTTP 401") => self.login(
                "the host maps this certificate to no account, or takes no certificates",
                "on the host: `winrm enumerate winrm/config/service/certmapping`, and `Certificate` in \
                 `winrm get winrm/config/service/auth`",
            ),
            WinrmError::AuthFailed(text) if is_wrong_password(error) => self.wrong_password(text),
            WinrmError::AuthFailed(text) if text == NO_KERBEROS => {
                self.login(text, "build with `--features kerberos`, or use `auth: ntlm`")
            }
            WinrmError::AuthFailed(text) if text.contains("HTTP 500") => self.login(
                "the listener refuses the way in which the messages are protected",
                "`auth: ntlm` encrypts them; `basic` and `certificate` need https",
            ),
            WinrmError::AuthFailed(text) if text.contains("HTTP 404") => {
                self.unreachable("no WinRM listener at /wsman")
            }
            WinrmError::AuthFailed(text) => {
                self.login(text, "`winrm get winrm/config/service` on the host shows what it accepts")
            }
            WinrmError::Soap(SoapError::Fault { code, reason }) => self.fault(code, reason),
            other => self.lost(&other.to_string()),
        }
    }

    fn http(&self, error: &reqwest::Error) -> TransportError {
        let cause = causes(error);
        if cause.to_lowercase().contains("certificate") {
            return TransportError::Certificate {
                to: self.to.clone(),
                cause,
                hint: "give `winrm.ca` (the authority's PEM file) or `winrm.pin_sha256`; \
                       `insecure: true` believes anybody"
                    .to_owned(),
            };
        }
        if error.is_connect() || error.is_timeout() { self.unreachable(&cause) } else { self.lost(&cause) }
    }

    fn unreachable(&self, cause: &str) -> TransportError {
        let hint = if self.https {
            "Windows listens on http 5985 by default; https 5986 has to be set up (`winrm quickconfig -transport:https`)"
        } else {
            "`winrm quickconfig` on the host starts the listener and opens its firewall"
        };
        TransportError::Unreachable { to: self.to.clone(), cause: cause.to_owned(), hint: Some(hint.to_owned()) }
    }

    fn wrong_password(&self, text: &str) -> TransportError {
        let _ = text;
        self.login(
            "the name or the password is wrong, or the account is locked or disabled",
            "it was tried once and is not tried again, so that the account is not locked",
        )
    }

    /// WS-Management faults by their language-free code (DMTF DSP0226, table of faults).
    fn fault(&self, code: &str, reason: &str) -> TransportError {
        let name = code.rsplit(':').next().unwrap_or(code);
        match name {
            "AccessDenied" => self.login(
                "access denied: the account may log in but is no administrator of the host",
                "a local account other than Administrator also needs LocalAccountTokenFilterPolicy=1 (UAC remote filter, KB 951016)",
            ),
            "QuotaLimit" => self.login(
                &format!("a quota of the host is used up: {reason}"),
                "shells that were left open end after two hours; MaxShellsPerUser is in `winrm get winrm/config/winrs`",
            ),
            "TimedOut" => self.lost("the host did not answer in time"),
            _ => self.lost(&format!("{reason} ({name})")),
        }
    }
}

/// The crate's text for a refused NTLM proof; its `AuthFailed` is used for much else too.
pub(super) fn is_wrong_password(error: &WinrmError) -> bool {
    matches!(error, WinrmError::AuthFailed(text) if !text.starts_with("Certificate auth")
        && (text.contains("authentication rejected") || text.contains("HTTP 401") || text.contains("bad credentials")))
}

/// The innermost cause says what happened; the outer ones only that a request failed.
fn causes(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
