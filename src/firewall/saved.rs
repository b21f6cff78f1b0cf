//! Firewalls whose rules are those of iptables, as they work now and as files keep them for the next start: what
//! ufw and the services that load a file of `iptables-save` have in common. A rule of ours is put into both, each by itself.

use anyhow::Result;
use ipnet::IpNet;

use super::insert::{Row, Wish, Work};
use super::known::Opening;
use super::registry::{After, Judged, Read, Wanted};
use super::ruleset::{Chain, Ruleset, Tool};
use super::steps::{self, Change, Words};
use super::walk::Stop;
use crate::text::quote::sh;

/// A file that is read by `iptables-restore` at boot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct File {
    /// `ip`, `ip6`.
    pub(super) family: &'static str,
    pub(super) path: String,
    pub(super) text: String,
}

/// What such a firewall has of its own.
pub(super) trait Saved {
    fn word(&self) -> &'static str;

    /// The rules that its files make.
    fn at_boot(&self) -> Ruleset;

    /// Its files that are there, and that rules of ours go into.
    fn files(&self) -> &[File];

    /// The chain in which a rule of ours may come before a stop.
    fn target(&self, rules: &Ruleset, stop: &Stop) -> Option<usize>;

    /// The rules of ours for this port in a chain: how many stand before each, and whom it lets in.
    fn own(&self, chain: &Chain, port: &Opening) -> Vec<(usize, IpNet)>;

    /// The words of iptables for what is let in: `-s 10.0.0.0/8 ... -j ACCEPT`.
    fn words(&self, network: IpNet, port: &Opening) -> String;

    /// The lines that stand for it in the file, the rule last.
    fn lines(&self, chain: &str, network: IpNet, port: &Opening) -> Vec<String>;

    /// The line before which rules of a chain end, where the chain has none.
    fn end(&self) -> &'static str;

    /// The command that takes or refuses such a file on its standard input.
    fn test(&self, file: &File) -> String;
}

/// Returns shell text that prints files, each behind a line with its name.
pub(super) fn cat(files: &[&str]) -> String {
    let files = files.join(" ");
    format!("for fc_f in {files}; do\n[ -r \"$fc_f\" ] || continue\necho \"--- file $fc_f\"\ncat \"$fc_f\"\necho\ndone")
}

/// A file as [`cat`] prints it.
fn section(path: &str, text: &str) -> String {
    format!("--- file {path}\n{text}")
}

/// Reads what [`cat`] printed of a file.
pub(super) fn read(text: &str, path: &str) -> Option<String> {
    let (_, rest) = text.split_once(&section(path, ""))?;
    let text = rest.split("\n--- file ").next().unwrap_or(rest);
    let text = text.trim_end_matches('\n');
    Some(if text.is_empty() { String::new() } else { format!("{text}\n") })
}

/// Both states, each by itself: what works now, and what the files make.
pub(super) fn judge(saved: &dyn Saved, wanted: &Wanted, read: &Read<'_>) -> Result<Judged> {
    let (port, rules) = (&wanted.port, &read.rules);
    let question = |network: IpNet| wanted.question(rules, network);
    let wish = Wish {
        networks: &wanted.networks,
        question: &question,
        own: &|chain| saved.own(chain, port),
        target: &|rules, stop| saved.target(rules, stop),
    };
    let (now, boot) = (wish.work(&rules.set), wish.work(&saved.at_boot()));
    wanted.refuse(rules, &now, &boot)?;
    let mut settings = read.settings.clone();
    let file = |(index, file): (usize, &File)| {
        let text = edited(saved, file, &boot, port);
        settings = settings.replacen(&section(&file.path, &file.text), &section(&file.path, &text), 1);
        (text != file.text).then(|| Change {
            delta: steps::of_file(saved.word(), &file.path, "rules at boot", &file.text, &text),
            change: write(saved, file, &text, index),
            undo: put_back(saved, file, &boot, port, index),
        })
    };
    let files = saved.files().iter().enumerate().filter_map(file);
    let judged = Judged::of(&Running(saved), wanted, files, &now);
    Ok(Judged { after: Some(After { settings, rules: now.after }), ..judged })
}

/// The rules as they work.
struct Running<'a>(&'a dyn Saved);

impl Words for Running<'_> {
    fn word(&self) -> &'static str {
        self.0.word()
    }

    fn functions(&self) -> String {
        FUNCTION.to_owned()
    }

    fn insert(&self, row: &Row, port: &Opening) -> String {
        run(row, "-I", &format!("{} {}", row.at + 1, self.0.words(row.network, port)))
    }

    fn delete(&self, row: &Row, port: &Opening) -> String {
        run(row, "-D", &self.0.words(row.network, port))
    }

    fn is_there(&self, row: &Row, port: &Opening) -> String {
        run(row, "-C", &self.0.words(row.network, port))
    }

    fn shown(&self, row: &Row, port: &Opening) -> (String, String) {
        let Chain { family, name, .. } = &row.chain;
        (format!("{family} {name}"), format!("-A {name} {}", self.0.words(row.network, port)))
    }
}

/// The program of a kind of rules, or the only one that there is, whatever kind it is of.
const FUNCTION: &str = "fc_x() {
fc_p=$1; shift
command -v \"$fc_p\" >/dev/null 2>&1 || fc_p=${fc_p%-*}
\"$fc_p\" -w \"$@\"
}
";

/// A command of iptables about a row.
fn run(row: &Row, verb: &str, words: &str) -> String {
    let kind = if row.chain.tool == Tool::Legacy { "legacy" } else { "nft" };
    let six = if row.chain.family == "ip6" { "6" } else { "" };
    format!("fc_x ip{six}tables-{kind} -t {} {verb} {} {words}", row.chain.table, row.chain.name)
}

/// The file with what changes in the rules that it makes.
fn edited(saved: &dyn Saved, file: &File, boot: &Work, port: &Opening) -> String {
    let mut lines: Vec<String> = file.text.lines().map(str::to_owned).collect();
    for row in boot.remove.iter().rev().filter(|row| row.chain.family == file.family) {
        if let Some(last) = rows(&lines, &row.chain).get(row.at).copied() {
            let first = begin(&lines, last);
            let blank = usize::from(first < last && lines.get(last + 1).is_some_and(String::is_empty));
            lines.drain(first..=last + blank);
        }
    }
    for row in boot.add.iter().filter(|row| row.chain.family == file.family) {
        let own = rows(&lines, &row.chain);
        let end = own.last().map(|last| last + 1).filter(|_| saved.end() == COMMIT);
        let at = match own.get(row.at) {
            Some(next) => Some(begin(&lines, *next)),
            None => end.or_else(|| end_of(&lines, &row.chain.table, saved.end())),
        };
        let Some(at) = at else { continue };
        lines.splice(at..at, saved.lines(&row.chain.name, row.network, port));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Ends a table.
pub(super) const COMMIT: &str = "COMMIT";

/// The numbers of the lines that are the rules of a chain.
fn rows(lines: &[String], chain: &Chain) -> Vec<usize> {
    let mut table = "";
    let mut rows = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        }
        let rule =
            line.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(line.as_str(), |(_, rule)| rule);
        let own = rule.strip_prefix("-A ").and_then(|rest| rest.split(' ').next());
        if table == chain.table && own == Some(chain.name.as_str()) {
            rows.push(number);
        }
    }
    rows
}

/// The line where the words about a rule begin: what ufw writes above the rules that it makes of one.
fn begin(lines: &[String], rule: usize) -> usize {
    let above = lines.get(..rule).unwrap_or_default().iter().rev();
    let rules = above.clone().take_while(|line| line.starts_with("-A ")).count();
    match above.clone().nth(rules) {
        Some(line) if line.starts_with("### tuple ###") => rule - rules - 1,
        _ => rule,
    }
}

/// The line before which the rules of a table end.
fn end_of(lines: &[String], table: &str, end: &str) -> Option<usize> {
    let from = lines.iter().position(|line| *line == format!("*{table}"))?;
    lines.iter().enumerate().skip(from).find(|(_, line)| line.as_str() == end).map(|(number, _)| number)
}

/// Puts a file in the place of the old one, of which it has all rights and marks, if `iptables-restore` would take it.
fn write(saved: &dyn Saved, file: &File, text: &str, index: usize) -> String {
    let (path, test) = (sh(&file.path), saved.test(file));
    format!(
        "fc_f=$(readlink -f {path})\n[ \"$(cat \"$fc_f\")\" = {} ] || {{ echo {path} has changed since it was read >&2; exit 1; }}\ncp -a \"$fc_f\" \"$FC_KEEP/{index}\"\nprintf '%s' {} >\"$FC_KEEP/{index}.new\"\n{test} <\"$FC_KEEP/{index}.new\"\ncp -a \"$fc_f\" \"$fc_f.fleetclock\"\ncat \"$FC_KEEP/{index}.new\" >\"$fc_f.fleetclock\"\nsync \"$fc_f.fleetclock\" 2>/dev/null || :\nmv -f \"$fc_f.fleetclock\" \"$fc_f\"\n",
        sh(file.text.trim_end_matches('\n')),
        sh(text)
    )
}

/// Puts a file back as it was; one that somebody has changed since loses our lines and keeps the rest.
fn put_back(saved: &dyn Saved, file: &File, boot: &Work, port: &Opening, index: usize) -> String {
    let path = sh(&file.path);
    let own = boot.add.iter().filter(|row| row.chain.family == file.family);
    let own: String = own
        .flat_map(|row| saved.lines(&row.chain.name, row.network, port))
        .filter(|line| !line.is_empty())
        .map(|line| format!(" -e {}", sh(&line)))
        .collect();
    let narrow = if own.is_empty() {
        String::new()
    } else {
        format!(
            "elif [ -e \"$FC_KEEP/{index}.new\" ] && [ -e \"$fc_f\" ]; then\ncp -a \"$fc_f\" \"$fc_f.fleetclock\"\ngrep -vxF{own} \"$fc_f\" >\"$fc_f.fleetclock\" || :\nmv -f \"$fc_f.fleetclock\" \"$fc_f\"\n"
        )
    };
    format!(
        "fc_f=$(readlink -f {path} || echo {path})\nrm -f \"$fc_f.fleetclock\"\nif [ -e \"$FC_KEEP/{index}.new\" ] && [ \"$(cat \"$fc_f\" 2>/dev/null)\" = \"$(cat \"$FC_KEEP/{index}.new\")\" ]; then\ncp -a \"$FC_KEEP/{index}\" \"$fc_f.fleetclock\"\nmv -f \"$fc_f.fleetclock\" \"$fc_f\"\n{narrow}fi\n"
    )
}

#[cfg(test)]
mod tests;
