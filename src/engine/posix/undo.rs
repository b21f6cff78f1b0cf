//! What earlier runs have left on a Linux host, and the script that takes the last one back.

use std::time::Duration;

use anyhow::Context as _;

use super::change::CHANGE;
use super::frame::Frames;
use super::lock;
use super::transaction::RUNS;
use crate::engine::lock::Holder;
use crate::engine::session::{Failure, Session};
use crate::engine::shell::Past;
use crate::engine::undo::{lost_in_the_middle, moved, not_in_full};
use crate::model::{Slice, Status};
use crate::text::decisive::decisive;
use crate::transport::quote::sh;

/// Time limit for reading.
const LIMIT: Duration = Duration::from_secs(120);

/// The newest run that changed something and was not taken back yet, and the names of those before.
const NEWEST: &str = r#"fc_first=yes
for fc_run in $(ls -1r @RUNS@ 2>/dev/null); do
fc_f=@RUNS@/$fc_run
[ -e "$fc_f/undo" ] && [ -e "$fc_f/reached" ] && [ ! -e "$fc_f/undone" ] || continue
if [ $fc_first = no ]; then echo "older=$(sed -n 's/^fleet=//p' "$fc_f/about")"; continue; fi
fc_first=no
echo "run=$fc_run"
cat "$fc_f/about"
done"#;

/// The runs of a Linux host.
pub(crate) struct Posix;

impl Past for Posix {
    fn newest(&self, session: &mut Session<'_>) -> Result<Slice, Failure> {
        let mut frames = Frames::new();
        let part = frames.part(&NEWEST.replace("@RUNS@", RUNS));
        let (script, splitter) = frames.finish();
        let output = session.run(script, LIMIT, &mut |_| ())?;
        Ok(splitter.part(&output, part).context("look for the last run")?)
    }

    fn put_back(&self, session: &mut Session<'_>, run: &str) -> Result<(), Failure> {
        let undone = session.run(script(run, &Holder::me()), CHANGE, &mut |_| ());
        let output = undone.map_err(|error| lost_in_the_middle(error.into(), "the host finishes it by itself"))?;
        match output.status {
            0 => Ok(()),
            lock::LOCKED => {
                let seen = Slice { stdout: output.stdout, stderr: output.stderr, status: output.status };
                Err(Failure { status: Status::Failed, error: lock::refused(&seen) })
            }
            MOVED => Err(moved(run)),
            _ => Err(not_in_full(run, &decisive(&output.stdout, &output.stderr))),
        }
    }
}

/// Exit status when another run is the last one by now.
const MOVED: i32 = 5;

/// Under the lock, and only if the run still is the last one.
fn script(run: &str, holder: &Holder) -> String {
    format!(
        "trap '' HUP PIPE\n{functions}\n{take} || exit\n\
         fc_seen=$({newest})\n\
         case $fc_seen in *{wanted}*) ;; *) fc_release {own}; exit {MOVED} ;; esac\n\
         fc_disarm\nsh {RUNS}/{run}/undo\nfc_status=$?\nfc_release {own}\n\
         [ $fc_status = 0 ] || exit 1\n",
        functions = lock::FUNCTIONS,
        take = lock::take(holder),
        newest = NEWEST.replace("@RUNS@", RUNS),
        wanted = sh(&format!("run={run}\n")),
        own = sh(&holder.run),
        run = sh(run),
    )
}
