//! The only writer to the terminal. Hosts send events; this prints them, one line at a time,
//! and keeps one live line at the bottom of a terminal.

use std::borrow::Cow;
use std::io::{self, BufRead, ErrorKind, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anstream::{AutoStream, ColorChoice};
use anstyle::Style;
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{FlushArg, tcflush};

use super::guard::guarded;
use super::live::Live;
pub use super::live::Verbosity;
use super::room;
use super::style::{BAD, CARE, NAME, paint};
use super::text::{self, Options};
use crate::exit;
use crate::lang::say;
use crate::model::FleetReport;
use crate::model::event::Event;
use crate::text::clean;

/// A terminal with fewer columns has no room for columns at all, and breaks its lines itself.
const LEAST: u16 = 20;

/// How often the live line is drawn when nothing happens.
const BEAT: Duration = Duration::from_millis(200);

/// How often the state of a run is said where there is no live line.
const LIFE: Duration = Duration::from_secs(15);

/// The live line while there is one. Whoever prints a line has to take it away for a moment.
static LIVE: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Prints events until the last sender is gone. `hosts` are those that take part.
pub fn watch(events: &Receiver<Event>, hosts: &[String], verbosity: Verbosity) {
    let bar = (verbosity > Verbosity::Quiet && can_draw()).then(bar);
    let mut live = Live::new(hosts, verbosity, bar.is_some(), Instant::now());
    let mut beat = (Instant::now() + LIFE, String::new());
    *LIVE.lock().unwrap_or_else(PoisonError::into_inner) = bar.clone();
    loop {
        match events.recv_timeout(BEAT) {
            Ok(event @ Event::Script { .. }) => {
                live.take(&event, Instant::now()).iter().for_each(|line| raw_line(line));
            }
            Ok(event) => live.take(&event, Instant::now()).iter().for_each(|line| error_line(line)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        match &bar {
            Some(bar) => {
                let line = live.line(Instant::now());
                bar.set_message(
                    columns(&io::stderr()).map_or(line.clone(), |room| room::fit(&line, room).into_owned()),
                );
                bar.tick();
            }
            None if verbosity > Verbosity::Quiet => say_life(&live, &mut beat),
            None => {}
        }
    }
    clear();
}

/// In a log, the state of a run that takes long stands from time to time, if it is another one.
fn say_life(live: &Live, (next, said): &mut (Instant, String)) {
    let now = Instant::now();
    if now < *next {
        return;
    }
    *next = now + LIFE;
    let state = live.state();
    if state != *said {
        error_line(&live.line(now));
        *said = state;
    }
}

/// Takes the live line away for good.
pub fn clear() {
    if let Some(bar) = LIVE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        bar.finish_and_clear();
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("{wide_msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A terminal that can move its cursor.
fn can_draw() -> bool {
    io::stderr().is_terminal() && is_able()
}

fn is_able() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}

/// A picture on standard output that is drawn again and again in the same place.
#[derive(Debug)]
pub struct Picture(ProgressBar);

impl Picture {
    /// Returns one where standard output is a terminal that can move its cursor.
    pub fn new() -> Option<Picture> {
        if !io::stdout().is_terminal() || !is_able() {
            return None;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
        let bar = bar.with_style(ProgressStyle::with_template("{msg}").ok()?);
        *LIVE.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        Some(Picture(bar))
    }

    /// Returns columns and lines of the terminal.
    pub fn room() -> (usize, usize) {
        terminal_size::terminal_size_of(io::stdout())
            .map_or((80, 24), |(width, height)| (usize::from(width.0), usize::from(height.0)))
    }

    /// Draws the picture anew.
    pub fn show(&self, text: &str) {
        let colourless = AutoStream::choice(&io::stdout()) == ColorChoice::Never;
        self.0.set_message(if colourless { plain(text) } else { text.to_owned() });
        self.0.tick();
    }

    /// Leaves the picture as it is; what is printed next stands below it.
    pub fn leave(self) {
        *LIVE.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.0.abandon();
    }
}

/// Prints a line to standard error, above the live line.
pub fn error_line(line: &str) {
    raw_line(&columns(&io::stderr()).map_or(Cow::Borrowed(line), |columns| Cow::Owned(room::wrap(line, columns))));
}

/// The same as it is, however wide.
fn raw_line(line: &str) {
    // Nobody is left to be told when standard error is closed.
    let write = || drop(writeln!(anstream::stderr(), "{}", guarded(line)));
    match &*LIVE.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Prints a thing worth a second look.
pub fn warning(text: &str) {
    error_line(&format!("{}: {}", paint(CARE, &say("warning")), say(&clean::text(text))));
}

/// Prints why the program cannot go on, each cause once, and the way out.
pub fn error(error: &anyhow::Error) {
    labelled("error", BAD, &exit::message(error));
    if let Some(hint) = exit::hint(error) {
        labelled("hint", NAME, hint);
    }
}

/// Prints a thing worth knowing.
pub fn note(text: &str) {
    error_line(&format!("{}: {}", say("note"), say(text)));
}

/// Prints a sentence of the program itself, in the language of its reader.
pub fn sentence(text: &str) {
    error_line(&say(text));
}

/// Prints a text whose further lines stand below its first, those of an error and of its hint in one column.
fn labelled(label: &str, style: Style, text: &str) {
    let column = ["error", "hint"].iter().map(|label| room::width(&say(label))).max().unwrap_or(0) + ": ".len();
    let label = format!("{}:", paint(style, &say(label)));
    let (blanks, text) = (room::padding(&label, column), say(&clean::text(text.trim_end())).into_owned());
    let below = format!("\n{}", " ".repeat(column));
    error_line(&format!("{label}{blanks}{}", text.replace('\n', &below)));
}

/// Asks on the terminal and returns the answer; the end of the input is an empty one. What was typed
/// before the question stood there is thrown away: it cannot be meant as its answer.
///
/// # Errors
/// The terminal has gone.
pub fn ask(question: &str) -> Result<String> {
    let mut stderr = anstream::stderr();
    write!(stderr, "{} ", guarded(&say(question))).and_then(|()| stderr.flush()).context("ask")?;
    forget_what_was_typed(io::stdin().as_fd());
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("read the answer")?;
    Ok(answer.trim().to_owned())
}

/// Prints the result of a run for people.
///
/// # Errors
/// As for [`print()`].
pub fn print_report(report: &FleetReport, options: Options) -> Result<()> {
    print(&text::report(report, Options { columns: screen(), ..options }))
}

/// Prints a text for people, its lines broken where a terminal has no room for them.
///
/// # Errors
/// As for [`print()`].
pub fn print_text(text: &str) -> Result<()> {
    match screen() {
        Some(columns) => print(&room::wrap(text, columns)),
        None => print(text),
    }
}

/// Returns the columns of standard output, if it is a terminal.
pub fn screen() -> Option<usize> {
    columns(&io::stdout())
}

fn columns(output: &(impl IsTerminal + AsFd)) -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(output.as_fd())?;
    (output.is_terminal() && width.0 >= LEAST).then(|| usize::from(width.0))
}

/// Prints a result to standard output. A reader that has gone (`| head`) has what it wanted.
///
/// # Errors
/// It cannot be written, as to a full disk.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(guarded(text).as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("write to standard output"),
        _ => Ok(()),
    }
}

/// Returns whether somebody still reads standard output: a pipe whose reader has gone says so at
/// once, and not only when it is written to.
pub fn is_read() -> bool {
    has_reader(io::stdout().as_fd())
}

fn has_reader(output: BorrowedFd<'_>) -> bool {
    let gone = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
    let mut pipe = PollFd::new(output, PollFlags::empty());
    let asked = poll(std::slice::from_mut(&mut pipe), PollTimeout::ZERO);
    asked.is_err() || !pipe.revents().is_some_and(|seen| seen.intersects(gone))
}

/// Throws away what was typed on a terminal and not read yet.
fn forget_what_was_typed(input: BorrowedFd<'_>) {
    // On anything but a terminal it fails, and what stands there was meant as the answer.
    let _ = tcflush(input, FlushArg::TCIFLUSH);
}

/// Sets when colours are used: on a terminal, always, never.
pub fn set_color(choice: ColorChoice) {
    choice.write_global();
}

/// Strips colours from a text.
pub fn plain(text: &str) -> String {
    let mut stream = AutoStream::never(Vec::new());
    let _ = stream.write_all(text.as_bytes());
    String::from_utf8_lossy(&stream.into_inner()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::{pipe, read, write};

    #[test]
    fn a_pipe_is_read_until_its_reader_goes() {
        let (reader, writer) = pipe().unwrap();
        assert!(has_reader(writer.as_fd()));
        drop(reader);
        assert!(!has_reader(writer.as_fd()));
    }

    #[test]
    fn what_was_typed_before_a_question_does_not_answer_it() {
        let terminal = nix::pty::openpty(None, None).unwrap();
        let mut answer = [0; 16];
        write(&terminal.master, b"yes\n").unwrap();
        forget_what_was_typed(terminal.slave.as_fd());
        write(&terminal.master, b"no\n").unwrap();
        let count = read(&terminal.slave, &mut answer).unwrap();
        assert_eq!(answer.get(..count), Some(&b"no\n"[..]));
    }

    #[test]
    fn what_comes_through_a_pipe_is_an_answer() {
        let (reader, writer) = pipe().unwrap();
        write(&writer, b"yes\n").unwrap();
        forget_what_was_typed(reader.as_fd());
        assert_eq!(read(&reader, &mut [0; 16]).unwrap(), 4);
    }
}
