//! Package files of a folder on this machine, for hosts that have no repository: what each of them is (`deb`, `rpm`),
//! what is in the folder (`folder`), and which of them a host needs (`choose`), going by what it has already.
//!
//! Nothing is upgraded: what a host has stays as it is, so that taking the new packages out takes all of it back.

mod choose;
mod deb;
mod folder;
mod relation;
mod rpm;
mod unpack;
mod version;

pub use choose::{Chosen, Host, Installed};
pub use folder::{File, Folder, Folders};
pub use relation::{Limit, Offer, Relation};

/// The two kinds of package files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Of dpkg.
    Deb,
    /// Of rpm.
    Rpm,
}

impl Format {
    /// Returns how the names of such files end, without the dot.
    pub fn ending(self) -> &'static str {
        match self {
            Format::Deb => "deb",
            Format::Rpm => "rpm",
        }
    }

    /// Returns whether a package for `arch` runs on a host that calls itself `host`.
    pub fn runs(self, arch: &str, host: &str) -> bool {
        match self {
            Format::Deb => arch == "all" || arch == host,
            // rpm calls every one of i386 to i686 the same.
            Format::Rpm => arch == "noarch" || arch == host || is_386(arch) && is_386(host),
        }
    }
}

fn is_386(arch: &str) -> bool {
    matches!(arch.as_bytes(), [b'i', b'3'..=b'6', b'8', b'6'])
}

/// What a package says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its whole version.
    pub version: String,
    /// What it is built for.
    pub arch: String,
    /// What has to be there; of each list one.
    pub needs: Vec<Vec<Relation>>,
    /// What it stands for besides its own name.
    pub offers: Vec<Offer>,
    /// What cannot be there with it.
    pub conflicts: Vec<Relation>,
    /// What it may take the place of.
    pub replaces: Vec<Relation>,
}

#[cfg(test)]
mod tests;
