//! The Task Scheduler: definitions in XML (MS-TSCH 2.5, schema 1.2), judged strictly, and run when
//! their delay after the registration or the start of the host is over.
//!
//! Time is counted from the start of the host. A file `passed` with a number of seconds makes it
//! seem later, as tests cannot wait for minutes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::journal::Journal;
use crate::task::Definition;
use crate::wine::{Setting, Wine};

const TICK: Duration = Duration::from_millis(50);

/// The tasks of a host; `folder` keeps their definitions while it is down.
pub(crate) struct Tasks {
    wine: Wine,
    journal: Arc<Journal>,
    exchange: PathBuf,
    folder: PathBuf,
    passed: PathBuf,
    started: Instant,
    known: BTreeMap<String, Task>,
}

struct Task {
    definition: Definition,
    /// When it runs, after the start of the host.
    due: Option<Duration>,
}

/// What `schtasks` wants.
struct Request<'a> {
    verb: &'a str,
    name: &'a str,
    force: bool,
    korean: bool,
    xml: &'a str,
}

/// Exit code and text.
type Answer = (i32, String);

impl Tasks {
    /// The tasks of the host whose files are in `home`, as it starts.
    pub(crate) fn boot(home: &Path, wine: Wine, journal: Arc<Journal>) -> std::io::Result<Self> {
        let folder = home.join("tasks");
        fs::create_dir_all(&folder)?;
        let mut known = BTreeMap::new();
        for entry in fs::read_dir(&folder)?.flatten() {
            if let Ok(Ok(definition)) = fs::read_to_string(entry.path()).map(|text| Definition::parse(&text)) {
                let name = entry.file_name().to_string_lossy().into_owned();
                known.insert(name, Task { due: definition.after_boot, definition });
            }
        }
        let (exchange, passed) = (home.join("exchange"), home.join("passed"));
        let _ = fs::remove_file(&passed);
        Ok(Self { wine, journal, exchange, folder, passed, started: Instant::now(), known })
    }

    /// Answers and runs tasks, for ever.
    pub(crate) fn serve(mut self) {
        loop {
            self.requests();
            self.due();
            thread::sleep(TICK);
        }
    }

    fn now(&self) -> Duration {
        let passed = fs::read_to_string(&self.passed).ok().and_then(|text| text.trim().parse().ok());
        self.started.elapsed() + Duration::from_secs(passed.unwrap_or(0))
    }

    fn due(&mut self) {
        let now = self.now();
        for (name, task) in &mut self.known {
            if task.due.is_none_or(|due| due > now) {
                continue;
            }
            task.due = None;
            let Definition { line, folder, .. } = &task.definition;
            self.journal.note(&format!("task {name}: {line}"));
            let setting = Setting { directory: Some(folder.clone()), ..Setting::default() };
            if let Err(error) = self.wine.start(&crate::shell::new_id(), line, &setting) {
                self.journal.note(&format!("task {name}: {error}"));
            }
        }
    }

    fn requests(&mut self) {
        let Ok(entries) = fs::read_dir(&self.exchange) else { return };
        let asked = entries.flatten().map(|entry| entry.path());
        for path in asked.filter(|path| path.extension().is_some_and(|kind| kind == "ask")) {
            let text = fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
            let _ = fs::remove_file(&path);
            let (code, words) = Request::parse(&text).map_or((1, String::new()), |request| self.answer(&request));
            let new = path.with_extension("part");
            if fs::write(&new, format!("{code}\n{words}")).is_ok() {
                let _ = fs::rename(&new, path.with_extension("told"));
            }
        }
    }

    fn answer(&mut self, request: &Request<'_>) -> Answer {
        let known = self.known.contains_key(request.name);
        match request.verb {
            "query" if known => (0, request.said("Ready", "준비")),
            "delete" if known && request.force => self.delete(request),
            "query" | "delete" if !known => (1, request.error("The system cannot find the file specified.")),
            // It asks "are you sure (Y/N)?", and nobody answers.
            "delete" => (1, request.error("The task was not deleted.")),
            "create" if known && !request.force => (1, request.error("The task was not replaced.")),
            _ => self.create(request),
        }
    }

    fn delete(&mut self, request: &Request<'_>) -> Answer {
        self.known.remove(request.name);
        let _ = fs::remove_file(self.folder.join(request.name));
        (0, request.said("SUCCESS: The scheduled task was successfully deleted.", "성공: 예약된 작업을 삭제했습니다."))
    }

    fn create(&mut self, request: &Request<'_>) -> Answer {
        match Definition::parse(request.xml) {
            Err(why) => (1, request.error(&why)),
            Ok(definition) => {
                let _ = fs::write(self.folder.join(request.name), request.xml);
                let due = definition.after_registration.map(|delay| self.now() + delay);
                self.known.insert(request.name.to_owned(), Task { definition, due });
                (
                    0,
                    request.said(
                        "SUCCESS: The scheduled task has successfully been created.",
                        "성공: 예약된 작업을 만들었습니다.",
                    ),
                )
            }
        }
    }
}

impl<'a> Request<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut lines = text.splitn(5, '\n');
        let (verb, name) = (lines.next()?, lines.next()?);
        let (force, korean) = (lines.next()? == "force", lines.next()? == "ko");
        Some(Request { verb, name, force, korean, xml: lines.next()? })
    }

    fn said(&self, english: &str, in_korean: &str) -> String {
        if self.korean { in_korean } else { english }.to_owned()
    }

    fn error(&self, why: &str) -> String {
        format!("{}{why}", self.said("ERROR: ", "오류: "))
    }
}
