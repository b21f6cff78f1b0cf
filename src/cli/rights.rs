//! Files of this machine that others may read or change although they hold secrets, or say what is
//! done on hosts as root. They are warned of, before a host is contacted.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::inventory::HostSpec;
use crate::inventory::spec::Connection;

/// Bits of a mode: whoever is neither owner nor in the group may write.
const OTHERS_WRITE: u32 = 0o002;

/// Anything for others.
const OTHERS: u32 = 0o007;

/// Anything for anybody but the owner.
const NOT_THE_OWNER: u32 = 0o077;

/// Only the owner of a file may replace it, as in `/tmp`.
const STICKY: u32 = 0o1000;

/// Returns a sentence for each file whose rights are too wide: the inventory, the folder of playbooks and
/// templates, and what the hosts are reached with. What is not there is somebody else's error.
pub(super) fn warnings(inventory: &Path, assets: Option<&Path>, hosts: &[HostSpec]) -> Vec<String> {
    let keys: BTreeSet<&Path> = hosts.iter().flat_map(keys).collect();
    let secrets: BTreeSet<&Path> =
        hosts.iter().flat_map(HostSpec::secrets).filter_map(|secret| secret.file()).collect();
    let files: BTreeSet<PathBuf> = of_inventory(inventory, hosts).chain(assets.map_or_else(Vec::new, below)).collect();
    let changeable = files.iter().filter_map(|path| changeable(path));
    let keys = keys.into_iter().filter_map(|path| readable(path, NOT_THE_OWNER, "private key"));
    let secrets = secrets.into_iter().filter_map(|path| readable(path, OTHERS, "secret file"));
    changeable.chain(keys).chain(secrets).collect()
}

/// The inventory, and all files that it was read from.
fn of_inventory(inventory: &Path, hosts: &[HostSpec]) -> impl Iterator<Item = PathBuf> {
    let files = hosts.first().map(|host| host.places.files.iter().map(PathBuf::from).collect()).unwrap_or_default();
    std::iter::once(inventory.to_owned()).chain::<Vec<PathBuf>>(files)
}

/// The private keys that log in to a host.
fn keys(host: &HostSpec) -> Vec<&Path> {
    match &host.connection {
        Connection::Ssh(ssh) => ssh.keys.iter().map(PathBuf::as_path).collect(),
        Connection::Winrm(winrm) => winrm.key.iter().map(PathBuf::as_path).collect(),
        Connection::Local(_) => Vec::new(),
    }
}

/// A folder of playbooks and templates, and what is in it.
fn below(folder: &Path) -> Vec<PathBuf> {
    let inside = |folder: PathBuf| {
        let entries = std::fs::read_dir(&folder).into_iter().flatten();
        let files = entries.filter_map(|entry| Some(entry.ok()?.path())).collect::<Vec<_>>();
        std::iter::once(folder).chain(files)
    };
    let parts = ["playbooks", "templates"].map(|name| folder.join(name));
    std::iter::once(folder.to_owned()).chain(parts.into_iter().flat_map(inside)).collect()
}

fn mode(path: &Path) -> Option<u32> {
    Some(std::fs::metadata(path).ok()?.permissions().mode())
}

/// Everybody may change it, or put another file in its place.
fn changeable(path: &Path) -> Option<String> {
    let wide = |path: &Path| mode(path).is_some_and(|mode| mode & OTHERS_WRITE != 0);
    // Pipes and devices belong to whoever made them.
    if !path.is_file() && !path.is_dir() {
        return None;
    }
    if wide(path) {
        let path = path.display();
        return Some(format!(
            "everybody may change {path}, which says what is done on hosts as root: chmod o-w {path}"
        ));
    }
    let folder = std::path::absolute(path).ok()?.parent()?.to_owned();
    (wide(&folder) && mode(&folder)? & STICKY == 0).then(|| {
        let (path, folder) = (path.display(), folder.display());
        format!("everybody may replace {path}, which says what is done on hosts as root: chmod o-w {folder}")
    })
}

/// Others than its owner may read or change it.
fn readable(path: &Path, wide: u32, what: &str) -> Option<String> {
    let rights = mode(path).filter(|_| path.is_file())? & 0o777;
    (rights & wide != 0).then(|| {
        let path = path.display();
        format!("the {what} {path} is open to others (mode {rights:04o}): chmod 600 {path}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sample;

    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// How many warnings there are of files with these modes: inventory, its folder, a template, a key, a secret.
    fn counted([inventory, folder, template, key, secret]: [u32; 5]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(path("own/templates")).unwrap();
        for (name, mode) in
            [("fleet.yml", inventory), ("own/templates/chrony.conf.j2", template), ("id", key), ("secret", secret)]
        {
            std::fs::write(path(name), "x").unwrap();
            chmod(&path(name), mode);
        }
        let hosts = sample::fleet(&format!(
            "hosts: {{ a: {{ address: 10.0.0.1, role: master, isolated: true, ssh: {{ key: {}, password: {{ file: {} }} }} }}, b: {{ address: 10.0.0.2, role: slave, follows: [a], ssh: {{ key: {0} }} }} }}",
            path("id").display(),
            path("secret").display()
        ));
        chmod(dir.path(), folder);
        warnings(&path("fleet.yml"), Some(&path("own")), &hosts)
    }

    #[test]
    fn usual_rights_are_no_warning() {
        assert_eq!(counted([0o644, 0o755, 0o644, 0o600, 0o640]), [""; 0]);
        assert_eq!(counted([0o664, 0o1777, 0o664, 0o400, 0o600]), [""; 0], "a group may have it, and /tmp protects it");
    }

    #[test]
    fn each_file_that_is_open_to_others_is_warned_of_once() {
        for (modes, beginning) in [
            ([0o666, 0o755, 0o644, 0o600, 0o600], "everybody may change /"),
            ([0o644, 0o755, 0o646, 0o600, 0o600], "everybody may change /"),
            ([0o644, 0o755, 0o644, 0o640, 0o600], "the private key /"),
            ([0o644, 0o755, 0o644, 0o600, 0o604], "the secret file /"),
        ] {
            let all = counted(modes);
            assert!(all.len() == 1 && all[0].starts_with(beginning) && all[0].contains(": chmod "), "{all:?}");
        }
        let replaced = counted([0o644, 0o777, 0o644, 0o600, 0o600]);
        assert!(replaced.iter().all(|text| text.starts_with("everybody may replace /")), "{replaced:?}");
        assert_eq!(replaced.len(), 2, "the inventory and the folder of playbooks: {replaced:?}");
    }

    #[test]
    fn what_is_no_file_is_not_warned_of() {
        assert_eq!(warnings(Path::new("/dev/null"), Some(Path::new("/nowhere")), &[]), [""; 0]);
    }
}
