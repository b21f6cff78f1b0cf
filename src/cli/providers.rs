//! `providers`: what each time service can do.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::{Format, Global};
use crate::exit::Exit;
use crate::facts::services::{self, Ability, Service, Since};
use crate::report::table::columns;
use crate::report::{console, json};

/// One time service, for programs.
#[derive(Serialize)]
struct Provider {
    name: &'static str,
    system: String,
    /// What it can do, with the version that brought it where not every one that is managed can.
    abilities: BTreeMap<&'static str, Option<&'static str>>,
}

/// Prints the table of abilities.
pub(super) fn run(global: &Global) -> Result<Exit> {
    console::print(&match global.format {
        Format::Json => json::document(&services::ALL.iter().map(|service| provider(service)).collect::<Vec<_>>()),
        Format::Human => human(),
    })?;
    Ok(Exit::Ok)
}

fn provider(service: &'static Service) -> Provider {
    let abilities = service.abilities.iter().map(|(ability, since)| (ability.word(), since.version()));
    Provider { name: service.name, system: service.system.to_string(), abilities: abilities.collect() }
}

/// Whether a service can do something, and since when.
fn cell(service: &Service, ability: Ability) -> String {
    match service.can(ability).map(Since::version) {
        None => "-".to_owned(),
        Some(None) => "yes".to_owned(),
        Some(Some(version)) => format!("since {version}"),
    }
}

/// A row for each ability, a column for each service after that.
const COLUMNS: usize = services::ALL.len() + 1;

/// The table: its head, and a row for each ability.
fn rows() -> ([&'static str; COLUMNS], Vec<[String; COLUMNS]>) {
    let service = |column: usize| column.checked_sub(1).and_then(|index| services::ALL.get(index));
    let head = std::array::from_fn(|column| service(column).map_or("it can", |service| service.name));
    let row = |ability: &Ability| {
        std::array::from_fn(|column| {
            service(column).map_or_else(|| ability.what().to_owned(), |service| cell(service, *ability))
        })
    };
    (head, Ability::ALL.iter().map(row).collect())
}

fn human() -> String {
    let (head, rows) = rows();
    columns(head, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `docs/providers.md` has this table; with `UPDATE=1` the test writes it.
    #[test]
    fn the_page_shows_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/providers.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (begin, end) = ("<!-- abilities -->\n", "<!-- end -->");
        let (head, rest) = page.split_once(begin).unwrap();
        let (shown, tail) = rest.split_once(end).unwrap();
        let (names, rows) = rows();
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let ruler = format!("{}|\n", "| --- ".repeat(COLUMNS));
        let rows: String = rows.iter().map(|row| line(row)).collect();
        let table = format!("{}{ruler}{rows}", line(&names.map(str::to_owned)));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, format!("{head}{begin}{table}{end}{tail}")).unwrap();
            return;
        }
        assert_eq!(shown, table, "UPDATE=1 writes it");
    }
}
