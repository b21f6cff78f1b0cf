//! A file with a certain content, written so that it is either the old one or the new one.

mod meaning;
mod shell;
#[cfg(test)]
mod tests;

use anyhow::{Result, anyhow, bail};
use sha2::{Digest, Sha256};

use super::{Delta, Fix, Resource, Slice};
use crate::config::{Files, Language};
use crate::exit::Hint as _;
use crate::text::decisive::decisive;
use crate::text::diff;
use crate::text::number::count;
use crate::text::shape::{Wanted, is_private};
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
    /// Its language, if it is one of those that are understood.
    pub language: Option<Language>,
}

/// The files of this host that have ever held a secret: what they hold now may be an old one, also where the template
/// has none any more.
const NOTED: &str = "/var/lib/fleetclock/secret-files";

/// Begins the line of the probe that says what cannot be written.
const UNWRITABLE: &str = "fc-unwritable ";

/// What the probe found.
struct Found<'a> {
    mode: &'a str,
    owner: &'a str,
    digest: &'a str,
    /// How many names it has.
    links: u64,
    /// It has held a secret.
    noted: bool,
    /// Nothing tells that fleetclock has ever changed this host.
    unmanaged: bool,
    /// The file and those that it names, in a language that is understood.
    files: Files,
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
             fc_d=$(sha256sum <\"$fc_f\") && fc_d=${{fc_d%% *}} || exit\n\
             fc_k=plain; [ ! -s {NOTED} ] || ! grep -qsxF -e \"$fc_f\" {NOTED} || fc_k=noted\n\
             {managed}\
             stat -L -c \"%a %U:%G $fc_d %h $fc_k $fc_m\" \"$fc_f\" || exit\n\
             [ \"$fc_d\" = {wanted} ] || head -c {LARGEST} \"$fc_f\"{lines}",
            path = sh(&self.path),
            wanted = self.digest(),
            managed = self.managed(),
            lines = self.lines(),
        )
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        let Some(found) = self.found(seen)? else {
            let mut delta = Delta::new(self.label(), "content", None, Some(short(&self.digest())));
            delta.diff = Some(diff::unified(&self.path, "", &self.content, &self.shown(&self.mode, false)));
            return Ok(vec![delta]);
        };
        let mut deltas = Vec::new();
        if !self.says_the_same(&found) {
            let (from, to) = (short(found.digest), short(&self.digest()));
            let mut delta = Delta::new(self.label(), "content", Some(from), Some(to));
            delta.diff =
                Some(diff::unified(&self.path, found.content, &self.content, &self.shown(found.mode, found.noted)));
            (delta.unmanaged, delta.loses) = (found.unmanaged, self.loses(&found));
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
        let rights_only = found.is_some_and(|found| self.says_the_same(&found)) && place.ends_with('/');
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
            Some(found) if self.says_the_same(found) => self.rights(),
            _ => format!("{}{}", self.guard(observed), self.write()),
        };
        let change = format!("{}{}{}{change}", self.make_folders(), self.keep(), self.note());
        Ok(Fix { change, undo: format!("{}{}", self.restore(), self.remove_folders()), ..Fix::default() })
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

    /// A file that not everybody may read, now or then, shows no line of the host alone, nor does one with an old secret.
    fn shown(&self, mode: &str, noted: bool) -> Wanted {
        self.shown.clone().privately(noted || is_private(&self.path, &[&self.mode, mode]))
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
                let noted = words.next() == Some("noted");
                let unmanaged = words.next() == Some("foreign");
                let files = self.files(content, &seen.stderr);
                Ok(Some(Found { mode, owner, digest, links, noted, unmanaged, files, content }))
            }
            _ => bail!("read {}: the host answered `{head}`", self.path),
        }
    }
}

fn short(digest: &str) -> String {
    format!("sha256:{}", digest.get(..12).unwrap_or(digest))
}
