//! Many lines in few commands: each line's output is framed by marks, because every command over
//! WinRM costs four round trips. What was answered once in a phase is not asked again.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::engine::session::{Failure, Session};
use crate::exit::Hint as _;
use crate::model::Slice;
use crate::text::decisive::decisive;
use crate::transport::Output;

/// cmd.exe takes 8191 characters; the transport adds some of its own.
const LONGEST: usize = 7800;

/// Answers by line.
#[derive(Debug, Default)]
pub(crate) struct Answers(pub(crate) BTreeMap<String, Slice>);

impl Answers {
    /// Asks those lines that have no answer yet.
    pub(crate) fn ask(&mut self, session: &mut Session<'_>, lines: &[String], limit: Duration) -> Result<(), Failure> {
        let mut open: Vec<String> = Vec::new();
        for line in lines {
            if !self.0.contains_key(line) && !open.contains(line) {
                open.push(line.clone());
            }
        }
        let slices = run(session, &open, limit)?;
        self.0.extend(open.into_iter().zip(slices));
        Ok(())
    }

    /// Returns what the lines of a probe printed, together; the status is that of the last.
    pub(crate) fn of(&self, probe: &str) -> Slice {
        let mut all = Slice::default();
        for slice in probe.lines().filter_map(|line| self.0.get(line)) {
            all.stdout.push_str(&slice.stdout);
            all.status = slice.status;
        }
        all
    }
}

/// Runs lines in order, all of them, in as few commands as hold them.
pub(crate) fn run(session: &mut Session<'_>, lines: &[String], limit: Duration) -> Result<Vec<Slice>, Failure> {
    let (slices, last) = ended(session, lines, limit)?;
    if slices.len() == lines.len() { Ok(slices) } else { Err(unended(lines, slices.len(), &last)) }
}

/// As [`run`], but stops at a line that ended the command processor: fewer come back then. Returns
/// what the last command printed as well.
pub(super) fn ended(
    session: &mut Session<'_>,
    lines: &[String],
    limit: Duration,
) -> Result<(Vec<Slice>, Output), Failure> {
    let mark = mark();
    let framed: Vec<String> = lines.iter().enumerate().map(|(index, line)| frame(&mark, index, line)).collect();
    let mut slices = Vec::new();
    let mut output = Output::default();
    let mut sent = 0;
    for (command, count) in pack(&framed) {
        output = session.run(command, limit, &mut |_| ())?;
        sent += count;
        while let Some(slice) = cut(&output, &mark, slices.len()) {
            slices.push(slice);
        }
        if slices.len() < sent {
            break;
        }
    }
    Ok((slices, output))
}

/// Why a line did not end.
pub(super) fn unended(lines: &[String], ended: usize, last: &Output) -> Failure {
    let line = lines.get(ended).map_or("", String::as_str);
    let said = decisive(&last.stdout, &last.stderr);
    let error = anyhow!("`{line}` was aborted: cmd.exe exited with {} after `{said}`", last.status);
    error.context("run commands on the host").hint("it was ended from outside, or a quota is used up: try again").into()
}

fn frame(mark: &str, index: usize, line: &str) -> String {
    let line = line.strip_prefix('-').unwrap_or(line);
    let merged = if line.contains("2>&1") { "" } else { " 2>&1" };
    // `call` reads the line a second time, after the command has set the value.
    format!("echo {mark} {index}&{line}{merged}&call echo {mark} {index} %^errorlevel%")
}

/// Puts as many into one command as it may hold; each with their number.
fn pack(framed: &[String]) -> Vec<(String, usize)> {
    let mut commands: Vec<(String, usize)> = Vec::new();
    for line in framed {
        match commands.last_mut() {
            Some((command, count)) if command.len() + line.len() < LONGEST => {
                command.push('&');
                command.push_str(line);
                *count += 1;
            }
            _ => commands.push((line.clone(), 1)),
        }
    }
    commands
}

fn cut(output: &Output, mark: &str, index: usize) -> Option<Slice> {
    let begin = format!("{mark} {index}\n");
    let end = format!("{mark} {index} ");
    let after = output.stdout.get(output.stdout.find(&begin)? + begin.len()..)?;
    let (body, rest) = after.split_once(&end)?;
    let status = rest.lines().next()?.trim().parse().ok()?;
    Some(Slice { stdout: body.to_owned(), stderr: String::new(), status })
}

fn mark() -> String {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u8(0);
    format!("fc-{:08x}", hasher.finish() as u32)
}

/// The first line of a text that failed, and may not, is the error.
pub(crate) fn judge(text: &str, slices: &[Slice]) -> Result<(), Failure> {
    let bad = |(line, slice): &(&str, &Slice)| slice.status != 0 && !line.starts_with('-');
    match text.lines().zip(slices).find(bad) {
        Some((line, slice)) => Err(failed(line, slice).into()),
        None => Ok(()),
    }
}

fn failed(line: &str, slice: &Slice) -> anyhow::Error {
    let words = decisive(&slice.stdout, "");
    let status = status(slice.status);
    let error = if words.is_empty() { anyhow!("{status}") } else { anyhow!("{words} ({status})") };
    error.context(format!("`{line}`"))
}

/// Negative numbers are HRESULTs, which everybody knows in hexadecimal.
fn status(status: i32) -> String {
    if status < 0 { format!("0x{:08X}", status as u32) } else { format!("exit status {status}") }
}

/// As [`Result`]'s context, for a failure of a host.
pub(crate) fn at_step<T>(result: Result<T, Failure>, step: &str) -> Result<T, Failure> {
    result.map_err(|mut failure| {
        failure.error.message = format!("step `{step}`: {}", failure.error.message);
        failure
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_its_own_output_and_status() {
        let stdout = "fc-1 0\n\nHKEY\n    A    REG_SZ    x\nfc-1 0 0\nfc-1 1\nERROR\nfc-1 1 -2147023436\n".to_owned();
        let output = Output { stdout, ..Output::default() };
        assert_eq!(cut(&output, "fc-1", 0).unwrap().stdout, "\nHKEY\n    A    REG_SZ    x\n");
        assert_eq!(cut(&output, "fc-1", 1).unwrap().status, -2_147_023_436);
        assert!(cut(&output, "fc-1", 2).is_none());
        assert_eq!(status(-2_147_023_436), "0x800705B4");
    }

    #[test]
    fn lines_are_packed_into_few_commands_in_order() {
        let line = "x".repeat(3000);
        let commands = pack(&[line.clone(), line.clone(), line.clone(), line]);
        let sizes = commands.iter().map(|(command, count)| (command.len(), *count));
        assert_eq!(sizes.collect::<Vec<_>>(), [(6001, 2), (6001, 2)]);
    }

    #[test]
    fn a_line_that_may_fail_is_sent_without_its_sign() {
        assert_eq!(frame("m", 3, "-net stop x"), "echo m 3&net stop x 2>&1&call echo m 3 %^errorlevel%");
    }
}
