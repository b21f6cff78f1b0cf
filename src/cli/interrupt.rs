//! Ctrl-C, and the signal that ends a program politely: once stops at the next safe point of
//! every host, twice leaves at once and says who was inside a change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

use crate::engine::busy::Busy;
use crate::exit::Exit;
use crate::report::console;
use crate::text::names;

/// What an interrupt does to a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupt {
    /// No further host is started.
    pub(super) stop: Arc<AtomicBool>,
    /// The hosts inside a change.
    pub(super) busy: Arc<Busy>,
    /// A question is open: leaving is an answer.
    asking: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens for the rest of the program; a second listener would take one Ctrl-C for two.
    pub(super) fn listen(&self, runtime: &tokio::runtime::Runtime) {
        let interrupt = self.clone();
        runtime.spawn(async move {
            let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
            let (Ok(mut interrupted), Ok(mut terminated)) = signals else { return };
            loop {
                tokio::select! {
                    _ = interrupted.recv() => {}
                    _ = terminated.recv() => {}
                }
                interrupt.once_more();
            }
        });
    }

    /// Asks the user; Ctrl-C means no.
    ///
    /// # Errors
    /// The terminal cannot be read.
    pub(super) fn ask(&self, question: &str) -> Result<bool> {
        self.asking.store(true, Ordering::Relaxed);
        let answer = console::ask(question);
        self.asking.store(false, Ordering::Relaxed);
        Ok(answer? == "yes")
    }

    fn once_more(&self) {
        let inside = self.busy.names();
        if self.asking.load(Ordering::Relaxed) {
            leave("nothing was changed");
        }
        if self.stop.swap(true, Ordering::Relaxed) {
            leave(&left(&inside));
        }
        let going_on = match inside.as_slice() {
            [] => "no host is being changed".to_owned(),
            hosts => format!("{} finished first", shown(hosts)),
        };
        console::sentence(&format!("stopping: {going_on}, no other is started (again to leave at once)"));
    }
}

fn shown(hosts: &[String]) -> String {
    let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let verb = if hosts.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names::all(&names))
}

fn left(inside: &[String]) -> String {
    match inside {
        [] => "stopped at once; no host was being changed".to_owned(),
        hosts => format!(
            "stopped at once; {} inside a change: it is finished there, and taken back after some minutes unless \
             `fleetclock apply` comes again and keeps it",
            shown(hosts)
        ),
    }
}

fn leave(why: &str) -> ! {
    console::clear();
    console::sentence(why);
    std::process::exit(i32::from(Exit::Interrupted.code()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_inside_a_change_is_named() {
        assert!(left(&["m1".into(), "s1".into()]).starts_with("stopped at once; m1, s1 are inside a change"));
        assert!(left(&["m1".into()]).contains("m1 is inside"));
        assert_eq!(left(&[]), "stopped at once; no host was being changed");
    }
}
