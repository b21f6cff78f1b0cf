//! Certificates made at start: an own authority (`ca.pem` in the host's folder), a good certificate,
//! one that is expired and one for another name.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

/// The three faces of a host.
pub(crate) struct Certificates {
    good: Arc<ServerConfig>,
    expired: Arc<ServerConfig>,
    other_name: Arc<ServerConfig>,
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
            good: config(names.to_vec(), 2100, &authority)?,
            expired: config(names.to_vec(), 2001, &authority)?,
            other_name: config(vec!["another.example".to_owned()], 2100, &authority)?,
        })
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

fn config(names: Vec<String>, until: i32, authority: &Issuer<KeyPair>) -> Result<Arc<ServerConfig>, Box<dyn Error>> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let certificate = params.signed_by(&key, authority)?;
    let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private)?))
}
