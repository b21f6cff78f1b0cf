//! Which files of a folder a host needs to have a package: the newest that can be there, with what it needs and the
//! host has not.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};

use super::folder::LARGEST;
use super::relation::{Offer, Relation};
use super::version::compare;
use super::{File, Folder, Format};
use crate::exit::Hint as _;

/// A package that a host has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it stands for besides.
    pub offers: Vec<Offer>,
    /// What cannot be there with it.
    pub conflicts: Vec<Relation>,
}

/// What is to be known of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// What its packages are built for, as its package manager calls it.
    pub arch: String,
    /// What it has.
    pub installed: Vec<Installed>,
}

/// The files that a host needs.
#[derive(Debug)]
pub struct Chosen<'a> {
    /// The wanted package first, then what it needs.
    pub files: Vec<&'a File>,
    /// What goes, because it cannot be there with one of them.
    pub removed: Vec<Installed>,
}

/// What is to be there, and what is not there for it.
type Closed<'a> = (Vec<&'a File>, Vec<String>);

struct Search<'a, 'h> {
    folder: &'a Folder,
    format: Format,
    host: &'h Host,
}

impl Folder {
    /// Returns the names of all that a host has to be asked for, before a package can be chosen for it.
    pub fn names(&self, format: Format, wanted: &str) -> BTreeSet<&str> {
        let (mut known, mut queue): (BTreeSet<&str>, Vec<&str>) = (BTreeSet::new(), Vec::new());
        let (mut seen, mut next) = (
            BTreeSet::new(),
            self.files.iter().find(|file| file.header.name == wanted).map(|file| file.header.name.as_str()),
        );
        while let Some(name) = next {
            let offers =
                |file: &&File| file.header.name == name || file.header.offers.iter().any(|offer| offer.name == name);
            for file in self.of(format).filter(offers).filter(|file| seen.insert(&file.name)) {
                let header = &file.header;
                known.insert(&header.name);
                let others = header.conflicts.iter().chain(&header.replaces).map(|relation| relation.name.as_str());
                let offers = header.offers.iter().filter(|_| format == Format::Deb).map(|offer| offer.name.as_str());
                known.extend(others.chain(offers));
                queue.extend(
                    header
                        .needs
                        .iter()
                        .flatten()
                        .map(|relation| relation.name.as_str())
                        .filter(|name| known.insert(*name)),
                );
            }
            next = queue.pop();
        }
        known
    }

    /// Returns the files that a host needs to have a package.
    ///
    /// # Errors
    /// There is none for it, what it needs is missing, or it cannot be there with what the host has.
    pub fn choose(&self, format: Format, wanted: &str, host: &Host) -> Result<Chosen<'_>> {
        let search = Search { folder: self, format, host };
        let files = search.files(wanted)?;
        let removed = search.removed(&files)?.into_iter().cloned().collect();
        let size: u64 = files.iter().map(|file| file.size).sum();
        if size > LARGEST {
            let why =
                anyhow!("package `{wanted}` and what it needs have {size} bytes, and {LARGEST} are pushed to a host");
            return Err(why.hint("install what it needs first, or give the host a repository"));
        }
        Ok(Chosen { files, removed })
    }

    fn of(&self, format: Format) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |file| file.format == format)
    }

    /// What else is to be said where a file is missing: it may be one of those that are damaged.
    fn unread(&self) -> String {
        self.damaged.iter().map(|(name, why)| format!("; {name}: {why}")).collect()
    }
}

impl<'a, 'h> Search<'a, 'h> {
    fn files(&self, wanted: &str) -> Result<Vec<&'a File>> {
        let (folder, ending) = (self.folder.path.display(), self.format.ending());
        let unread = self.folder.unread();
        let named: Vec<&File> = self.folder.of(self.format).filter(|file| file.header.name == wanted).collect();
        let hint =
            format!("put the .{ending} file of `{wanted}` for this host's release and architecture into {folder}");
        if named.is_empty() {
            return Err(anyhow!("package `{wanted}`: {folder} has no .{ending} file of it{unread}").hint(&hint));
        }
        let fits = self.fitting(|file| file.header.name == wanted);
        if fits.is_empty() {
            let others: Vec<String> =
                named.iter().map(|file| format!("{} ({})", file.name, file.header.arch)).collect();
            let (others, arch) = (others.join(", "), &self.host.arch);
            return Err(
                anyhow!("package `{wanted}`: the host is {arch}, and {folder} has only {others}{unread}").hint(&hint)
            );
        }
        let mut first = None;
        for file in fits {
            let (files, missing) = self.closed(file, Vec::new());
            if missing.is_empty() {
                return Ok(files);
            }
            first = first.or(Some((file, missing)));
        }
        let (name, missing) = first.map_or((wanted, Vec::new()), |(file, missing)| (file.name.as_str(), missing));
        let why = format!(
            "package `{wanted}`: {name} needs {}, and neither the host nor {folder} has it",
            missing.join(" and ")
        );
        let way = match self.format {
            Format::Deb => "`apt-get download NAME`",
            Format::Rpm => "`dnf download --resolve NAME`",
        };
        Err(anyhow!("{why}{unread}")
            .hint(&format!("put its file into {folder} as well: {way} on a machine of the same release")))
    }

    /// The files for the architecture of the host, the newest first.
    fn fitting(&self, is: impl Fn(&File) -> bool) -> Vec<&'a File> {
        let fits = |file: &&File| self.format.runs(&file.header.arch, &self.host.arch) && is(file);
        let mut files: Vec<&File> = self.folder.of(self.format).filter(fits).collect();
        files.sort_by(|one, other| compare(self.format, &other.header.version, &one.header.version));
        files
    }

    /// A file with all that it needs beside what was chosen before.
    fn closed(&self, file: &'a File, mut chosen: Vec<&'a File>) -> Closed<'a> {
        let mut missing = Vec::new();
        chosen.push(file);
        for need in &file.header.needs {
            let is_there = |relation: &Relation| {
                self.host.installed.iter().any(|installed| self.is(relation, installed))
                    || chosen.iter().any(|file| self.offers(file, relation))
            };
            if need.iter().any(is_there) {
                continue;
            }
            match self.first(need, &chosen) {
                Some((files, lacks)) => {
                    chosen = files;
                    missing.extend(lacks);
                }
                None => missing.push(self.missing(need, file)),
            }
        }
        (chosen, missing)
    }

    /// The first way to meet a need for which nothing is missing, else the first one.
    fn first(&self, need: &[Relation], chosen: &[&'a File]) -> Option<Closed<'a>> {
        let is_new = |file: &File| {
            !chosen.iter().any(|known| known.header.name == file.header.name)
                && !self.host.installed.iter().any(|known| known.name == file.header.name)
        };
        let mut first = None;
        for relation in need {
            for file in self.fitting(|file| is_new(file) && self.offers(file, relation)) {
                let closed = self.closed(file, chosen.to_vec());
                if closed.1.is_empty() {
                    return Some(closed);
                }
                first = first.or(Some(closed));
            }
        }
        first
    }

    fn missing(&self, need: &[Relation], file: &File) -> String {
        let words: Vec<String> = need.iter().map(|relation| format!("`{relation}`")).collect();
        let names = |known: &&Installed| need.iter().any(|relation| relation.name == known.name);
        let older = self.host.installed.iter().find(names);
        let older = older
            .map_or(String::new(), |known| format!(" (it has {}, and what is there is not upgraded)", known.version));
        let whose = &file.header.name;
        format!("{} for {whose}{older}", words.join(" or "))
    }

    fn is(&self, relation: &Relation, installed: &Installed) -> bool {
        relation.has(self.format, &installed.name, Some(&installed.version))
            || installed.offers.iter().any(|offer| relation.has(self.format, &offer.name, offer.version.as_deref()))
    }

    fn offers(&self, file: &File, relation: &Relation) -> bool {
        relation.has(self.format, &file.header.name, Some(&file.header.version))
            || file.header.offers.iter().any(|offer| relation.has(self.format, &offer.name, offer.version.as_deref()))
    }

    /// What cannot be there with the files. dpkg takes it away where a file says that it takes its place; nobody
    /// brings a package of rpm back without its file.
    fn removed(&self, files: &[&File]) -> Result<Vec<&'h Installed>> {
        let mut removed: Vec<&Installed> = Vec::new();
        for file in files {
            let others = self.host.installed.iter().filter(|installed| installed.name != file.header.name);
            for installed in others {
                let replaces = file.header.replaces.iter().any(|relation| match self.format {
                    Format::Deb => self.is(relation, installed),
                    Format::Rpm => relation.has(self.format, &installed.name, Some(&installed.version)),
                });
                let conflicts = file.header.conflicts.iter().any(|relation| self.is(relation, installed))
                    || installed.conflicts.iter().any(|relation| self.offers(file, relation));
                match (self.format, conflicts, replaces) {
                    (Format::Deb, false, _) | (Format::Rpm, false, false) => {}
                    (Format::Deb, true, true) if removed.contains(&installed) => {}
                    (Format::Deb, true, true) => removed.push(installed),
                    (Format::Deb, true, false) | (Format::Rpm, ..) => {
                        let (file, name) = (&file.name, &installed.name);
                        let why = anyhow!("{file} cannot be installed beside `{name}`, which the host has");
                        return Err(why.hint(&format!(
                            "take `{name}` out on the host first, or keep the time service that it has"
                        )));
                    }
                }
            }
        }
        Ok(removed)
    }
}
