//! Tables of hosts: name, address, role and what else has a column of its own.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};

use super::fleet::{Fleet, Group, Host};
use super::tree;
use super::words::{is_address, is_name};
use crate::exit::Hint as _;
use crate::yaml::out::Out;
use crate::yaml::tree::At;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Column {
    Name,
    Address,
    Role,
    Group,
    User,
    Port,
    Become,
    Jump,
    Key,
    TimeAddress,
    Upstream,
    Provider,
}

/// The names of columns, in small letters.
const COLUMNS: &[(Column, &[&str])] = &[
    (Column::Name, &["name", "host", "hostname", "host_name", "fqdn", "server", "node"]),
    (Column::Address, &["address", "ip", "ip_address", "ipaddress", "ipv4", "ansible_host", "management_ip"]),
    (Column::Role, &["role", "time_role", "ntp_role"]),
    (Column::Group, &["group", "groups", "tag", "tags"]),
    (Column::User, &["user", "login", "ssh_user", "ansible_user"]),
    (Column::Port, &["port", "ssh_port", "ansible_port"]),
    (Column::Become, &["become"]),
    (Column::Jump, &["jump", "bastion", "proxyjump"]),
    (Column::Key, &["key", "key_file"]),
    (Column::TimeAddress, &["time_address"]),
    (Column::Upstream, &["upstream", "ntp", "ntp_servers"]),
    (Column::Provider, &["provider"]),
];

/// The columns of a table that does not name them.
const PLAIN: &[Column] = &[Column::Name, Column::Address, Column::Role, Column::Group];

/// Reads a table; its columns are separated by commas, semicolons or tabs.
pub(super) fn read(path: &Path) -> Result<Fleet> {
    let text = tree::text(path)?;
    let mut fleet = Fleet { files: vec![path.display().to_string()], ..Fleet::default() };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator(&text))
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut columns: Option<Vec<Option<Column>>> = None;
    for row in reader.records() {
        let row = row.with_context(|| format!("read `{}`", path.display()))?;
        let at = At::new(row.position().map_or(0, csv::Position::line), 1);
        if row.iter().all(str::is_empty) {
            continue;
        }
        let columns = match &columns {
            Some(columns) => columns,
            None => {
                let named = header(&row, at, &mut fleet);
                let plain = || PLAIN.iter().copied().map(Some).collect();
                let (is_header, known) = (named.is_some(), named.unwrap_or_else(plain));
                let columns = columns.insert(known);
                if is_header {
                    continue;
                }
                columns
            }
        };
        line(&mut fleet, columns, &row, at);
    }
    if fleet.hosts.is_empty() {
        let error = anyhow!("`{}` names no host", path.display());
        return Err(error)
            .hint("the columns are name, address, role, or are named in the first line: see docs/inventory.md");
    }
    Ok(fleet)
}

fn separator(text: &str) -> u8 {
    let first = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or_default();
    let count = |separator: &u8| first.bytes().filter(|byte| byte == separator).count();
    [b',', b';', b'\t'].into_iter().rev().max_by_key(count).unwrap_or(b',')
}

/// The columns, if the first line names them.
fn header(row: &csv::StringRecord, at: At, fleet: &mut Fleet) -> Option<Vec<Option<Column>>> {
    let of = |word: &str| {
        let word = word.trim_start_matches('\u{feff}').to_lowercase().replace([' ', '-'], "_");
        COLUMNS.iter().find(|(_, names)| names.contains(&word.as_str())).map(|(column, _)| *column)
    };
    let columns: Vec<Option<Column>> = row.iter().map(of).collect();
    let has = |column| columns.contains(&Some(column));
    let named = has(Column::Name) || has(Column::Address) && columns.len() > 1;
    if !named {
        return None;
    }
    for (word, _) in row.iter().zip(&columns).filter(|(word, column)| column.is_none() && !word.is_empty()) {
        fleet.notes.say(at, format!("the column `{word}` has no counterpart; left out"));
    }
    Some(columns)
}

fn line(fleet: &mut Fleet, columns: &[Option<Column>], row: &csv::StringRecord, at: At) {
    let cell = |wanted: Column| {
        let mut cells = columns.iter().zip(row.iter());
        cells.find(|(column, text)| **column == Some(wanted) && !text.is_empty()).map(|(_, text)| text)
    };
    let Some(name) = cell(Column::Name).or_else(|| cell(Column::Address)) else {
        return fleet.notes.say(at, "a line without a name and an address; left out");
    };
    let address = cell(Column::Address).filter(|address| *address != name);
    if !is_name(name) || !is_address(address.unwrap_or(name)) {
        let text = format!("`{name}` left out: its name or address cannot be one of a host here");
        return fleet.notes.say(at, text);
    }
    if fleet.hosts.iter().any(|host| host.name == name) {
        return fleet.notes.say(at, format!("`{name}` is in the table twice; the first line counts"));
    }
    let mut host = Host { name: name.to_owned(), address: address.map(str::to_owned), ..Host::default() };
    host.master = role(cell(Column::Role), name, at, fleet);
    settings(&mut host, &cell, at, fleet);
    let index = fleet.hosts.len();
    for group in
        cell(Column::Group).into_iter().flat_map(|text| text.split([' ', '|', ',', ';'])).filter(|g| is_name(g))
    {
        member(fleet, group, index);
    }
    fleet.hosts.push(host);
}

fn role(word: Option<&str>, name: &str, at: At, fleet: &mut Fleet) -> bool {
    match word.map(str::to_lowercase).as_deref() {
        Some("master" | "server" | "primary" | "stratum1") => true,
        None | Some("slave" | "client" | "follower" | "secondary") => false,
        Some(other) => {
            fleet
                .notes
                .say(at, format!("`{name}`: the role `{other}` is neither master nor slave; written as a slave"));
            false
        }
    }
}

fn settings<'a>(host: &mut Host, cell: &impl Fn(Column) -> Option<&'a str>, at: At, fleet: &mut Fleet) {
    let texts = [
        (Column::User, "ssh", "user"),
        (Column::Become, "ssh", "become"),
        (Column::Key, "ssh", "key"),
        (Column::TimeAddress, "", "time_address"),
        (Column::Provider, "", "provider"),
    ];
    for (column, section, key) in texts {
        if let Some(text) = cell(column) {
            host.set(section, key, Out::text(text));
        }
    }
    for (column, section, key) in [(Column::Jump, "ssh", "jump"), (Column::Upstream, "", "upstream")] {
        if let Some(text) = cell(column) {
            host.set(
                section,
                key,
                Out::List(text.split([' ', '|', ';']).filter(|word| !word.is_empty()).map(Out::text).collect()),
            );
        }
    }
    match cell(Column::Port).map(str::parse::<u16>) {
        Some(Ok(port)) => host.set("ssh", "port", Out::Number(port.into())),
        Some(Err(_)) => fleet.notes.say(at, format!("`{}`: its port is none; left out", host.name)),
        None => {}
    }
}

fn member(fleet: &mut Fleet, name: &str, index: usize) {
    match fleet.groups.iter_mut().find(|group| group.name == name) {
        Some(group) => group.members.push(index),
        None => fleet.groups.push(Group { name: name.to_owned(), members: vec![index] }),
    }
}
