//! A .rpm: a lead, a signature, a header of numbered values, and what it installs.

use std::io::sink;

use sha2::{Digest, Sha256};

use super::Header;
use super::relation::{Limit, Offer, Relation};
use super::unpack::unpack;

/// Numbers of values, as rpm gives them.
mod tag {
    pub(super) const NAME: u32 = 1000;
    pub(super) const VERSION: u32 = 1001;
    pub(super) const RELEASE: u32 = 1002;
    pub(super) const EPOCH: u32 = 1003;
    pub(super) const ARCH: u32 = 1022;
    /// Only what was built from a source has one.
    pub(super) const SOURCE: u32 = 1044;
    pub(super) const DIRINDEXES: u32 = 1116;
    pub(super) const BASENAMES: u32 = 1117;
    pub(super) const DIRNAMES: u32 = 1118;
    /// Names, flags, versions.
    pub(super) const PROVIDES: [u32; 3] = [1047, 1112, 1113];
    pub(super) const REQUIRES: [u32; 3] = [1049, 1048, 1050];
    pub(super) const CONFLICTS: [u32; 3] = [1054, 1053, 1055];
    pub(super) const OBSOLETES: [u32; 3] = [1090, 1114, 1115];
    /// In the signature: the length of header and content, the digest of the header.
    pub(super) const SIZE: u32 = 1000;
    pub(super) const SHA256: u32 = 273;
    /// In the header: the digest of the content as it is packed.
    pub(super) const CONTENT: u32 = 5092;
}

const LESS: u32 = 1 << 1;
const GREATER: u32 = 1 << 2;
const EQUAL: u32 = 1 << 3;

/// Reads what it says of itself, and looks whether it is whole.
pub(super) fn read(bytes: &[u8]) -> Result<Header, String> {
    let cut = || "it is cut off".to_owned();
    if !bytes.starts_with(&[0xed, 0xab, 0xee, 0xdb]) {
        return Err("it is no .rpm".to_owned());
    }
    let rest = bytes.get(96..).ok_or_else(cut)?;
    let (signature, length) = Values::read(rest)?;
    let rest = rest.get(length.next_multiple_of(8)..).ok_or_else(cut)?;
    let (values, length) = Values::read(rest)?;
    let (head, content) = rest.split_at_checked(length).ok_or_else(cut)?;
    if signature.number(tag::SIZE).is_some_and(|size| size as usize > rest.len()) {
        return Err(cut());
    }
    // Not every way of packing has a checksum.
    for (part, said, bytes) in
        [("header", signature.text(tag::SHA256), head), ("content", values.text(tag::CONTENT), content)]
    {
        if said.is_some_and(|said| said.len() == 64 && said != hex(bytes)) {
            return Err(format!("it is damaged: its {part} has another digest than it says"));
        }
    }
    unpack(content, &mut sink()).map_err(|error| format!("it is damaged: {error}"))?;
    values.header()
}

/// Numbered values.
struct Values<'a> {
    /// Number, type, place, count.
    index: Vec<[u32; 4]>,
    store: &'a [u8],
}

impl<'a> Values<'a> {
    /// Reads them, and how many bytes they take.
    fn read(bytes: &'a [u8]) -> Result<(Self, usize), String> {
        let damaged = || "it is damaged: its header cannot be read".to_owned();
        if !bytes.starts_with(&[0x8e, 0xad, 0xe8, 0x01]) {
            return Err(damaged());
        }
        let (count, length) = (word(bytes, 8).ok_or_else(damaged)?, word(bytes, 12).ok_or_else(damaged)?);
        let start = (count as usize).checked_mul(16).and_then(|size| size.checked_add(16)).ok_or_else(damaged)?;
        let end = start.checked_add(length as usize).ok_or_else(damaged)?;
        let (index, store) = (bytes.get(16..start).ok_or_else(damaged)?, bytes.get(start..end).ok_or_else(damaged)?);
        let entry = |entry: &[u8]| Some([word(entry, 0)?, word(entry, 4)?, word(entry, 8)?, word(entry, 12)?]);
        Ok((Values { index: index.chunks(16).filter_map(entry).collect(), store }, end))
    }

    fn entry(&self, tag: u32) -> Option<(&'a [u8], usize)> {
        let [_, _, place, count] = self.index.iter().find(|entry| entry[0] == tag)?;
        Some((self.store.get(*place as usize..)?, *count as usize))
    }

    fn texts(&self, tag: u32) -> Vec<String> {
        let Some((bytes, count)) = self.entry(tag) else { return Vec::new() };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        bytes.split(|byte| *byte == 0).take(count).map(text).collect()
    }

    fn text(&self, tag: u32) -> Option<String> {
        self.texts(tag).into_iter().next()
    }

    fn numbers(&self, tag: u32) -> Vec<u32> {
        let Some((bytes, count)) = self.entry(tag) else { return Vec::new() };
        bytes.chunks_exact(4).take(count).filter_map(|chunk| word(chunk, 0)).collect()
    }

    fn number(&self, tag: u32) -> Option<u32> {
        self.numbers(tag).into_iter().next()
    }

    fn header(&self) -> Result<Header, String> {
        if self.entry(tag::SOURCE).is_none() {
            return Err("it is a source package".to_owned());
        }
        let must = |tag: u32, what: &str| self.text(tag).ok_or_else(|| format!("it is damaged: it has no {what}"));
        let version = format!("{}-{}", must(tag::VERSION, "version")?, must(tag::RELEASE, "release")?);
        let version = self.number(tag::EPOCH).map_or(version.clone(), |epoch| format!("{epoch}:{version}"));
        // What rpm itself has to be able to do, and conditions, it judges before it begins.
        let judged = |relation: &Relation| !relation.name.starts_with("rpmlib(") && !relation.name.starts_with('(');
        Ok(Header {
            name: must(tag::NAME, "name")?,
            version,
            arch: must(tag::ARCH, "architecture")?,
            needs: self.relations(tag::REQUIRES).into_iter().filter(judged).map(|one| vec![one]).collect(),
            offers: self.offers(),
            conflicts: self.relations(tag::CONFLICTS),
            replaces: self.relations(tag::OBSOLETES),
        })
    }

    fn relations(&self, tags: [u32; 3]) -> Vec<Relation> {
        let [names, flags, versions] = tags;
        let (flags, versions) = (self.numbers(flags), self.texts(versions));
        let relation = |(at, name): (usize, String)| {
            let flags = flags.get(at).copied().unwrap_or_default();
            let version = versions.get(at).filter(|version| !version.is_empty()).cloned();
            let has = |flag: u32| flags & flag != 0;
            let limit = |version| Limit { older: has(LESS), same: has(EQUAL), newer: has(GREATER), version };
            Relation { name, limit: version.map(limit) }
        };
        self.texts(names).into_iter().enumerate().map(relation).collect()
    }

    /// What it stands for, and its files: others may ask for those by their paths.
    fn offers(&self) -> Vec<Offer> {
        let folders = self.texts(tag::DIRNAMES);
        let names = self.texts(tag::BASENAMES).into_iter().zip(self.numbers(tag::DIRINDEXES));
        let files = names.filter_map(|(name, folder)| Some(format!("{}{name}", folders.get(folder as usize)?)));
        let files = files.map(|name| Offer { name, version: None });
        self.relations(tag::PROVIDES).into_iter().map(Offer::from).chain(files).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk::<4>()?))
}
