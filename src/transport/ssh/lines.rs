//! The lines of ssh_config files, looked at but not judged: which settings are there at all, and which
//! hosts share their answer. What they come to, `ssh -G` says.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::known::{listed, wild};

/// What a setting means for a connection by libssh2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is followed.
    Followed,
    /// It makes no difference to what is done here.
    Indifferent,
    /// Only OpenSSH's own client can follow it.
    Beyond,
}

/// What is followed, in the words of `ssh -G`.
const FOLLOWED: &[&str] = &[
    "host",
    "hostname",
    "user",
    "port",
    "identityfile",
    "identitiesonly",
    "proxyjump",
    "userknownhostsfile",
    "globalknownhostsfile",
    "hostkeyalias",
    "stricthostkeychecking",
    "hashknownhosts",
    "kexalgorithms",
    "ciphers",
    "macs",
    "include",
    "ignoreunknown",
    "canonicalizehostname",
    "canonicaldomains",
    "canonicalizemaxdots",
    "canonicalizefallbacklocal",
    "canonicalizepermittedcnames",
];

/// What a script over one connection does not need: terminals, forwardings, comfort, and ways to log in that
/// are tried only when the others have failed.
const INDIFFERENT: &[&str] = &[
    "addkeystoagent",
    "batchmode",
    "casignaturealgorithms",
    "channeltimeout",
    "checkhostip",
    "clearallforwardings",
    "compression",
    "connectionattempts",
    "connecttimeout",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "dynamicforward",
    "enableescapecommandline",
    "enablesshkeysign",
    "escapechar",
    "exitonforwardfailure",
    "fingerprinthash",
    "forkafterauthentication",
    "forwardagent",
    "forwardx11",
    "forwardx11timeout",
    "forwardx11trusted",
    "gatewayports",
    "gssapiauthentication",
    "gssapiclientidentity",
    "gssapidelegatecredentials",
    "gssapikexalgorithms",
    "gssapikeyexchange",
    "gssapirenewalforcesrekey",
    "gssapiserveridentity",
    "gssapitrustdns",
    "hostkeyalgorithms",
    "hostbasedacceptedalgorithms",
    "ipqos",
    "localcommand",
    "localforward",
    "loglevel",
    "logverbose",
    "nohostauthenticationforlocalhost",
    "numberofpasswordprompts",
    "obscurekeystroketiming",
    "permitlocalcommand",
    "permitremoteopen",
    "pubkeyacceptedalgorithms",
    "rekeylimit",
    "remotecommand",
    "remoteforward",
    "requesttty",
    "sendenv",
    "serveralivecountmax",
    "serveraliveinterval",
    "sessiontype",
    "setenv",
    "stdinnull",
    "streamlocalbindmask",
    "streamlocalbindunlink",
    "syslogfacility",
    "tag",
    "tcpkeepalive",
    "tunnel",
    "tunneldevice",
    "updatehostkeys",
    "versionaddendum",
    "visualhostkey",
    "warnweakcrypto",
    "xauthlocation",
];

/// What a setting means, by its name in lower case.
pub(super) fn kind(name: &str) -> Kind {
    match name {
        name if FOLLOWED.contains(&name) => Kind::Followed,
        name if INDIFFERENT.contains(&name) => Kind::Indifferent,
        _ => Kind::Beyond,
    }
}

/// Whether a setting is followed without an `ssh` to ask.
fn unasked(name: &str, value: &str) -> bool {
    match name {
        // Names are hashed where there is an `ssh` to ask; without one it is no reason to refuse a host.
        "host" | "include" | "ignoreunknown" | "hashknownhosts" => true,
        "hostname" | "user" | "port" | "identityfile" | "proxyjump" => !value.contains(['%', '$']),
        _ => false,
    }
}

/// What the files hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lines {
    /// Whether there is a setting at all.
    pub(super) any: bool,
    /// The patterns of each `Host` line, as a list with commas.
    hosts: Vec<String>,
    /// Whether a host may differ from another one that matches the same `Host` lines.
    pub(super) single: bool,
    /// The values of `HostName` lines, in small letters.
    host_names: HashSet<String>,
    /// Settings that only OpenSSH can follow, each with its place.
    pub(super) beyond: Vec<(String, String)>,
    /// Settings that are followed where there is an `ssh` to ask, each with its place.
    pub(super) asked: Vec<(String, String)>,
}

/// Largest ssh_config that is read, bytes.
const LARGEST: u64 = 16 << 20;

/// What is in an ssh_config. `/dev/null` is how one says that there is none.
pub(super) fn text(file: &Path) -> std::io::Result<Vec<u8>> {
    if file == Path::new("/dev/null") { Ok(Vec::new()) } else { crate::input::read(file, LARGEST) }
}

/// How deep files may include each other (OpenSSH's limit).
const DEPTH: usize = 16;

impl Lines {
    /// Looks at a file, and at those that it includes, relative to a folder: `~/.ssh` for each file of a
    /// user, wherever it is, and `/etc/ssh` for that of the system. One that is not there has no lines.
    ///
    /// # Errors
    /// One is there and cannot be read.
    pub(super) fn read(&mut self, file: &Path, folder: &Path) -> Result<(), (PathBuf, std::io::Error)> {
        self.file(file, folder, DEPTH).map(drop)
    }

    /// Returns whether the file is there.
    fn file(&mut self, file: &Path, folder: &Path, depth: usize) -> Result<bool, (PathBuf, std::io::Error)> {
        let text = match text(file) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err((file.to_owned(), error)),
        };
        for (number, line) in text.lines().enumerate() {
            for included in self.line(line, folder, &format!("{}:{}", file.display(), number + 1)) {
                let seen = match depth.checked_sub(1) {
                    Some(depth) => self.file(&included, folder, depth)?,
                    None => false,
                };
                self.unseen(!seen);
            }
        }
        Ok(true)
    }

    /// There is something that only `ssh` may find: nothing is taken for the same.
    fn unseen(&mut self, unseen: bool) {
        self.single |= unseen;
        self.any |= unseen;
    }

    /// Takes in a line; returns the files that it includes.
    fn line(&mut self, line: &str, folder: &Path, place: &str) -> Vec<PathBuf> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Vec::new();
        }
        let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
        let (name, value) = line.split_at(end);
        let name = name.to_lowercase();
        let value = value.trim_start_matches(|c: char| c.is_whitespace() || c == '=');
        self.any |= !matches!(name.as_str(), "host" | "include");
        match name.as_str() {
            "host" if !value.contains('"') => self.hosts.push(value.split_whitespace().collect::<Vec<_>>().join(",")),
            "match" if value.eq_ignore_ascii_case("all") => {}
            "include" => return self.included(value, folder),
            "host" => self.single = true,
            "match" => {
                self.single = true;
                self.beyond.push((format!("Match {value}"), place.to_owned()));
            }
            "hostname" if !value.contains('%') => {
                self.host_names.insert(value.trim_matches('"').to_lowercase());
            }
            // What is put in for a sign depends on the host, and so does a name that is looked up.
            _ if value.contains('%') || name.starts_with("canonical") => self.single = true,
            _ => {}
        }
        let setting = || (line.get(..end).unwrap_or_default().to_owned(), place.to_owned());
        match kind(&name) {
            _ if name == "match" => {}
            Kind::Beyond => self.beyond.push(setting()),
            Kind::Followed if !unasked(&name, value) => self.asked.push(setting()),
            _ => {}
        }
        Vec::new()
    }

    /// The files of an `Include` line; a pattern in the last part of a path is followed, if it is a simple one.
    fn included(&mut self, value: &str, folder: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for word in value.split_whitespace() {
            let word = word.trim_matches('"');
            let path = match (word.strip_prefix("~/"), super::target::home()) {
                (Some(rest), Some(home)) => home.join(rest),
                _ => folder.join(word),
            };
            let (parent, last) =
                (path.parent().unwrap_or(folder), path.file_name().unwrap_or_default().to_string_lossy());
            let odd = |text: &str| text.contains(['*', '?', '[', '%', '$', '~']);
            if odd(&parent.to_string_lossy()) || last.contains(['[', '%', '$', '~']) {
                self.unseen(true);
            } else if !odd(&last) {
                found.push(path);
            } else if let Ok(entries) = std::fs::read_dir(parent) {
                let names = entries.flatten().filter(|entry| wild(&last, &entry.file_name().to_string_lossy()));
                found.extend(names.map(|entry| entry.path()));
            } else {
                self.unseen(true);
            }
        }
        found
    }

    /// Whether a `HostName` line has this name: an answer for it would not say whether it is set.
    pub(super) fn names(&self, host: &str) -> bool {
        self.host_names.contains(&host.to_lowercase())
    }

    /// Which `Host` lines speak of a host: those for which they are the same share their settings.
    pub(super) fn signature(&self, host: &str) -> Vec<bool> {
        let host = host.to_lowercase();
        self.hosts.iter().map(|patterns| listed(patterns, &host)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file is not in the folder that `Include` is relative to.
    fn lines(text: &str) -> Lines {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("more.d")).unwrap();
        std::fs::write(dir.path().join("more.d/a.conf"), "Host included\n  ProxyCommand nc %h\n").unwrap();
        std::fs::write(dir.path().join("more.d/b.txt"), "Match exec \"false\"\n").unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let file = elsewhere.path().join("config");
        std::fs::write(&file, text).unwrap();
        let mut lines = Lines::default();
        lines.read(&file, dir.path()).unwrap();
        lines.read(&dir.path().join("not there"), dir.path()).unwrap();
        for (_, place) in lines.beyond.iter_mut().chain(&mut lines.asked) {
            *place = place.rsplit('/').next().unwrap().to_owned();
        }
        lines
    }

    #[test]
    fn hosts_that_match_the_same_lines_share_their_settings() {
        let found = lines("# mine\nHost=web* !web9\n  User ops\nHOST db1 db2\nPort 2222\nMatch all\n");
        assert!(found.any && !found.single && found.beyond.is_empty(), "{found:?}");
        assert_eq!(found.signature("web1"), found.signature("WEB2"));
        assert_ne!(found.signature("web1"), found.signature("web9"));
        assert_eq!(found.signature("web9"), found.signature("other"));
        assert_ne!(found.signature("db1"), found.signature("web1"));
    }

    #[test]
    fn what_depends_on_the_host_alone_is_asked_for_each() {
        for text in [
            "HostName %h.example",
            "Match exec \"test\"",
            "CanonicalizeHostname yes",
            "Host \"a b\"",
            "Include [ab]",
            "Include nowhere",
            "Include nowhere.d/*",
            "Include ~ops/config",
        ] {
            assert!(lines(text).single && lines(text).any != text.starts_with("Host "), "{text}");
        }
        for text in ["Include more.d/*.none", "HostName web"] {
            assert!(!lines(text).single, "{text}");
        }
        let found = lines("Host web1 web2\n  HostName Web1\n");
        assert!(found.names("web1") && !found.names("web2"));
        assert_eq!(lines("Host *\n\n# nothing\n"), Lines { hosts: vec!["*".into()], ..Lines::default() });
    }

    #[test]
    fn what_takes_an_ssh_to_ask_is_found_with_its_place() {
        let found = lines(
            "Host a\n  HostName b\n  Port 2222\n  User ops\n  IdentityFile ~/k\n  ProxyJump gate\n  LogLevel INFO\n",
        );
        assert_eq!(found.asked, []);
        for text in [
            "HostKeyAlias farm",
            "UserKnownHostsFile /a",
            "GlobalKnownHostsFile /a",
            "StrictHostKeyChecking accept-new",
            "IdentitiesOnly yes",
            "Ciphers aes256-ctr",
            "MACs hmac-sha2-256",
            "KexAlgorithms curve25519-sha256",
            "CanonicalizeHostname yes",
            "HostName %h.corp",
            "IdentityFile ~/.ssh/%h",
        ] {
            let name = text.split(' ').next().unwrap().to_owned();
            assert_eq!(lines(&format!("Host *\n{text}\n")).asked, [(name, "config:2".to_owned())]);
        }
    }

    #[test]
    fn what_decides_who_the_other_side_is_or_how_one_logs_in_is_never_passed_over() {
        for name in [
            "AddressFamily",
            "BindAddress",
            "BindInterface",
            "CertificateFile",
            "HostbasedAuthentication",
            "IdentityAgent",
            "KnownHostsCommand",
            "PKCS11Provider",
            "PreferredAuthentications",
            "ProxyCommand",
            "RefuseConnection",
            "RequiredRSASize",
            "RevokedHostKeys",
            "SecurityKeyProvider",
            "VerifyHostKeyDNS",
            "SomethingOfTheNextVersion",
        ] {
            assert_eq!(kind(&name.to_lowercase()), Kind::Beyond, "{name}");
            assert_eq!(lines(&format!("Host a\n  {name} x\n")).beyond, [(name.to_owned(), "config:2".to_owned())]);
        }
        for (name, is) in [("hashknownhosts", Kind::Followed), ("sendenv", Kind::Indifferent)] {
            assert_eq!(kind(name), is, "{name}");
        }
        assert!(lines("HashKnownHosts yes\n").asked.is_empty());
    }

    #[test]
    fn what_only_openssh_can_follow_is_found_with_its_place() {
        let found = lines("CertificateFile /c\nHost a\n  ForwardAgent yes\nInclude more.d/*.conf\n");
        let wanted = [("CertificateFile", "config:1"), ("ProxyCommand", "a.conf:2")];
        assert_eq!(found.beyond, wanted.map(|(name, place)| (name.to_owned(), place.to_owned())));
        assert!(found.single && found.signature("included")[1]);
    }
}
