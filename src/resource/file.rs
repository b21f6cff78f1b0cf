//! A file with a certain content, written so that it is either the old one or the new one.

use anyhow::{Result, anyhow, bail};
use sha2::{Digest, Sha256};

use super::{Delta, Fix, Resource, Slice};
use crate::exit::Hint as _;
use crate::report::decisive::{STAGE, decisive};
use crate::report::diff;
use crate::report::number::count;
use crate::report::shape::{Wanted, is_private};
use crate::transport::quote::sh;

/// Largest file that is compared, bytes; a configuration is far smaller.
const LARGEST: usize = 1 << 20;

/// A file that shall have this content, mode and owner. A symbolic link is written through.
#[derive(Debug, Clone)]
pub struct File {
    /// Absolute path.
    pub path: String,
    /// The whole content.
    pub content: String,
    /// The mode of the folders that are made for it; `None` if they have to be there.
    pub parents: Option<String>,
    /// Octal.
    pub mode: String,
    /// User.
    pub owner: String,
    /// Group.
    pub group: String,
    /// Command that accepts or refuses the new file, `{}` in its place.
    pub validate: Option<String>,
    /// How the content may be shown.
    pub shown: Wanted,
}

/// Begins the line of the probe that says what cannot be written.
const UNWRITABLE: &str = "fc-unwritable ";

/// What the probe found.
struct Found<'a> {
    mode: &'a str,
    owner: &'a str,
    digest: &'a str,
    /// How many names it has.
    links: u64,
    /// Empty if the digest is the wanted one.
    content: &'a str,
}

impl Resource for File {
    fn label(&self) -> String {
        format!("file {}", self.path)
    }

    fn probe(&self) -> String {
        format!(
            "fc_f={path}\n\
             fc_r=$(readlink -f \"$fc_f\" || printf %s \"$fc_f\")\n\
             for fc_w in \"${{fc_r%/*}}/\" \"$fc_r\"; do\n\
             [ ! -e \"$fc_w\" ] || [ -w \"$fc_w\" ] || {{ echo \"{UNWRITABLE}$fc_w\" >&2; break; }}\n\
             done\n\
             [ -e \"$fc_f\" ] || {{ echo absent; exit 0; }}\n\
             [ -f \"$fc_f\" ] || {{ echo \"$fc_f is no regular file\" >&2; exit 1; }}\n\
             fc_d=$(sha256sum <\"$fc_f\") && fc_d=${{fc_d%% *}} && stat -L -c \"%a %U:%G $fc_d %h\" \"$fc_f\" || exit\n\
             [ \"$fc_d\" = {wanted} ] || head -c {LARGEST} \"$fc_f\"",
            path = sh(&self.path),
            wanted = self.digest(),
        )
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        let Some(found) = self.found(seen)? else {
            let mut delta = Delta::new(self.label(), "content", None, Some(short(&self.digest())));
            delta.diff = Some(diff::unified(&self.path, "", &self.content, &self.shown(&self.mode)));
            return Ok(vec![delta]);
        };
        let mut deltas = Vec::new();
        if found.digest != self.digest() {
            let (from, to) = (short(found.digest), short(&self.digest()));
            let mut delta = Delta::new(self.label(), "content", Some(from), Some(to));
            delta.diff = Some(diff::unified(&self.path, found.content, &self.content, &self.shown(found.mode)));
            deltas.push(delta);
            deltas.extend(self.parted(found.links));
        }
        let mut compare = |property: &str, is: &str, wanted: &str| {
            if is != wanted {
                deltas.push(Delta::new(self.label(), property, Some(is.to_owned()), Some(wanted.to_owned())));
            }
        };
        compare("mode", &format!("{:0>4}", found.mode), &format!("{:0>4}", self.mode));
        compare("owner", found.owner, &self.wanted_owner());
        Ok(deltas)
    }

    fn obstacle(&self, seen: &Slice) -> Option<anyhow::Error> {
        let place = seen.stderr.lines().find_map(|line| line.strip_prefix(UNWRITABLE))?;
        let found = self.found(seen).ok()?;
        // Rights are given in place: that needs nothing of the folder.
        let rights_only = found.is_some_and(|found| found.digest == self.digest()) && place.ends_with('/');
        (!rights_only).then(|| self.unwritable(place))
    }

    fn secrets(&self, seen: &Slice) -> Vec<String> {
        let host = self.found(seen).ok().flatten().map_or("", |found| found.content);
        self.shown.pieces(host, &self.content)
    }

    fn fix(&self, seen: &Slice, _refresh: bool) -> Result<Fix> {
        let found = self.found(seen)?;
        let observed = found.as_ref().map(|found| found.digest);
        let change = match &found {
            Some(found) if found.digest == self.digest() => self.rights(),
            _ => format!("{}{}", self.guard(observed), self.write()),
        };
        let change = format!("{}{}{change}", self.make_folders(), self.keep());
        Ok(Fix { change, undo: format!("{}{}", self.restore(), self.remove_folders()), settle: String::new() })
    }
}

impl File {
    /// Root may write everywhere but into what is mounted read-only or marked immutable.
    fn unwritable(&self, place: &str) -> anyhow::Error {
        let place = if place.len() > 1 { place.trim_end_matches('/') } else { place };
        anyhow!("{} has to be written, and {place} cannot be: nothing was changed", self.path).hint(&format!(
            "see `findmnt -T {place}` (mounted read-only?) and `lsattr -d {place}` (immutable? `chattr -i {place}`)"
        ))
    }

    /// A new file takes the place of one name; others that the old one has keep the old content.
    fn parted(&self, links: u64) -> Option<Delta> {
        let others = links.checked_sub(1).filter(|others| *others > 0)?;
        let from = format!("one file with {}", count(usize::try_from(others).ok()?, "other name"));
        let to = "a file of its own; the others keep the old content".to_owned();
        Some(Delta::new(self.label(), "hard links", Some(from), Some(to)))
    }

    fn digest(&self) -> String {
        Sha256::digest(self.content.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A file that not everybody may read, now or then, shows no line of the host alone.
    fn shown(&self, mode: &str) -> Wanted {
        self.shown.clone().privately(is_private(&self.path, &[&self.mode, mode]))
    }

    fn wanted_owner(&self) -> String {
        format!("{}:{}", self.owner, self.group)
    }

    fn found<'a>(&self, seen: &'a Slice) -> Result<Option<Found<'a>>> {
        if seen.stdout == "absent\n" {
            return Ok(None);
        }
        if seen.status != 0 {
            bail!("read {}: {}", self.path, decisive("", &seen.stderr));
        }
        let (head, content) = seen.stdout.split_once('\n').unwrap_or((&seen.stdout, ""));
        let mut words = head.split(' ');
        match (words.next(), words.next(), words.next(), words.next().and_then(|links| links.parse().ok())) {
            (Some(mode), Some(owner), Some(digest), Some(links)) => {
                Ok(Some(Found { mode, owner, digest, links, content }))
            }
            _ => bail!("read {}: the host answered `{head}`", self.path),
        }
    }

    /// Makes the folders that are not there, the deepest noted first, before any is made.
    fn make_folders(&self) -> String {
        let Some(mode) = &self.parents else { return String::new() };
        format!(
            "fc_p=$(dirname {path})\n\
             if [ ! -d \"$fc_p\" ]; then\n\
             fc_m=$fc_p; : >\"$FC_KEEP/folders.new\"\n\
             while [ ! -d \"$fc_m\" ]; do printf '%s\\n' \"$fc_m\" >>\"$FC_KEEP/folders.new\"; fc_m=$(dirname \"$fc_m\"); done\n\
             mv \"$FC_KEEP/folders.new\" \"$FC_KEEP/folders\"\n\
             mkdir -p \"$fc_p\"\n\
             while IFS= read -r fc_m; do chmod {mode} \"$fc_m\"; restorecon \"$fc_m\" 2>/dev/null || :; done <\"$FC_KEEP/folders\"\n\
             fi\n",
            path = sh(&self.path),
            mode = sh(mode),
        )
    }

    /// Takes away the folders that were made, unless somebody has put something into them.
    fn remove_folders(&self) -> &'static str {
        match self.parents {
            None => "",
            Some(_) => {
                "\nif [ -e \"$FC_KEEP/folders\" ]; then while IFS= read -r fc_m; do rmdir \"$fc_m\" 2>/dev/null || :; done <\"$FC_KEEP/folders\"; fi"
            }
        }
    }

    /// The file as it is when the change begins; a package may have put one there since it was probed.
    /// Only a whole copy may be called `old`: half of one would be put back over the file.
    fn keep(&self) -> String {
        format!(
            "fc_f=$(readlink -f {path}) || {{ echo \"the folder of\" {path} \"does not exist\" >&2; exit 1; }}\n\
             if [ -e \"$fc_f\" ]; then\n\
             cp -p \"$fc_f\" \"$FC_KEEP/copy\" || {{ rm -f \"$FC_KEEP/copy\"; exit 1; }}\n\
             cp --attributes-only --preserve=xattr \"$fc_f\" \"$FC_KEEP/copy\" 2>/dev/null || :\n\
             mv \"$FC_KEEP/copy\" \"$FC_KEEP/old\"\n\
             else : >\"$FC_KEEP/absent\"; fi\n",
            path = sh(&self.path)
        )
    }

    /// What was reviewed must be what is replaced.
    fn guard(&self, observed: Option<&str>) -> String {
        observed.map_or(String::new(), |digest| {
            format!(
                "fc_d=$(sha256sum <\"$fc_f\")\n\
                 [ \"${{fc_d%% *}}\" = {digest} ] || {{ echo \"$fc_f was changed by somebody else since it was read; nothing was written\" >&2; exit 1; }}\n"
            )
        })
    }

    /// The new content is complete, on the disk and accepted before it takes the old one's place, of
    /// which it has the access list and the attributes. Nobody may read it who may not later.
    /// What a power failure has left of an earlier run is swept away first; the host is locked.
    fn write(&self) -> String {
        let validate = self.validate.as_deref().map_or(String::new(), |command| {
            let command = command.replace("{}", "\"$fc_n\"");
            format!("{command} || {{ echo '{STAGE}the new file was refused; the old one is in place' >&2; exit 1; }}\n")
        });
        format!(
            "fc_n=\"$(dirname \"$fc_f\")/.$(basename \"$fc_f\").fleetclock.\"\n\
             rm -f \"$fc_n\"?????? \"$fc_f.fleetclock-undo\"\n\
             fc_n=$(mktemp \"${{fc_n}}XXXXXX\")\n\
             trap 'rm -f \"$fc_n\"' EXIT\n\
             [ ! -e \"$fc_f\" ] || cp --attributes-only --preserve=mode,xattr \"$fc_f\" \"$fc_n\" 2>/dev/null || :\n\
             chown {owner} \"$fc_n\"\n\
             chmod {mode} \"$fc_n\"\n\
             [ ! -e \"$fc_f\" ] || chcon --reference=\"$fc_f\" \"$fc_n\" 2>/dev/null || :\n\
             printf '%s' {content} >\"$fc_n\" 2>/dev/null || :\n\
             fc_d=$(sha256sum <\"$fc_n\")\n\
             [ \"${{fc_d%% *}}\" = {digest} ] || {{ echo \"the new $fc_f could not be written in full; is the disk full?\" >&2; exit 1; }}\n\
             {validate}\
             sync \"$fc_n\" 2>/dev/null || :\n\
             mv -f \"$fc_n\" \"$fc_f\"\n\
             [ -e \"$FC_KEEP/old\" ] || restorecon \"$fc_f\" 2>/dev/null || :\n",
            content = sh(&self.content),
            digest = self.digest(),
            owner = sh(&self.wanted_owner()),
            mode = sh(&self.mode),
        )
    }

    /// Only mode and owner differ: the file itself is not touched.
    fn rights(&self) -> String {
        format!("chown {} \"$fc_f\"\nchmod {} \"$fc_f\"\n", sh(&self.wanted_owner()), sh(&self.mode))
    }

    /// What has not been replaced is not written again: the disk may be full.
    fn restore(&self) -> String {
        format!(
            "fc_f=$(readlink -f {path} || echo {path})\n\
             if [ -e \"$FC_KEEP/old\" ] && [ \"$(sha256sum <\"$FC_KEEP/old\")\" = \"$(sha256sum <\"$fc_f\" || :)\" ]; then\n\
             if [ \"$(stat -c %a:%u:%g \"$FC_KEEP/old\")\" != \"$(stat -c %a:%u:%g \"$fc_f\")\" ]; then\n\
             chown --reference=\"$FC_KEEP/old\" \"$fc_f\"\n\
             chmod --reference=\"$FC_KEEP/old\" \"$fc_f\"\n\
             fi\n\
             elif [ -e \"$FC_KEEP/old\" ]; then\n\
             trap 'rm -f \"$fc_f.fleetclock-undo\"' EXIT\n\
             cp -p \"$FC_KEEP/old\" \"$fc_f.fleetclock-undo\"\n\
             cp --attributes-only --preserve=xattr \"$FC_KEEP/old\" \"$fc_f.fleetclock-undo\" 2>/dev/null || :\n\
             chcon --reference=\"$fc_f\" \"$fc_f.fleetclock-undo\" 2>/dev/null || :\n\
             mv -f \"$fc_f.fleetclock-undo\" \"$fc_f\"\n\
             elif [ -e \"$FC_KEEP/absent\" ]; then rm -f \"$fc_f\"; fi",
            path = sh(&self.path)
        )
    }
}

fn short(digest: &str) -> String {
    format!("sha256:{}", digest.get(..12).unwrap_or(digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    fn file(dir: &Path, content: &str) -> File {
        File {
            path: dir.join("it's a file.conf").display().to_string(),
            content: content.to_owned(),
            parents: None,
            mode: "0640".into(),
            owner: "root".into(),
            group: "root".into(),
            validate: None,
            shown: Wanted::default(),
        }
    }

    fn run(dir: &Path, shell: &str, text: &str) -> Slice {
        let keep = dir.join("keep");
        std::fs::create_dir_all(&keep).unwrap();
        // As the engine frames it: a subshell, so that traps and exits are the part's own.
        let text = format!("(set -e\nFC_KEEP={}\n{text}\n)", sh(&keep.display().to_string()));
        #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
        let output = std::process::Command::new(shell).arg("-c").arg(text).output().unwrap();
        Slice {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: output.status.code().unwrap_or(-1),
        }
    }

    fn probe(dir: &Path, file: &File) -> Slice {
        run(dir, "sh", &file.probe())
    }

    fn apply(dir: &Path, file: &File) -> Slice {
        let seen = probe(dir, file);
        run(dir, "sh", &file.fix(&seen, false).unwrap().change)
    }

    #[test]
    fn what_cannot_be_written_is_said_before_it_is_tried() {
        let file = file(Path::new("/etc"), "new\n");
        let seen = |stdout: &str, stderr: &str| Slice { stdout: stdout.into(), stderr: stderr.into(), status: 0 };
        let absent = seen("absent\n", "fc-unwritable /etc/\n");
        let error = file.obstacle(&absent).unwrap();
        assert!(error.to_string().ends_with("has to be written, and /etc cannot be: nothing was changed"), "{error}");
        assert!(crate::exit::hint(&error).is_some_and(|hint| hint.contains("chattr -i /etc`")));
        // The difference is one all the same, with its diff.
        assert_eq!(file.diff(&absent).unwrap().len(), 1);
        assert!(file.obstacle(&seen("absent\n", "other words\n")).is_none());
        for (place, stands) in [("/etc/", false), ("/etc/t.conf", true)] {
            let rights = format!("600 root:root {} 1\n", file.digest());
            assert_eq!(file.obstacle(&seen(&rights, &format!("fc-unwritable {place}\n"))).is_some(), stands, "{place}");
        }
    }

    #[test]
    fn a_real_read_only_place_is_seen() {
        let file = File { path: "/proc/sys/kernel/ostype".into(), ..file(Path::new("/etc"), "new\n") };
        let seen = run(tempfile::tempdir().unwrap().path(), "sh", &file.probe());
        assert!(seen.stderr.starts_with(UNWRITABLE), "{}", seen.stderr);
    }

    #[test]
    fn a_new_file_is_written_and_taken_away_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path(), "a\nb\n");
        let before = probe(dir.path(), &file);
        assert_eq!(before.stdout, "absent\n");
        assert_eq!(apply(dir.path(), &file).stderr, "");
        assert_eq!(file.diff(&probe(dir.path(), &file)).unwrap(), []);
        run(dir.path(), "sh", &file.fix(&before, false).unwrap().undo);
        assert!(!Path::new(&file.path).exists());
    }

    #[test]
    fn folders_are_made_when_that_is_asked_for_and_taken_away_again() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a folder/deep/own.conf");
        let file = File { path: path.display().to_string(), parents: Some("0750".into()), ..file(dir.path(), "a\n") };
        let without = File { parents: None, ..file.clone() };
        assert!(apply(dir.path(), &without).stderr.contains("does not exist"));
        let before = probe(dir.path(), &file);
        assert_eq!(apply(dir.path(), &file).stderr, "");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(path.parent().unwrap()), mode(&dir.path().join("a folder"))), (0o750, 0o750));
        let undo = file.fix(&before, false).unwrap().undo;
        std::fs::write(dir.path().join("a folder/other"), "").unwrap();
        assert_eq!(run(dir.path(), "dash", &undo).stderr, "");
        assert!(!path.parent().unwrap().exists() && dir.path().join("a folder/other").exists());
        std::fs::remove_file(dir.path().join("a folder/other")).unwrap();
        assert_eq!(run(dir.path(), "bash", &undo).status, 0);
        assert!(!dir.path().join("a folder").exists());
    }

    #[test]
    fn undo_gives_the_old_bytes_and_rights_back() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path(), "new\n");
        std::fs::write(&file.path, "old").unwrap();
        std::fs::set_permissions(&file.path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let before = probe(dir.path(), &file);
        let properties: Vec<_> = file.diff(&before).unwrap().into_iter().map(|d| d.property).collect();
        assert_eq!(properties, ["content", "mode"]);
        apply(dir.path(), &file);
        assert_eq!(std::fs::read_to_string(&file.path).unwrap(), "new\n");
        run(dir.path(), "sh", &file.fix(&before, false).unwrap().undo);
        assert_eq!(probe(dir.path(), &file), before);
    }

    #[test]
    fn a_refused_file_leaves_the_old_one_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = file(dir.path(), "new\n");
        file.validate = Some("grep -q old {}".into());
        std::fs::write(&file.path, "old\n").unwrap();
        let result = apply(dir.path(), &file);
        assert!(result.status != 0 && result.stderr.contains("refused"), "{result:?}");
        assert_eq!(std::fs::read_to_string(&file.path).unwrap(), "old\n");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "a temporary file was left");
    }

    #[test]
    fn a_file_that_moved_since_the_review_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path(), "new\n");
        std::fs::write(&file.path, "old\n").unwrap();
        let seen = probe(dir.path(), &file);
        std::fs::write(&file.path, "somebody else\n").unwrap();
        let result = run(dir.path(), "sh", &file.fix(&seen, false).unwrap().change);
        assert!(result.status != 0 && result.stderr.contains("changed by somebody else"), "{result:?}");
        assert_eq!(std::fs::read_to_string(&file.path).unwrap(), "somebody else\n");
    }

    /// Gives a file a list of access and an attribute, or prints what it has: no coreutils for either.
    const ATTRIBUTES: &str = "import os, struct, sys
f = sys.argv[1]
if len(sys.argv) > 2:
    entries = [(1, 6, -1), (2, 4, 1000), (4, 4, -1), (16, 4, -1), (32, 4, -1)]
    acl = struct.pack('<I', 2) + b''.join(struct.pack('<HHi', *entry) for entry in entries)
    os.setxattr(f, 'system.posix_acl_access', acl)
    os.setxattr(f, 'user.note', b'mine')
for name in sorted(os.listxattr(f)): print(name, os.getxattr(f, name))";

    #[test]
    fn access_lists_and_attributes_stay_and_lost_links_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = File { mode: "0644".into(), ..file(dir.path(), "new\n") };
        std::fs::write(&file.path, "old\n").unwrap();
        let attributes = |more: &str| {
            let path = sh(&file.path);
            run(dir.path(), "sh", &format!("python3 -c {} {path} {more}", sh(ATTRIBUTES))).stdout
        };
        let before = attributes("set");
        assert!(before.contains("posix_acl_access") && before.contains("mine"), "{before}");
        std::fs::hard_link(&file.path, dir.path().join("other")).unwrap();
        let seen = probe(dir.path(), &file);
        let deltas = file.diff(&seen).unwrap();
        assert_eq!(
            (deltas[1].property.as_str(), deltas[1].from.as_deref()),
            ("hard links", Some("one file with 1 other name"))
        );
        let fix = file.fix(&seen, false).unwrap();
        assert_eq!(run(dir.path(), "sh", &fix.change).stderr, "");
        assert_eq!((attributes(""), file.diff(&probe(dir.path(), &file)).unwrap()), (before.clone(), vec![]));
        run(dir.path(), "sh", &fix.undo);
        assert_eq!((std::fs::read_to_string(&file.path).unwrap().as_str(), attributes("")), ("old\n", before));
    }

    #[test]
    fn rights_alone_do_not_touch_the_content() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path(), "same\n");
        std::fs::write(&file.path, "same\n").unwrap();
        let fix = file.fix(&probe(dir.path(), &file), false).unwrap();
        assert!(!fix.change.contains("mktemp"));
        run(dir.path(), "sh", &fix.change);
        assert_eq!(file.diff(&probe(dir.path(), &file)).unwrap(), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_text_arrives_as_it_is(content in "[^\\x00]{0,200}") {
            let dir = tempfile::tempdir().unwrap();
            let file = file(dir.path(), &content);
            for shell in ["dash", "bash"] {
                let seen = probe(dir.path(), &file);
                run(dir.path(), shell, &file.fix(&seen, false).unwrap().change);
                prop_assert_eq!(&std::fs::read_to_string(&file.path).unwrap(), &content);
                std::fs::remove_file(&file.path).unwrap();
            }
        }
    }
}
