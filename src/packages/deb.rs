//! A .deb: an `ar` archive of two packed tar archives, what it says of itself and what it installs.

use std::io::sink;

use super::Header;
use super::relation::{Offer, Relation};
use super::unpack::unpack;

/// Reads what it says of itself, and looks whether it is whole.
pub(super) fn read(bytes: &[u8]) -> Result<Header, String> {
    let rest = bytes.strip_prefix(b"!<arch>\n").ok_or("it is no .deb")?;
    let members = members(rest)?;
    let part = |start: &str| {
        let found = members.iter().find(|(name, _)| name.starts_with(start)).map(|(_, content)| *content);
        found.ok_or_else(|| format!("it has no `{start}*`"))
    };
    let (control, data) = (part("control.tar")?, part("data.tar")?);
    let broken = |error: std::io::Error| format!("it is damaged: {error}");
    let mut tar = Vec::new();
    unpack(control, &mut tar).map_err(broken)?;
    let text = control_file(&tar).ok_or("its `control.tar` has no `control`")?;
    unpack(data, &mut sink()).map_err(broken)?;
    header(&text)
}

/// The parts of an `ar` archive by their names; each begins at an even place.
fn members(mut rest: &[u8]) -> Result<Vec<(String, &[u8])>, String> {
    let mut all = Vec::new();
    while !rest.is_empty() {
        let cut = || "it is cut off".to_owned();
        let (head, behind) = rest.split_at_checked(60).ok_or_else(cut)?;
        let field =
            |from: usize, to: usize| head.get(from..to).map(|field| String::from_utf8_lossy(field).trim().to_owned());
        let (Some(name), Some(size), Some(b"`\n")) = (field(0, 16), field(48, 58), head.get(58..)) else {
            return Err("it is damaged: a part of it has no head".to_owned());
        };
        let size: usize = size.parse().map_err(|_| "it is damaged: a part of it has no size".to_owned())?;
        let (content, behind) = behind.split_at_checked(size).ok_or_else(cut)?;
        all.push((name.trim_end_matches('/').to_owned(), content));
        rest = behind.get(size % 2..).unwrap_or_default();
    }
    Ok(all)
}

/// The text of `./control` in a tar archive.
fn control_file(mut tar: &[u8]) -> Option<String> {
    loop {
        let (head, behind) = tar.split_at_checked(512)?;
        let field = |from: usize, to: usize| {
            let bytes = head.get(from..to)?.split(|byte| *byte == 0).next()?;
            Some(String::from_utf8_lossy(bytes).trim().to_owned())
        };
        let size = usize::from_str_radix(&field(124, 136)?, 8).ok()?;
        let name = field(0, 100)?;
        if name.trim_start_matches("./") == "control" {
            return Some(String::from_utf8_lossy(behind.get(..size)?).into_owned());
        }
        tar = behind.get(size.checked_next_multiple_of(512)?..)?;
    }
}

pub(super) fn header(control: &str) -> Result<Header, String> {
    let fields = fields(control);
    let field =
        |name: &str| fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    let must = |name: &str| field(name).map(str::to_owned).ok_or_else(|| format!("its `control` has no `{name}`"));
    let lists =
        |names: &[&str]| names.iter().filter_map(|name| field(name)).flat_map(Relation::lists).collect::<Vec<_>>();
    let flat = |names: &[&str]| lists(names).into_iter().flatten().collect::<Vec<_>>();
    Ok(Header {
        name: must("Package")?,
        version: must("Version")?,
        arch: must("Architecture")?,
        needs: lists(&["Pre-Depends", "Depends"]),
        offers: field("Provides").map(Offer::list).unwrap_or_default(),
        conflicts: flat(&["Conflicts", "Breaks"]),
        replaces: flat(&["Replaces"]),
    })
}

/// `Name: value`; a line that begins with a blank goes on with the one above.
fn fields(text: &str) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match (line.starts_with([' ', '\t']), line.split_once(':'), all.last_mut()) {
            (true, _, Some((_, value))) => value.push_str(line),
            (false, Some((name, value)), _) => all.push((name.trim().to_owned(), value.trim().to_owned())),
            _ => {}
        }
    }
    all
}
