//! Which client goes to a host, and what the system's `ssh` is told when it is that one.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use super::auth;
use super::job::{Key, SshJob};
use super::system::{SEEN, SystemJob};
use super::target::{Target, home};
use super::way::Way;
use crate::inventory::Secret;
use crate::inventory::spec::{Client, HostKeyPolicy, Jump, SshSettings};
use crate::transport::worker::{Lease, Remote, Request, Stage};
use crate::transport::{Shared, Transport, TransportError};

/// Why hosts of this run were reached by the system's `ssh`.
#[derive(Debug, Default)]
pub(in crate::transport) struct Reasons(Mutex<BTreeMap<String, BTreeSet<String>>>);

impl Reasons {
    fn add(&self, reason: &str, host: String) {
        let mut reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reasons.entry(reason.to_owned()).or_default().insert(host);
    }

    /// One sentence for each reason.
    pub(in crate::transport) fn sentences(&self) -> Vec<String> {
        const NAMED: usize = 3;
        let reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sentence = |(reason, hosts): (&String, &BTreeSet<String>)| {
            let mut named: Vec<&str> = hosts.iter().take(NAMED).map(String::as_str).collect();
            let more = format!("{} more", hosts.len().saturating_sub(NAMED));
            named.extend((hosts.len() > NAMED).then_some(more.as_str()));
            format!("reached by the system's `ssh` and not by libssh2: {}; {reason}", named.join(", "))
        };
        reasons.iter().map(sentence).collect()
    }
}

/// Why the system's `ssh` has to go this way; `None` is libssh2.
///
/// # Errors
/// What is asked for cannot be done here.
pub(super) fn choose(way: &Way, job: &SshJob, client: Client) -> Result<Option<String>, TransportError> {
    let beyond = way.targets.iter().flat_map(|target| target.more.beyond.clone()).collect::<BTreeSet<_>>();
    let settings = beyond.into_iter().collect::<Vec<_>>().join(", ");
    let settings = (!settings.is_empty()).then(|| format!("the ssh_config sets {settings}"));
    match client {
        Client::OpenSsh if is_installed() => Ok(Some("`client: openssh` asks for it".to_owned())),
        Client::OpenSsh => Err(not_installed("`client: openssh` asks for it")),
        Client::Ssh2 => match settings {
            Some(why) => Err(refuse(&format!("{why}, which `client: ssh2` cannot do"), "use `client: auto`")),
            None => Ok(None),
        },
        Client::Auto => match settings {
            Some(why) if !is_installed() => Err(not_installed(&format!("{why}, which nothing else can do"))),
            Some(why) => Ok(Some(why)),
            None => Ok(demanded(way, job).filter(|_| is_installed())),
        },
    }
}

/// What is known beforehand that libssh2 cannot do.
fn demanded(way: &Way, job: &SshJob) -> Option<String> {
    let authority = way.known.iter().find_map(|known| known.authority());
    if let Some(place) = authority {
        return Some(format!("{place} has a certificate authority for its host key"));
    }
    job.hops.iter().find_map(|hop| by_keys(&hop.keys))
}

/// A token is asked for only where there is no other key: somebody has to touch it.
fn by_keys(keys: &[Key]) -> Option<String> {
    let alone = keys.iter().all(|key| key.in_token);
    keys.iter().filter(|key| alone || !key.in_token).find_map(|key| key.openssh.clone())
}

fn refuse(cause: &str, hint: &str) -> TransportError {
    TransportError::Own { what: "choose a client of SSH".to_owned(), cause: cause.to_owned(), hint: hint.to_owned() }
}

fn not_installed(why: &str) -> TransportError {
    refuse(&format!("the system's `ssh` is not installed, and {why}"), "install OpenSSH's client on this machine")
}

/// Whether there is an `ssh` in the PATH.
pub(super) fn is_installed() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let runs =
        |file: PathBuf| file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0);
    std::env::split_paths(&path).any(|folder| runs(folder.join("ssh")))
}

/// Opens a connection by the system's `ssh` in a worker.
pub(super) fn connect(
    address: &str,
    way: Way,
    s: &SshSettings,
    shared: &Shared,
    reason: &str,
) -> Result<Box<dyn Transport>, TransportError> {
    let own = |error: std::io::Error| TransportError::own("make a private folder for ssh", &error);
    let label = way.label();
    let folder = folder().map_err(own)?;
    std::fs::write(folder.path().join("config"), config(s, &way.targets)?).map_err(own)?;
    let job = job(address, &way, s, folder.path());
    let mut lease = Lease::take(&shared.workers, label.clone())?;
    // The worker says more when the time is over.
    lease.begin(Stage::Login, job.patience, Duration::from_secs(1));
    lease.send(&Request::System(Box::new(job)), &[])?;
    let judge = &mut |lease: &mut Lease, _: usize, _: &[u8]| {
        Err(TransportError::Lost { to: lease.to.clone(), cause: "ssh judges host keys itself".to_owned() })
    };
    lease.connected(judge).map_err(|failed| *failed.error)?;
    if s.client == Client::Auto {
        shared.reasons.add(reason, label);
    }
    let note = format!("over the system's `ssh`: {reason}");
    Ok(Box::new(Remote::new(lease, Duration::ZERO, (way.permits, folder)).noted(note)))
}

/// Lets the system's `ssh` see the key of a host, of these types or of any plain one.
pub(super) fn look(
    address: &str,
    way: &Way,
    s: &SshSettings,
    shared: &Shared,
    types: Option<String>,
) -> Result<Vec<u8>, TransportError> {
    let own = |error: std::io::Error| TransportError::own("make a private folder for ssh", &error);
    let folder = folder().map_err(own)?;
    std::fs::write(folder.path().join("config"), config(s, &way.targets)?).map_err(own)?;
    let mut job = job(address, way, s, folder.path());
    let seen = folder.path().join(SEEN);
    let types = types.unwrap_or_else(|| "-*-cert-v01@openssh.com".to_owned());
    // Before the rest, and not in the file: the bastions keep their own rules.
    let options = [
        format!("UserKnownHostsFile={}", word(&seen)?),
        "GlobalKnownHostsFile=/dev/null".to_owned(),
        "StrictHostKeyChecking=accept-new".to_owned(),
        format!("HostKeyAlgorithms={types}"),
    ];
    job.arguments.splice(0..0, options.into_iter().flat_map(|option| ["-o".to_owned(), option]));
    let mut lease = Lease::take(&shared.workers, way.label())?;
    lease.begin(Stage::Login, job.patience, Duration::from_secs(1));
    lease.send(&Request::SystemKey(Box::new(job)), &[])?;
    let mut shown = Vec::new();
    let looked = lease.connected(&mut |_, _, key| {
        shown = key.to_vec();
        Ok(())
    });
    looked.map(|()| shown).map_err(|failed| *failed.error)
}

/// Where sockets are, of which the path must not be long (unix(7): 108 bytes, and `ssh` adds 17).
fn folder() -> std::io::Result<TempDir> {
    const LONGEST: usize = 60;
    let fits = |folder: &PathBuf| folder.is_dir() && folder.as_os_str().len() <= LONGEST;
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let place = own.into_iter().chain([std::env::temp_dir()]).find(fits).unwrap_or_else(|| PathBuf::from("/tmp"));
    let private = std::fs::Permissions::from_mode(0o700);
    tempfile::Builder::new().prefix("fc-").permissions(private).tempdir_in(place)
}

/// The machines on the way; the one behind a bastion says its name when the login there is done.
fn hops(targets: &[Target]) -> u32 {
    u32::try_from(targets.len()).unwrap_or(1).max(1)
}

fn job(address: &str, way: &Way, s: &SshSettings, folder: &Path) -> SystemJob {
    let reveal = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.reveal().to_owned());
    SystemJob {
        label: way.label(),
        user: way.targets.last().map(|target| target.user.clone()).unwrap_or_default(),
        folder: folder.to_owned(),
        arguments: arguments(address, s, folder),
        timeout: s.timeout,
        // A login asks several questions, and `timeout` is the limit for each.
        patience: s.timeout * 3 * hops(&way.targets),
        elevate: s.elevate.method,
        become_password: reveal(&s.elevate.password),
        password: reveal(&s.password),
        passphrase: reveal(&s.passphrase),
    }
}

/// What leads to a host; the rest is in the file, which `ssh` hands on to those that it starts for bastions.
fn arguments(address: &str, s: &SshSettings, folder: &Path) -> Vec<String> {
    let mut words = vec!["-F".to_owned(), folder.join("config").display().to_string()];
    if !s.jump.is_empty() {
        words.extend(["-J".to_owned(), s.jump.iter().map(|hop| jump(hop, s)).collect::<Vec<_>>().join(",")]);
    }
    words.extend(s.port.iter().flat_map(|port| ["-p".to_owned(), port.to_string()]));
    words.extend(s.user.iter().flat_map(|user| ["-l".to_owned(), user.clone()]));
    words.extend(["--".to_owned(), address.to_owned()]);
    words
}

fn jump(hop: &Jump, s: &SshSettings) -> String {
    let user = hop.user.as_ref().or(s.user.as_ref()).map_or(String::new(), |user| format!("{user}@"));
    let port = hop.port.map_or(String::new(), |port| format!(":{port}"));
    let host = if hop.address.contains(':') { format!("[{}]", hop.address) } else { hop.address.clone() };
    format!("{user}{host}{port}")
}

/// The inventory's settings, which come first and so win, and then the user's own file. Nothing that
/// belongs to a terminal or to another purpose of an ssh_config is wanted here.
fn config(s: &SshSettings, targets: &[Target]) -> Result<String, TransportError> {
    let mut lines = vec!["Host *".to_owned()];
    let mut set = |line: &str| lines.push(line.to_owned());
    set("ClearAllForwardings yes\nForwardAgent no\nForwardX11 no\nPermitLocalCommand no\nRemoteCommand none");
    set(
        "ControlMaster no\nControlPath none\nControlPersist no\nUpdateHostKeys no\nLogLevel ERROR\nConnectionAttempts 1",
    );
    set(&format!("ConnectTimeout {}", (s.timeout * hops(targets)).as_secs().max(1)));
    // Without a secret nobody can answer a question; with one each is asked once.
    let asks = s.password.is_some() || s.passphrase.is_some();
    set(if asks { "BatchMode no\nNumberOfPasswordPrompts 1" } else { "BatchMode yes" });
    set(&format!("StrictHostKeyChecking {}\nNoHostAuthenticationForLocalhost no", host_key(s, targets)));
    if let Some(file) = &s.known_hosts {
        set(&format!("UserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null", word(file)?));
    }
    for key in &s.keys {
        set(&format!("IdentityFile {}", word(key)?));
    }
    match &s.config {
        Some(file) => set(&format!("Include {}", word(file)?)),
        None => {
            if let Some(home) = home() {
                set(&format!("Include {}", word(&home.join(".ssh/config"))?));
            }
            set("Include /etc/ssh/ssh_config");
        }
    }
    // Debian's `ssh` tries it, that of OpenSSH does not.
    if auth::has_tickets() {
        set("Match all\nGSSAPIAuthentication yes");
    }
    Ok(lines.join("\n") + "\n")
}

/// The file is that of all machines on the way: what one of them refuses, all do. `ssh` is never left to a
/// `no` of the user's file, with which it goes on in spite of a key that has changed or is revoked.
fn host_key(s: &SshSettings, targets: &[Target]) -> &'static str {
    let accepts = |target: &Target| target.host_key(s) == HostKeyPolicy::AcceptNew;
    if targets.iter().all(accepts) { "accept-new" } else { "yes" }
}

/// A path as a word of an ssh_config, where `%` and `"` mean something.
fn word(path: &Path) -> Result<String, TransportError> {
    let bytes = path.as_os_str().as_bytes();
    match path.to_str() {
        Some(text) if !bytes.iter().any(|byte| byte.is_ascii_control() || *byte == b'"') => {
            Ok(format!("\"{}\"", text.replace('%', "%%")))
        }
        _ => {
            let cause = format!("the path {} cannot stand in an ssh_config", path.display());
            Err(refuse(&cause, "give the file a name without quotes and control characters"))
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::transport::ssh) fn settings() -> SshSettings {
        SshSettings {
            user: Some("ops".into()),
            port: None,
            keys: vec![PathBuf::from("/home/my key/100%")],
            passphrase: None,
            password: None,
            elevate: crate::inventory::spec::ElevateSettings::default(),
            jump: vec![
                Jump { user: None, address: "fd00::1".into(), port: Some(2222) },
                Jump { user: Some("eve".into()), address: "gate".into(), port: None },
            ],
            jump_limit: 8,
            host_key: Some(HostKeyPolicy::AcceptNew),
            known_hosts: Some("/kh".into()),
            config: None,
            timeout: Duration::from_secs(10),
            client: Client::Auto,
        }
    }

    #[test]
    fn the_inventory_becomes_arguments_and_a_file_of_ssh() {
        let words = arguments("-oProxyCommand=x", &settings(), Path::new("/t"));
        let wanted = "-F /t/config -J ops@[fd00::1]:2222,eve@gate -l ops -- -oProxyCommand=x";
        assert_eq!(words.join(" "), wanted);
        let text = config(&settings(), &targets(&[None, None])).unwrap();
        for line in [
            "BatchMode yes",
            "ConnectTimeout 20",
            "StrictHostKeyChecking accept-new",
            "UserKnownHostsFile \"/kh\"",
            "IdentityFile \"/home/my key/100%%\"",
            "Include /etc/ssh/ssh_config",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        let mut secret = settings();
        secret.password = Some(Secret::new("wr0ng"));
        let text = config(&secret, &targets(&[None, None])).unwrap();
        assert!(text.contains("NumberOfPasswordPrompts 1") && !text.contains("wr0ng"));
    }

    /// Machines on a way of which the ssh_config says this.
    pub(in crate::transport::ssh) fn targets(policies: &[Option<HostKeyPolicy>]) -> Vec<Target> {
        let target = |policy: &Option<HostKeyPolicy>| {
            let more = crate::transport::ssh::target::More { host_key: *policy, ..Default::default() };
            let (host, user) = ("h".to_owned(), "ops".to_owned());
            Target { host, port: 22, user, keys: Vec::new(), jump: Vec::new(), more }
        };
        policies.iter().map(target).collect()
    }

    #[test]
    fn ssh_is_told_what_an_unknown_key_means_before_it_reads_any_file() {
        use HostKeyPolicy::{AcceptNew, Strict};
        for (inventory, files, wanted) in [
            (None, &[None][..], "yes"),
            (None, &[Some(AcceptNew)], "accept-new"),
            (None, &[Some(AcceptNew), None], "yes"),
            (None, &[Some(Strict), Some(AcceptNew)], "yes"),
            (None, &[Some(AcceptNew), Some(AcceptNew)], "accept-new"),
            (Some(Strict), &[Some(AcceptNew)], "yes"),
            (Some(AcceptNew), &[Some(Strict)], "accept-new"),
        ] {
            let text = config(&SshSettings { host_key: inventory, ..settings() }, &targets(files)).unwrap();
            let wanted = format!("StrictHostKeyChecking {wanted}");
            let (before, _) = text.split_once("Include").unwrap();
            assert!(before.lines().any(|line| line == wanted), "{wanted}: {text}");
            assert_eq!(text.matches("StrictHostKeyChecking").count(), 1, "{text}");
        }
    }

    #[test]
    fn a_path_that_would_be_more_than_a_word_is_refused() {
        for bad in ["/a\"b", "/a\nHost x"] {
            assert!(word(Path::new(bad)).unwrap_err().is_own(), "{bad}");
        }
    }

    #[test]
    fn a_token_is_used_from_the_start_only_where_it_is_the_only_key() {
        let key = |in_token, openssh: Option<&str>| Key {
            name: String::new(),
            content: Err(String::new()),
            public: None,
            in_token,
            openssh: openssh.map(str::to_owned),
        };
        let (plain, token, signed) = (|| key(false, None), || key(true, Some("token")), || key(false, Some("signed")));
        for (keys, wanted) in [
            (vec![], None),
            (vec![plain()], None),
            (vec![token()], Some("token")),
            (vec![plain(), token()], None),
            (vec![plain(), token(), signed()], Some("signed")),
        ] {
            assert_eq!(by_keys(&keys).as_deref(), wanted);
        }
    }

    #[test]
    fn hosts_are_named_once_for_each_reason() {
        let reasons = Reasons::default();
        for host in ["a", "b", "b", "c", "d", "e"] {
            reasons.add("because", host.to_owned());
        }
        let wanted = "reached by the system's `ssh` and not by libssh2: a, b, c, 2 more; because";
        assert_eq!(reasons.sentences(), [wanted]);
    }
}
