//! A task's definition in XML, as far as the stand-in knows it; everything else is refused, as
//! `schtasks /create /xml` refuses what its schema does not know.

use std::time::Duration;

use roxmltree::{Document, Node};

const NAMESPACE: &str = "http://schemas.microsoft.com/windows/2004/02/mit/task";

/// What may be in what. Those of a trigger have an order.
const CHILDREN: &[(&str, &[&str])] = &[
    ("Task", &["RegistrationInfo", "Triggers", "Principals", "Settings", "Actions"]),
    ("RegistrationInfo", &["Author", "Description"]),
    ("Triggers", &["RegistrationTrigger", "BootTrigger"]),
    ("RegistrationTrigger", &["Enabled", "StartBoundary", "EndBoundary", "ExecutionTimeLimit", "Delay"]),
    ("BootTrigger", &["Enabled", "StartBoundary", "EndBoundary", "ExecutionTimeLimit", "Delay"]),
    ("Principals", &["Principal"]),
    ("Principal", &["UserId", "LogonType", "RunLevel"]),
    ("Settings", SETTINGS),
    ("Actions", &["Exec"]),
    ("Exec", &["Command", "Arguments", "WorkingDirectory"]),
];

const SETTINGS: &[&str] = &[
    "MultipleInstancesPolicy",
    "DisallowStartIfOnBatteries",
    "StopIfGoingOnBatteries",
    "AllowHardTerminate",
    "StartWhenAvailable",
    "Enabled",
    "ExecutionTimeLimit",
];

/// Values that are words.
const WORDS: &[(&str, &[&str])] = &[
    ("Enabled", BOOLEAN),
    ("DisallowStartIfOnBatteries", BOOLEAN),
    ("StopIfGoingOnBatteries", BOOLEAN),
    ("AllowHardTerminate", BOOLEAN),
    ("StartWhenAvailable", BOOLEAN),
    ("RunLevel", &["LeastPrivilege", "HighestAvailable"]),
    ("MultipleInstancesPolicy", &["Parallel", "Queue", "IgnoreNew", "StopExisting"]),
];

const BOOLEAN: &[&str] = &["true", "false"];

/// When a task runs, and what.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) after_registration: Option<Duration>,
    pub(crate) after_boot: Option<Duration>,
    pub(crate) line: String,
    pub(crate) folder: String,
}

impl Definition {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.to_ascii_lowercase().contains("encoding=\"utf-16") {
            return Err("The task XML is malformed. unable to switch the encoding".to_owned());
        }
        let document = Document::parse(text).map_err(|error| format!("The task XML is malformed. {error}"))?;
        let task = document.root_element();
        if task.tag_name().name() != "Task" || task.attribute("version").is_some_and(|version| version != "1.2") {
            return Err("The task XML contains an unexpected node.".to_owned());
        }
        check(task)?;
        one(task, "UserId").filter(|user| *user == "S-1-5-18").ok_or_else(|| missing("UserId: only LocalSystem"))?;
        if attribute(task, "Principal", "id") != attribute(task, "Actions", "Context") {
            return Err(missing("Context"));
        }
        let after = |kind: &str| task.descendants().find(|node| node.has_tag_name((NAMESPACE, kind))).map(delay);
        let command = one(task, "Command").ok_or_else(|| missing("Command"))?;
        let arguments = one(task, "Arguments").unwrap_or_default();
        Ok(Definition {
            after_registration: after("RegistrationTrigger").transpose()?,
            after_boot: after("BootTrigger").transpose()?,
            line: format!("{command} {arguments}"),
            folder: one(task, "WorkingDirectory").unwrap_or_default().replace("%SystemRoot%", "C:\\windows"),
        })
    }
}

fn missing(what: &str) -> String {
    format!("The task XML is missing a required element or attribute. ({what})")
}

/// The text of the only element of that name.
fn one<'a>(task: Node<'a, 'a>, name: &str) -> Option<&'a str> {
    task.descendants().find(|node| node.has_tag_name((NAMESPACE, name)))?.text().map(str::trim)
}

fn attribute<'a>(task: Node<'a, 'a>, name: &str, attribute: &str) -> Option<&'a str> {
    task.descendants().find(|node| node.has_tag_name((NAMESPACE, name)))?.attribute(attribute)
}

fn check(node: Node<'_, '_>) -> Result<(), String> {
    let name = node.tag_name().name();
    let place = node.document().text_pos_at(node.range().start);
    let unexpected = |name: &str| format!("The task XML contains an unexpected node. ({place}: {name})");
    if node.tag_name().namespace() != Some(NAMESPACE) {
        return Err(unexpected(name));
    }
    let allowed = CHILDREN.iter().find(|(parent, _)| *parent == name).map_or(&[][..], |(_, children)| children);
    let mut last = 0;
    for child in node.children().filter(Node::is_element) {
        let name = child.tag_name().name();
        let place = allowed.iter().position(|allowed| *allowed == name).ok_or_else(|| unexpected(name))?;
        if node.tag_name().name().ends_with("Trigger") && place < last {
            return Err(unexpected(name));
        }
        last = place;
        check(child)?;
    }
    let text = node.text().unwrap_or_default().trim();
    let wrong = WORDS.iter().any(|(word, values)| *word == name && !values.contains(&text));
    if wrong || (matches!(name, "Delay" | "ExecutionTimeLimit") && duration(text).is_none()) {
        return Err(format!("The task XML contains a value which is incorrectly formatted or out of range. ({name})"));
    }
    Ok(())
}

fn delay(trigger: Node<'_, '_>) -> Result<Duration, String> {
    let text = one(trigger, "Delay").unwrap_or("PT0S");
    duration(text).ok_or_else(|| missing("Delay"))
}

/// `PT1H5M30S`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix("PT").filter(|rest| !rest.is_empty())?;
    let mut seconds = 0;
    for (unit, worth) in [('H', 3600), ('M', 60), ('S', 1)] {
        if let Some((number, after)) = rest.split_once(unit) {
            seconds += number.parse::<u64>().ok()? * worth;
            rest = after;
        }
    }
    rest.is_empty().then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xml(trigger: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><Task version=\"1.2\" xmlns=\"{NAMESPACE}\"><Triggers>{trigger}</Triggers>\
             <Principals><Principal id=\"a\"><UserId>S-1-5-18</UserId></Principal></Principals>\
             <Actions Context=\"a\"><Exec><Command>cmd.exe</Command><Arguments>/c x</Arguments>\
             <WorkingDirectory>%SystemRoot%\\f</WorkingDirectory></Exec></Actions></Task>"
        )
    }

    const GOOD: &str = "<RegistrationTrigger><Enabled>true</Enabled><Delay>PT5M1S</Delay></RegistrationTrigger>";

    #[test]
    fn a_definition_is_read() {
        let wanted = Definition {
            after_registration: Some(Duration::from_secs(301)),
            after_boot: None,
            line: "cmd.exe /c x".to_owned(),
            folder: "C:\\windows\\f".to_owned(),
        };
        assert_eq!(Definition::parse(&xml(GOOD)), Ok(wanted));
    }

    #[test]
    fn what_the_schema_does_not_know_is_refused() {
        let bad = [
            xml(&GOOD.replace("PT5M1S", "5 min")),
            xml(&GOOD.replace("true", "yes")),
            xml("<RegistrationTrigger><Delay>PT5M</Delay><Enabled>true</Enabled></RegistrationTrigger>"),
            xml("<Timer/>"),
            xml(GOOD).replace(NAMESPACE, "http://x"),
            xml(GOOD).replace("S-1-5-18", "Administrator"),
            xml(GOOD).replace("Context=\"a\"", "Context=\"b\""),
            xml(GOOD).replace("version=\"1.0\"", "version=\"1.0\" encoding=\"UTF-16\""),
            xml(GOOD).replace("</Task>", ""),
        ];
        for text in bad {
            assert!(Definition::parse(&text).is_err(), "{text}");
        }
    }
}
