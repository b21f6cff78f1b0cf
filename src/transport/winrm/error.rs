//! From the crate's errors to ours: which of the many ways in which Windows says no it was.

use winrm_rs::{NtlmError, SoapError, WinrmError};

use crate::inventory::spec::WinrmSettings;
use crate::transport::TransportError;

/// Said where a ticket is wanted and the program was built without.
pub(super) const NO_KERBEROS: &str = "this fleetclock was built without Kerberos (cargo feature `kerberos`)";

/// The crate's words for an answer to the first step of NTLM that is no challenge; its status follows.
const NO_LOGIN: &str = "expected 401 for NTLM negotiate, got ";

/// The crate's words after the status of an answer to Basic.
const FROM_BASIC: &str = " from WinRM";

/// The crate's words for a fault in which it finds none.
const NO_REASON: &str = "SOAP fault";

/// The crate's words where this machine has no certificates of authorities.
const NO_STORE: &str = "platform_roots(true)";

/// Said where the id of a new shell is not where it is looked for.
const OLD_WINRM: &str = "WinRM 2.0 of Windows Server 2008 R2 as installed gives the id as a selector only, which is not \
    understood here: install Windows Management Framework 3.0 or later (5.1 is the last), which brings a newer WinRM";

/// What this side can do in TLS, for whoever compares it with what the host can.
const OURS: &str = "TLS 1.2 with ECDHE and AES-GCM or ChaCha20, and TLS 1.3";

/// The ways to a host whose Schannel is older than that.
const OLD_SCHANNEL: &str = "Windows Server 2012 R2 and 2012 have those suites for an ECDSA certificate only, 2008 R2 has \
    TLS 1.0 as installed: use `scheme: http` (NTLM encrypts the messages there), or give the listener an ECDSA \
    certificate; `nmap --script ssl-enum-ciphers` shows what the host has";

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

    /// The account was refused by these hosts of this run.
    pub(super) fn refused_elsewhere(&self, hosts: &[&String]) -> TransportError {
        let names = hosts.iter().map(|host| host.as_str()).collect::<Vec<_>>().join(" and ");
        let have = if hosts.len() == 1 { "has" } else { "have" };
        self.login(
            &format!("not tried: {names} {have} refused the password of this account"),
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
            WinrmError::AuthFailed(text) if is_wrong_password(error) => self.wrong_password(text),
            WinrmError::AuthFailed(text) => self.refused(text),
            WinrmError::Ntlm(NtlmError::InvalidMessage(text)) if text.starts_with("HTTP 401") => {
                self.lost("the host does not know the login of this connection any more (HTTP 401)")
            }
            WinrmError::Ntlm(NtlmError::InvalidMessage(text)) => {
                self.lost(&format!("its NTLM login or encryption is not as it has to be: {text}"))
            }
            WinrmError::Soap(SoapError::Fault { code, reason }) => self.fault(code, &plain(reason)),
            WinrmError::Soap(SoapError::MissingElement(name)) if name == "ShellId" => self.lost(&format!(
                "its answer is not one of WinRM: {}; {OLD_WINRM}",
                SoapError::MissingElement(name.clone())
            )),
            WinrmError::Soap(other) => self.lost(&format!("its answer is not one of WinRM: {other}")),
            other => self.lost(&other.to_string()),
        }
    }

    /// The host does not offer the login that was asked for; what it offers instead.
    pub(super) fn not_offered(&self, offers: &[String]) -> TransportError {
        let all = offers.join(", ");
        let hint = if offers.iter().any(|offer| offer == "Kerberos") {
            "a domain may have NTLM switched off: `auth: kerberos` needs a build with `--features kerberos`; \
             `winrm get winrm/config/service/auth` on the host shows whether `Negotiate` is true"
        } else {
            "`auth: basic` needs https; `winrm get winrm/config/service/auth` on the host shows whether `Negotiate` is true"
        };
        self.login(&format!("the host offers no NTLM (Negotiate), only {all}"), hint)
    }

    /// A login that did not come about, and not for its password.
    fn refused(&self, text: &str) -> TransportError {
        let said = head(text);
        if said == NO_KERBEROS {
            return self.login(said, "build with `--features kerberos`, or use `auth: ntlm`");
        }
        if said == NO_STORE {
            return TransportError::Certificate {
                to: self.to.clone(),
                cause: "this machine has no certificate of any authority, by which to know a host".to_owned(),
                hint: "install `ca-certificates`, or give `winrm.ca` (the authority's PEM file) or `winrm.pin_sha256`"
                    .to_owned(),
            };
        }
        if said.contains("Certificate auth HTTP 401") {
            return self.login(
                "the host maps this certificate to no account, or takes no certificates",
                "on the host: `winrm enumerate winrm/config/service/certmapping`, and `Certificate` in \
                 `winrm get winrm/config/service/auth`",
            );
        }
        if said.contains("HTTP 404") || said.strip_prefix(NO_LOGIN) == Some("404 Not Found") {
            return self.unreachable("no WinRM listener at /wsman");
        }
        if said.contains("HTTP 500") {
            return self.login(
                "the listener refuses the way in which the messages are protected",
                "`auth: ntlm` encrypts them; `basic` and `certificate` need https",
            );
        }
        if let Some(status) = said.strip_prefix(NO_LOGIN) {
            return self.no_listener(status);
        }
        if said.starts_with("HTTP 3") {
            return self.no_listener(said.trim_end_matches(FROM_BASIC));
        }
        if said.starts_with("missing ") {
            return self.login(
                "the host does not go on with an NTLM login",
                "`winrm get winrm/config/service/auth` on the host shows whether `Negotiate` is true",
            );
        }
        self.login(text, "`winrm get winrm/config/service` on the host shows what it accepts")
    }

    /// Something else answers: a web server, or what redirects to one. No redirect is followed.
    fn no_listener(&self, status: &str) -> TransportError {
        self.unreachable(&format!("what answers is no WinRM listener: it asks for no login, and says `{status}`"))
    }

    fn http(&self, error: &reqwest::Error) -> TransportError {
        let cause = causes(error);
        if let Some(why) = handshake(&cause).filter(|_| self.https && error.is_connect()) {
            let cause = format!("no TLS came about: {why}; this side has {OURS} ({cause})");
            return TransportError::Unreachable { to: self.to.clone(), cause, hint: Some(OLD_SCHANNEL.to_owned()) };
        }
        if cause.to_lowercase().contains("certificate") || cause.contains("CaUsedAsEndEntity") {
            return TransportError::Certificate {
                to: self.to.clone(),
                cause: certificate(&cause),
                hint: "give `winrm.ca` (the authority's PEM file) or `winrm.pin_sha256`; \
                       `insecure: true` disables certificate verification"
                    .to_owned(),
            };
        }
        match error {
            _ if error.is_connect() => self.unreachable(&cause),
            _ if error.is_timeout() => self.lost("it was reached, and does not answer"),
            _ => self.lost(&cause),
        }
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
        let hint = "it was tried once and is not tried again, so that the account is not locked. If name, domain and \
            password are right, event 4625 in the Security log of the host says why (Sub Status). A policy may be: \
            the UAC filter (a local account other than Administrator needs LocalAccountTokenFilterPolicy=1), \
            `Restrict NTLM` or the group Protected Users (these want Kerberos), or a denied log-on from the network";
        if head(text).ends_with(FROM_BASIC) {
            let cause = "the name or the password is wrong, or the host takes no Basic logins (`winrm get winrm/config/service/auth`)";
            return self.login(cause, hint);
        }
        let cause = "HTTP 401: the name or the password is wrong, the account is locked or disabled, or a policy of \
            the host keeps it out";
        self.login(cause, hint)
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
                format!("a quota of the host is used up: {reason}").trim_end_matches(": "),
                "shells that were left open end after two hours; MaxShellsPerUser is in `winrm get winrm/config/winrs`",
            ),
            "TimedOut" => self.lost("the host did not answer in time"),
            _ if reason.is_empty() => self.lost(&format!("the host answers with a fault that has no text ({name})")),
            _ => self.lost(&format!("{reason} ({name})")),
        }
    }
}

/// The words of a fault: a provider's message has elements in it, and where the crate finds no message at
/// all it has words of its own.
fn plain(reason: &str) -> String {
    let mut words = String::new();
    let mut rest = reason;
    while let Some((before, after)) = rest.split_once('<') {
        let Some((_, behind)) = after.split_once('>') else { break };
        words.push_str(before);
        rest = behind;
    }
    words.push_str(rest);
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if words == NO_REASON { String::new() } else { words }
}

/// Whether the host did not go on with the login, as where it offers another.
pub(super) fn is_not_offered(error: &WinrmError) -> bool {
    matches!(error, WinrmError::AuthFailed(text) if head(text).starts_with("missing "))
}

/// The crate's text for a refused NTLM proof; its `AuthFailed` is used for much else too.
pub(super) fn is_wrong_password(error: &WinrmError) -> bool {
    let WinrmError::AuthFailed(text) = error else { return false };
    let said = head(text);
    !said.starts_with("Certificate auth")
        && ["authentication rejected", "HTTP 401", "bad credentials"].iter().any(|words| said.contains(words))
}

/// The crate's own words; what the host sent stands behind them.
fn head(text: &str) -> &str {
    text.split_once(": ").map_or(text, |(head, _)| head)
}

/// What a handshake ended with that is neither the network's nor a certificate's fault. Schannel often
/// resets the connection where another would send an alert.
fn handshake(cause: &str) -> Option<&'static str> {
    let kinds = [
        ("HandshakeFailure", "the host has no cipher suite in common with this side"),
        ("InsufficientSecurity", "the host has no cipher suite in common with this side"),
        ("ProtocolVersion", "the host has another version of TLS"),
        ("peer is incompatible", "the host has no version or suite of TLS in common with this side"),
        ("handshake eof", "the host closed the connection in the handshake, as it does without a common suite"),
        ("Connection reset", "the host reset the connection in the handshake, as it does without a common suite"),
        ("received fatal alert", "the host ended the handshake"),
        ("InvalidContentType", "what answers there does not speak TLS"),
    ];
    let named = |alert: &str| alert.to_lowercase().contains("certificate");
    kinds.iter().find(|(word, _)| cause.contains(word) && !named(cause)).map(|(_, why)| *why)
}

/// What is wrong with a certificate, in words; the library's own behind it.
fn certificate(cause: &str) -> String {
    let kinds = [
        ("UnknownIssuer", "its certificate is signed by nobody whom this machine believes"),
        (
            "CaUsedAsEndEntity",
            "its certificate is that of an authority and not of a server, as some self-signed ones are",
        ),
        ("xpired", "its certificate has expired"),
        ("NotValidForName", "its certificate is for another name"),
        ("not valid for name", "its certificate is for another name"),
        ("NotValidYet", "its certificate is not valid yet, or a clock is wrong"),
    ];
    let known = kinds.iter().find(|(word, _)| cause.contains(word));
    known.map_or_else(|| cause.to_owned(), |(_, words)| format!("{words} ({cause})"))
}

/// The innermost cause says what happened; the outer ones only that a request failed.
fn causes(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests;
