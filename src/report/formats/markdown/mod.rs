//! `markdown`: a comment for a merge request: a table of what is wrong, and the diffs folded below it. Platforms refuse
//! a comment that is too long, so what does not fit is left out whole, and the last sentence says what.

mod escape;

use std::io::{Result, Write};

use self::escape::{code, fenced};
use super::{Format, said};
use crate::lang::say;
use crate::model::{Finding, FleetReport, HostReport, Issue, Since, What};
use crate::report::room::{padding, width};
use crate::report::words;
use crate::text::clean;
use crate::text::number::count;

/// Most characters of a comment: GitHub takes 65,536.
const MOST: usize = 65_000;

/// What is kept of it for the last sentence, and for what is folded.
const LAST: usize = 400;
const FOLDED: usize = 20_000;

/// Issues of a host that its row tells of.
const ISSUES: usize = 5;

/// Most characters of a text in a row.
const TEXT: usize = 300;

/// Markdown for a comment.
#[derive(Debug)]
pub(super) struct Markdown;

impl Format for Markdown {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn extension(&self) -> &'static str {
        "md"
    }

    fn about(&self) -> &'static str {
        "a comment for a merge request"
    }

    fn is_for_people(&self) -> bool {
        true
    }

    fn write(&self, report: &FleetReport, out: &mut dyn Write) -> Result<()> {
        let mut page = Page { out, room: MOST - LAST, rows: 0, folds: 0 };
        page.put(&head(report), 0)?;
        table(&mut page, report)?;
        folds(&mut page, report)?;
        page.end()
    }
}

/// What is written, and what there is room for.
struct Page<'a> {
    out: &'a mut dyn Write,
    room: usize,
    /// Hosts and folded texts that were left out.
    rows: usize,
    folds: usize,
}

impl Page<'_> {
    /// Writes a text whole, if there is room for it and so much more; says whether there was.
    fn put(&mut self, text: &str, more: usize) -> Result<bool> {
        let long = text.chars().count();
        if long + more > self.room {
            return Ok(false);
        }
        self.room -= long;
        self.out.write_all(text.as_bytes()).map(|()| true)
    }

    fn end(self) -> Result<()> {
        let left = [(self.rows, "host"), (self.folds, "folded text")];
        let left: Vec<String> = left
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| say(&count(*number, what)).into_owned())
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        let left = left.join(&say(" and "));
        let left = format!("**Left out, for a comment has no room for it: {left}.** The other reports have all.");
        writeln!(self.out, "\n{}", say(&left))
    }
}

/// The first line is for the program that looks for its own comment, to replace it.
fn head(report: &FleetReport) -> String {
    let summary = &report.summary;
    let endings: Vec<String> = summary
        .endings()
        .iter()
        .filter(|(_, number)| *number > 0)
        .map(|(word, number)| say(&format!("{number} {}", word.replace('_', " "))).into_owned())
        .collect();
    let command = report.command;
    let mut head = format!("<!-- fleetclock {command} -->\n## fleetclock {command}: {}\n\n", endings.join(", "));
    let started = code(&report.started);
    head += &format!("{}, {started}, {:.1} s", say(&count(summary.hosts, "host")), report.seconds);
    if let Some(part) = report.part() {
        head += &format!("; {}", say(&part));
    }
    if let Some(since) = &report.since {
        let Since { new, still, gone, .. } = since;
        let text = format!("since {}: {new} new, {still} still there, {} gone", code(&since.started), gone.len());
        head += &format!("; {}", say(&text));
    }
    head + ".\n\n"
}

/// A row for each host with something wrong; a host that is well is none.
fn table(page: &mut Page<'_>, report: &FleetReport) -> Result<()> {
    let names = ["host", "status", "what", "place"].map(say).join(" | ");
    let mut head = Some(format!("| {names} |\n| --- | --- | --- | --- |\n"));
    for host in &report.hosts {
        let Some(row) = row(host, report) else { continue };
        if let Some(head) = head.take() {
            page.put(&head, 0)?;
        }
        if !page.put(&row, FOLDED)? {
            page.rows += 1;
        }
    }
    page.put("\n", 0).map(drop)
}

fn row(host: &HostReport, report: &FleetReport) -> Option<String> {
    let mut issues: Vec<Issue<'_>> = host.issues(report.command).collect();
    let first = issues.first().copied()?;
    issues.sort_by_key(|issue| issue.mark().new != Some(true));
    let mut what: Vec<String> = issues.iter().take(ISSUES).map(line).collect();
    if let Some(more) = issues.len().checked_sub(ISSUES).filter(|more| *more > 0) {
        what.push(say(&format!("and {more} more")).into_owned());
    }
    let place = host.mark.place.as_ref().or(first.place()).map(|place| code(&place.to_string())).unwrap_or_default();
    let status = words::ending(host.status).0;
    Some(format!("| {} | {status} | {} | {place} |\n", code(&short(&host.name)), what.join("<br>")))
}

fn line(issue: &Issue<'_>) -> String {
    let news = if issue.mark().new == Some(true) { format!("**{}** ", say("new")) } else { String::new() };
    format!("{news}{}", code(&short(&said::sentence(issue))))
}

/// A row has no room for what is long; all of it is in the other reports.
fn short(text: &str) -> String {
    match text.char_indices().nth(TEXT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn folds(page: &mut Page<'_>, report: &FleetReport) -> Result<()> {
    for issue in said::new_first(report) {
        let host = &issue.host.name;
        let fold = match issue.what {
            What::Drift(delta) => {
                delta.diff.as_ref().map(|diff| fold(&format!("{host}: {}", said::drift(delta)), "diff", diff))
            }
            What::Finding(finding) => Some(fold(&format!("{host}: {}", said::title(&issue)), "text", &found(finding))),
            What::Ending(_) => said::way_out(&issue).map(|way| {
                fold(&format!("{host}: {}", said::title(&issue)), "text", &format!("{}\n{way}", said::sentence(&issue)))
            }),
        };
        put_fold(page, fold)?;
    }
    put_fold(page, report.since.as_ref().filter(|since| !since.gone.is_empty()).map(gone))
}

fn put_fold(page: &mut Page<'_>, fold: Option<String>) -> Result<()> {
    let Some(fold) = fold else { return Ok(()) };
    let fits = page.put(&fold, 0)?;
    page.folds += usize::from(!fits);
    Ok(())
}

fn fold(summary: &str, language: &str, text: &str) -> String {
    let body = fenced(language, &clean::text(text));
    format!("<details><summary>{}</summary>\n\n{body}\n</details>\n\n", code(&short(summary)))
}

fn found(finding: &Finding) -> String {
    let Finding { evidence, command, on, cause, fix, .. } = finding;
    let parts = [("seen", evidence), ("on", on), ("with", command), ("cause", cause), ("fix", fix)];
    let label = |word: &str| format!("{}:", say(word));
    let wide = parts.iter().map(|(word, _)| width(&label(word))).max().unwrap_or(0) + 1;
    let line = |(word, text): (&str, &String)| format!("{}{}{}", label(word), padding(&label(word), wide), say(text));
    parts.map(line).join("\n")
}

fn gone(since: &Since) -> String {
    let lines: Vec<String> =
        since.gone.iter().map(|gone| format!("{}: {}: {}", gone.host, gone.rule, gone.about)).collect();
    fold(&format!("{}: {}", say("gone"), say(&count(since.gone.len(), "issue"))), "text", &lines.join("\n"))
}

#[cfg(test)]
mod tests;
