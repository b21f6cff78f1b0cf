//! The remote shells of a host: created, fed with command lines, deleted (MS-WSMV 3.1.4.5).

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::faults::Knobs;
use crate::journal::Journal;
use crate::soap::{Envelope, Fault, SHELL};
use crate::wine::{Command, Fetched, Setting, Wine};

const MAX_SHELLS: usize = 30;
const MAX_PROCESSES: usize = 25;
/// The limits of cmd.exe and of CreateProcess, in UTF-16 units.
const MAX_LINE: usize = 8191;
const MAX_PROCESS_LINE: usize = 32767;
/// What an envelope needs around the output.
const ENVELOPE_OVERHEAD: usize = 4096;

struct Shell {
    owner: String,
    setting: Setting,
    commands: HashMap<String, Arc<Command>>,
}

/// All shells of a host.
pub(crate) struct Shells {
    wine: Wine,
    journal: Arc<Journal>,
    open: Mutex<HashMap<String, Shell>>,
}

type Answer = Result<String, Fault>;

impl Shells {
    pub(crate) fn new(wine: Wine, journal: Arc<Journal>) -> Self {
        Self { wine, journal, open: Mutex::default() }
    }

    /// Does what the envelope asks for `user`; the body of the answer.
    pub(crate) fn handle(&self, envelope: &Envelope, user: &str, knobs: &Knobs) -> Answer {
        if !envelope.resource().starts_with(&format!("{SHELL}/cmd")) {
            return Err(Fault::NO_RESOURCE);
        }
        match envelope.operation() {
            "Create" => self.create(envelope, user, knobs),
            "Command" => self.command(envelope, user),
            "Receive" => self.receive(envelope, user, knobs),
            "Send" => self.send(envelope, user),
            "Signal" => self.signal(envelope, user),
            "Delete" => self.delete(&envelope.shell(), user),
            _ => Err(Fault::NO_ACTION),
        }
    }

    /// Ends all shells, as a restart of the service does.
    pub(crate) fn lose(&self) {
        for shell in self.all().drain() {
            stop_all(&shell.1);
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Shell>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `act` with the addressed shell, which must be the user's.
    fn with_shell<T>(
        &self,
        id: &str,
        user: &str,
        act: impl FnOnce(&mut Shell) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut all = self.all();
        act(all.get_mut(id).filter(|shell| shell.owner == user).ok_or(Fault::NO_SHELL)?)
    }

    fn find(&self, envelope: &Envelope, user: &str) -> Result<Arc<Command>, Fault> {
        let id = envelope.command_id();
        self.with_shell(&envelope.shell(), user, |shell| shell.commands.get(&id).cloned().ok_or(Fault::NO_SHELL))
    }

    fn create(&self, envelope: &Envelope, user: &str, knobs: &Knobs) -> Answer {
        if knobs.on("access_denied") {
            return Err(Fault::ACCESS_DENIED);
        }
        if knobs.on("shells_disabled") {
            return Err(Fault::SHELLS_DISABLED);
        }
        let mut all = self.all();
        if knobs.on("quota") || all.values().filter(|shell| shell.owner == user).count() >= MAX_SHELLS {
            return Err(Fault::TOO_MANY_SHELLS);
        }
        let asked = envelope.all("Shell").find_map(|node| node.attribute("ShellId"));
        let id = asked.map_or_else(new_id, str::to_uppercase);
        all.insert(id.clone(), Shell { owner: user.to_owned(), setting: setting(envelope), commands: HashMap::new() });
        self.journal.note(&format!("shell {id} for {user}"));
        Ok(format!(
            "<x:ResourceCreated><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address>\
             <a:ReferenceParameters><w:ResourceURI>{SHELL}/cmd</w:ResourceURI><w:SelectorSet>\
             <w:Selector Name=\"ShellId\">{id}</w:Selector></w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>\
             <rsp:Shell><rsp:ShellId>{id}</rsp:ShellId><rsp:ResourceUri>{SHELL}/cmd</rsp:ResourceUri>\
             <rsp:Owner>{user}</rsp:Owner><rsp:IdleTimeOut>PT7200.000S</rsp:IdleTimeOut>\
             <rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>"
        ))
    }

    fn command(&self, envelope: &Envelope, user: &str) -> Answer {
        let line = envelope.command_line();
        let length = line.encode_utf16().count();
        if length > MAX_PROCESS_LINE {
            return Err(Fault::LINE_TOO_LONG);
        }
        let asked = envelope.all("CommandLine").find_map(|node| node.attribute("CommandId"));
        let id = asked.map_or_else(new_id, str::to_uppercase);
        let setting = self.with_shell(&envelope.shell(), user, |shell| match shell.commands.len() < MAX_PROCESSES {
            true => Ok(shell.setting.clone()),
            false => Err(Fault::TOO_MANY_OPERATIONS),
        })?;
        self.journal.note(&format!("run {line}"));
        let command = match length > MAX_LINE {
            true => Command::refused("The command line is too long.\r\n"),
            false => self.wine.start(&id, &line, &setting).map_err(|error| self.cannot_start(&error))?,
        };
        self.with_shell(&envelope.shell(), user, |shell| Ok(shell.commands.insert(id.clone(), command)))?;
        Ok(format!("<rsp:CommandResponse><rsp:CommandId>{id}</rsp:CommandId></rsp:CommandResponse>"))
    }

    fn cannot_start(&self, error: &std::io::Error) -> Fault {
        self.journal.note(&format!("cannot start Wine: {error}"));
        Fault::NO_SHELL
    }

    fn receive(&self, envelope: &Envelope, user: &str, knobs: &Knobs) -> Answer {
        let command = self.find(envelope, user)?;
        let room = envelope.max_envelope().saturating_sub(ENVELOPE_OVERHEAD) * 3 / 4;
        let limit = knobs.number("slow").map_or(room.max(2048), |bytes| bytes.max(1) as usize);
        let wait = Duration::try_from_secs_f64(envelope.timeout_s()).unwrap_or_default();
        let fetched = command.fetch(limit, wait).ok_or(Fault::TIMED_OUT)?;
        Ok(receive_response(&envelope.command_id(), &fetched))
    }

    fn send(&self, envelope: &Envelope, user: &str) -> Answer {
        let command = self.find(envelope, user)?;
        for stream in envelope.all("Stream") {
            let bytes = BASE64.decode(stream.text().unwrap_or_default().trim()).unwrap_or_default();
            command.send(&bytes, stream.attribute("End").is_some_and(|end| end.eq_ignore_ascii_case("true")));
        }
        Ok("<rsp:SendResponse/>".to_owned())
    }

    fn signal(&self, envelope: &Envelope, user: &str) -> Answer {
        let id = envelope.command_id();
        let ends = envelope.all("Code").filter_map(|node| node.text()).any(|code| code.trim().ends_with("/terminate"));
        let command = self.with_shell(&envelope.shell(), user, |shell| match ends {
            true => Ok(shell.commands.remove(&id)),
            false => Ok(shell.commands.get(&id).cloned()),
        })?;
        if let Some(command) = command {
            command.stop();
        }
        Ok("<rsp:SignalResponse/>".to_owned())
    }

    fn delete(&self, id: &str, user: &str) -> Answer {
        self.with_shell(id, user, |shell| {
            stop_all(shell);
            Ok(())
        })?;
        self.all().remove(id);
        Ok(String::new())
    }
}

fn stop_all(shell: &Shell) {
    for command in shell.commands.values() {
        command.stop();
    }
}

fn setting(envelope: &Envelope) -> Setting {
    let variable =
        |node: roxmltree::Node| Some((node.attribute("Name")?.to_owned(), node.text().unwrap_or_default().to_owned()));
    Setting {
        environment: envelope.all("Variable").filter_map(variable).collect(),
        directory: envelope.all("WorkingDirectory").find_map(|node| node.text()).map(str::to_owned),
        code_page: envelope.option("WINRS_CODEPAGE").and_then(|text| text.parse().ok()),
    }
}

fn receive_response(id: &str, fetched: &Fetched) -> String {
    let mut body = String::from("<rsp:ReceiveResponse>");
    for (name, bytes) in &fetched.pieces {
        let text = BASE64.encode(bytes);
        let _ = write!(body, "<rsp:Stream Name=\"{name}\" CommandId=\"{id}\">{text}</rsp:Stream>");
    }
    let state = match fetched.code {
        Some(code) => format!(
            "<rsp:Stream Name=\"stdout\" CommandId=\"{id}\" End=\"true\"></rsp:Stream>\
             <rsp:Stream Name=\"stderr\" CommandId=\"{id}\" End=\"true\"></rsp:Stream>\
             <rsp:CommandState CommandId=\"{id}\" State=\"{SHELL}/CommandState/Done\">\
             <rsp:ExitCode>{code}</rsp:ExitCode></rsp:CommandState>"
        ),
        None => format!("<rsp:CommandState CommandId=\"{id}\" State=\"{SHELL}/CommandState/Running\"/>"),
    };
    body + &state + "</rsp:ReceiveResponse>"
}

/// A new identifier in the form of a GUID.
pub(crate) fn new_id() -> String {
    let mut bytes = [0u8; 16];
    // Without randomness two shells would share an identifier, which the tests would notice at once.
    let _ = getrandom::fill(&mut bytes);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
