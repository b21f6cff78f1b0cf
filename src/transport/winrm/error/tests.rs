use super::*;
use crate::inventory::Secret;
use crate::inventory::spec::{Trust, WinrmAuth};

fn peer() -> Peer {
    let settings = WinrmSettings {
        user: "operator".to_owned(),
        password: Some(Secret::new("x")),
        https: false,
        port: 5985,
        auth: WinrmAuth::Ntlm,
        trust: Trust::System,
        certificate: None,
        key: None,
        timeout: std::time::Duration::from_secs(3),
    };
    Peer::new("192.0.2.1", &settings)
}

#[test]
fn what_is_no_winrm_listener_is_said_to_be_none() {
    for (text, wanted) in [
        ("expected 401 for NTLM negotiate, got 404 Not Found", "connect 192.0.2.1:5985: no WinRM listener at /wsman"),
        ("expected 401 for NTLM negotiate, got 307 Temporary Redirect", "and says `307 Temporary Redirect`"),
        ("HTTP 302 Found from WinRM: <a>HTTP 404</a>", "and says `HTTP 302 Found`"),
        ("missing Negotiate prefix in challenge", "does not go on with an NTLM login"),
        ("HTTP 401 Unauthorized from WinRM: ", "or the host takes no Basic logins"),
        (
            "platform_roots(true): the operating system's certificate store",
            "this machine has no certificate of any authority",
        ),
        ("NTLM authentication rejected (bad credentials or CBT mismatch)", "the account is locked or disabled"),
    ] {
        let said = peer().error(&WinrmError::AuthFailed(text.to_owned())).to_string();
        assert!(said.contains(wanted), "{text}: {said}");
    }
}

/// As rustls and the kernel say it; tests/lab tries some of them against suites of old systems.
#[test]
fn a_handshake_that_fails_is_not_a_listener_that_is_missing() {
    for (cause, wanted) in [
        ("received fatal alert: HandshakeFailure", Some("no cipher suite")),
        ("received fatal alert: ProtocolVersion", Some("another version")),
        ("peer is incompatible: ServerDoesNotSupportTls12Or13", Some("no version")),
        ("tls handshake eof", Some("closed the connection")),
        ("Connection reset by peer (os error 104)", Some("reset the connection")),
        ("received corrupt message of type InvalidContentType", Some("does not speak TLS")),
        ("received fatal alert: CertificateRequired", None),
        ("Connection refused (os error 111)", None),
    ] {
        let said = handshake(cause);
        assert_eq!(said.is_some(), wanted.is_some(), "{cause}");
        assert!(wanted.is_none_or(|wanted| said.unwrap().contains(wanted)), "{cause}: {said:?}");
    }
    let words = certificate("invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))");
    assert!(words.starts_with("its certificate is that of an authority"), "{words}");
    assert!(
        certificate("invalid peer certificate: UnknownIssuer").ends_with("(invalid peer certificate: UnknownIssuer)")
    );
}

#[test]
fn a_login_that_is_not_offered_says_what_is() {
    let said = peer().not_offered(&["Kerberos".to_owned()]);
    assert!(said.to_string().contains("offers no NTLM (Negotiate), only Kerberos"), "{said}");
    assert!(said.hint().unwrap().contains("--features kerberos"));
    assert!(peer().not_offered(&["Basic".to_owned()]).hint().unwrap().contains("`auth: basic` needs https"));
}

#[test]
fn what_the_host_writes_is_not_taken_for_a_refused_password() {
    let error = |text: &str| WinrmError::AuthFailed(text.to_owned());
    assert!(is_wrong_password(&error("HTTP 401 Unauthorized: ")));
    assert!(!is_wrong_password(&error("HTTP 503 Service Unavailable: authentication rejected, HTTP 401")));
    assert!(!is_wrong_password(&error("Certificate auth HTTP 401 Unauthorized: ")));
}

#[test]
fn a_fault_is_read_without_its_elements() {
    for (reason, wanted) in [
        (
            "<f:ProviderFault provider=\"x\">The parameter is  incorrect. </f:ProviderFault>",
            "The parameter is incorrect.",
        ),
        ("fewer than <b>30</b> and 2 < 3", "fewer than 30 and 2 < 3"),
        ("SOAP fault", ""),
        ("", ""),
    ] {
        assert_eq!(plain(reason), wanted);
    }
    let said = |code: &str, reason: &str| peer().fault(code, reason).to_string();
    assert!(said("w:QuotaLimit", "").ends_with("a quota of the host is used up"), "{}", said("w:QuotaLimit", ""));
    assert!(said("w:Odd", "").ends_with("a fault that has no text (Odd)"));
}

#[test]
fn what_the_crate_calls_it_is_not_what_people_read() {
    let garbled = |text: &str| WinrmError::Ntlm(NtlmError::InvalidMessage(text.to_owned()));
    let gone = peer().error(&garbled("HTTP 401 to a sealed NTLM request on an authenticated connection: x"));
    assert_eq!(
        gone.to_string(),
        "talk to 192.0.2.1:5985: the host does not know the login of this connection any more (HTTP 401)"
    );
    let spoiled = peer().error(&garbled("checksum mismatch")).to_string();
    assert!(spoiled.ends_with("not as it has to be: checksum mismatch"), "{spoiled}");
    let lacks = |name: &str| peer().error(&WinrmError::Soap(SoapError::MissingElement(name.to_owned()))).to_string();
    let empty = lacks("CommandId");
    assert!(empty.ends_with("its answer is not one of WinRM: missing element: CommandId"), "{empty}");
    assert!(lacks("ShellId").contains("Windows Management Framework 3.0"));
}
