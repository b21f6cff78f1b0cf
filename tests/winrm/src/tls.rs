//! Certificates made at start: an own authority (`ca.pem` in the host's folder), a good certificate
//! (`server.pem`), one that is expired and one for another name; and one for the administrator (`client.pem`,
//! `client-key.pem`), as `winrm/config/service/certmapping` would map it to the account.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};

/// The three faces of a host.
pub(crate) struct Certificates {
    good: Arc<ServerConfig>,
    expired: Arc<ServerConfig>,
    other_name: Arc<ServerConfig>,
    administrator: CertificateDer<'static>,
}

impl Certificates {
    /// Makes all of them for a host with these names and addresses.
    pub(crate) fn make(home: &Path, names: &[String]) -> Result<Self, Box<dyn Error>> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "stand-in authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        std::fs::write(home.join("ca.pem"), params.self_signed(&key)?.pem())?;
        let authority = Issuer::new(params, key);
        Ok(Self {
            good: config(names.to_vec(), 2100, &authority, &home.join("server.pem"))?,
            expired: config(names.to_vec(), 2001, &authority, &home.join("expired.pem"))?,
            other_name: config(vec!["another.example".to_owned()], 2100, &authority, &home.join("other.pem"))?,
            administrator: administrator(home, &authority)?,
        })
    }

    /// Whether the certificate that a client has shown is mapped to the administrator.
    pub(crate) fn is_mapped(&self, shown: Option<&[CertificateDer<'_>]>) -> bool {
        shown.and_then(<[_]>::first).is_some_and(|shown| *shown == self.administrator)
    }

    /// The one that a knob names; the good one without.
    pub(crate) fn named(&self, name: &str) -> Arc<ServerConfig> {
        match name {
            "expired" => self.expired.clone(),
            "othername" => self.other_name.clone(),
            _ => self.good.clone(),
        }
    }
}

/// As HTTP.sys does: asks for a certificate, and lets in whoever has the key of the one he shows or
/// shows none. Whether it is mapped to an account is another question.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ClientCertVerifier for Anybody {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _shown: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, shown, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, shown, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn administrator(home: &Path, authority: &Issuer<KeyPair>) -> Result<CertificateDer<'static>, Box<dyn Error>> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Administrator");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, authority)?;
    std::fs::write(home.join("client.pem"), certificate.pem())?;
    std::fs::write(home.join("client-key.pem"), key.serialize_pem())?;
    Ok(certificate.der().clone())
}

fn config(
    names: Vec<String>,
    until: i32,
    authority: &Issuer<KeyPair>,
    file: &Path,
) -> Result<Arc<ServerConfig>, Box<dyn Error>> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let certificate = params.signed_by(&key, authority)?;
    std::fs::write(file, certificate.pem())?;
    let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients = Arc::new(Anybody(provider.clone()));
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(builder.with_client_cert_verifier(clients).with_single_cert(vec![certificate.der().clone()], private)?))
}
