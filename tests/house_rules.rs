//! The rules of the house, read from the source: which room may import from which, how long a file may be,
//! and where words of an operating system may stand. Test modules are not read, nor are comments.

#[path = "house_rules/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::{Source, imports, sources};

/// The rooms from the ground up, and the rooms that each imports from: they stand above it in this list, so
/// there is no circle.
const LAYERS: &[(&str, &[&str])] = &[
    ("calendar", &[]),
    ("config", &[]),
    ("files", &[]),
    ("input", &[]),
    ("lang", &[]),
    ("lib", &[]),
    ("main", &[]),
    ("model", &[]),
    ("visible", &[]),
    ("exit", &["model"]),
    ("text", &["model", "visible"]),
    ("yaml", &["visible"]),
    ("firewall", &["exit", "model", "text"]),
    ("assets", &["exit", "input"]),
    ("packages", &["exit", "input"]),
    ("facts", &["exit", "firewall", "model"]),
    ("import", &["exit", "facts", "input", "text", "yaml"]),
    ("history", &["exit", "files", "input", "model"]),
    ("last", &["exit", "files", "history", "input", "model"]),
    ("inventory", &["calendar", "exit", "facts", "firewall", "import", "input", "model", "text", "visible", "yaml"]),
    ("transport", &["files", "input", "inventory", "text"]),
    ("ntp", &["model", "transport"]),
    ("provider", &["config", "exit", "facts", "inventory", "model", "transport"]),
    ("verdict", &["inventory", "model", "ntp", "provider", "text"]),
    ("playbook", &["assets", "config", "exit", "facts", "firewall", "inventory", "provider", "text", "yaml"]),
    (
        "resource",
        &[
            "config",
            "exit",
            "facts",
            "firewall",
            "inventory",
            "model",
            "packages",
            "playbook",
            "provider",
            "text",
            "transport",
        ],
    ),
    ("adopt", &["assets", "config", "facts", "firewall", "inventory", "model", "playbook", "provider", "text"]),
    (
        "doctor",
        &[
            "assets",
            "facts",
            "firewall",
            "inventory",
            "model",
            "ntp",
            "playbook",
            "provider",
            "text",
            "transport",
            "verdict",
        ],
    ),
    (
        "engine",
        &[
            "adopt",
            "assets",
            "calendar",
            "doctor",
            "exit",
            "facts",
            "files",
            "firewall",
            "history",
            "input",
            "inventory",
            "model",
            "ntp",
            "packages",
            "playbook",
            "provider",
            "resource",
            "text",
            "transport",
            "verdict",
        ],
    ),
    ("report", &["exit", "facts", "lang", "model", "ntp", "text"]),
    (
        "cli",
        &[
            "adopt",
            "assets",
            "calendar",
            "engine",
            "exit",
            "facts",
            "files",
            "firewall",
            "history",
            "import",
            "input",
            "inventory",
            "lang",
            "last",
            "model",
            "ntp",
            "packages",
            "playbook",
            "provider",
            "report",
            "text",
            "transport",
        ],
    ),
];

/// Most lines of a file.
const LONGEST: usize = 400;

/// Files that are longer, and how long they are: they may only become shorter.
const LONGER: &[(&str, usize)] = &[];

/// Words of an operating system, and the places (folders and files of `src`) that may say them. Of `engine`,
/// `verdict` and `text` single files: what is left there of what belongs to `resource`, `provider` or `ntp`.
const WORDS: &[(&str, &[&str])] = &[
    (
        "systemctl",
        &["doctor/", "engine/posix/", "facts/linux.rs", "firewall/", "provider/", "resource/", "text/decisive.rs"],
    ),
    ("schtasks", &["engine/windows/timer.rs"]),
    ("reg add", &["doctor/rules/windows", "engine/windows/", "resource/windows/"]),
    (
        "w32tm",
        &[
            "doctor/paste.rs",
            "doctor/rules/windows",
            "doctor/windows.rs",
            "engine/windows/",
            "model/outcome.rs",
            "ntp/stripchart.rs",
            "provider/w32time/",
            "resource/windows/",
        ],
    ),
];

const HERE: &str = "tests/house_rules.rs";

// What to do, behind what is wrong.
const NEW_ROOM: &str = "give it a row in LAYERS in tests/house_rules.rs, and one of the rooms in docs/architecture.md";
const UPWARDS: &str = "move what both need into a room below (`model` has the words that all speak, `text` what \
    makes them fit to be shown). A new arrow downwards is added to LAYERS in tests/house_rules.rs";
const DIVIDE: &str = "divide it by what it is about (those in LONGER in tests/house_rules.rs may only become shorter)";
const ELSEWHERE: &str = "let the resource, the provider, the facts or the diagnosis say it. Rooms that may are in \
    WORDS in tests/house_rules.rs";

/// Fails with all that is wrong.
fn nothing(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

fn rust(sources: &[Source]) -> impl Iterator<Item = &Source> {
    sources.iter().filter(|source| source.path.ends_with(".rs"))
}

#[test]
fn a_room_imports_from_the_rooms_below_it_only() {
    let layers: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    for source in rust(&sources().unwrap()) {
        let room = source.room().to_owned();
        let Some(below) = layers.get(room.as_str()) else {
            wrong.push(format!("src/{}:1: the room `{room}` is new: {NEW_ROOM}", source.path));
            continue;
        };
        for (line, other) in imports(&source.lines(), source.depth()).into_iter().filter(|(_, other)| *other != room) {
            if !below.contains(&other.as_str()) {
                wrong.push(format!("src/{}:{line}: `{room}` may not import from `{other}`: {UPWARDS}", source.path));
            }
            used.insert((room.clone(), other));
        }
    }
    for (room, below) in LAYERS {
        let idle = below.iter().filter(|other| !used.contains(&((*room).to_owned(), (**other).to_owned())));
        wrong.extend(
            idle.map(|other| format!("{HERE}: LAYERS: `{room}` no longer imports from `{other}`: take it out")),
        );
    }
    nothing(&wrong);
}

#[test]
fn the_layers_have_no_circle() {
    let mut above: BTreeSet<&str> = BTreeSet::new();
    let mut wrong = Vec::new();
    for (room, below) in LAYERS {
        let upwards = below.iter().filter(|other| !above.contains(**other));
        wrong.extend(upwards.map(|other| {
            format!("{HERE}: LAYERS: `{room}` imports from `{other}`, which does not stand above it: {UPWARDS}")
        }));
        above.insert(room);
    }
    nothing(&wrong);
}

#[test]
fn files_are_short() {
    let longer: BTreeMap<&str, usize> = LONGER.iter().copied().collect();
    let sources = sources().unwrap();
    let mut wrong = Vec::new();
    for source in rust(&sources) {
        let (path, lines) = (&source.path, source.text.lines().count());
        let fault = match longer.get(path.as_str()) {
            None if lines > LONGEST => format!("{LONGEST}: {lines} lines, and {LONGEST} are allowed: {DIVIDE}"),
            Some(known) if lines > *known => format!("{known}: {lines} lines, and it had {known}: {DIVIDE}"),
            Some(_) if lines <= LONGEST => format!("{lines}: short enough now: take it out of LONGER in {HERE}"),
            Some(known) if lines < *known => format!("{lines}: shorter now: write {lines} in LONGER in {HERE}"),
            _ => continue,
        };
        wrong.push(format!("src/{path}:{fault}"));
    }
    let gone = longer.keys().filter(|path| !sources.iter().any(|source| source.path == **path));
    wrong.extend(gone.map(|path| format!("src/{path}: is gone: take it out of LONGER in {HERE}")));
    nothing(&wrong);
}

#[test]
fn words_of_an_operating_system_stay_in_their_rooms() {
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    for source in &sources().unwrap() {
        for (number, line) in source.lines() {
            for (word, places) in WORDS.iter().filter(|(word, _)| line.contains(word)) {
                match places.iter().find(|place| source.path.starts_with(**place)) {
                    Some(place) => drop(used.insert((*word, *place))),
                    None => wrong.push(format!(
                        "src/{}:{number}: `{word}` is a word of an operating system: {ELSEWHERE}",
                        source.path
                    )),
                }
            }
        }
    }
    for (word, places) in WORDS {
        let idle = places.iter().filter(|place| !used.contains(&(*word, **place)));
        wrong.extend(
            idle.map(|place| format!("{HERE}: WORDS: `{word}` is no longer said in src/{place}: take the place out")),
        );
    }
    nothing(&wrong);
}

/// Rows `| system | tried |` of a page, each as it is told in its first two cells.
fn systems(page: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(page).unwrap_or_default();
    let rows = text.lines().skip_while(|line| !line.starts_with("| system | tried |")).skip(2);
    let cell = |line: &str, at: usize| line.split('|').nth(at).unwrap_or_default().trim().to_owned();
    rows.take_while(|line| line.starts_with('|')).map(|line| (cell(line, 1), cell(line, 2))).collect()
}

/// Who reads the README alone must not take a system for tried that was not.
#[test]
fn the_readme_says_of_each_system_how_it_was_tried() {
    let readme = std::fs::read_to_string("README.md").unwrap();
    let told: Vec<&str> = readme.lines().skip_while(|line| !line.starts_with("| tried |")).collect();
    let mut known = 0;
    for page in ["docs/systems.md", "docs/windows.md"] {
        for (names, tried) in systems(page) {
            let word = tried.split(' ').next().unwrap();
            let rows = told.iter().skip(2).take_while(|line| line.starts_with('|'));
            let row: String = rows.filter(|line| line.starts_with(&format!("| {word}"))).copied().collect();
            for name in names.split([',', ' ']).filter(|name| !matches!(*name, "" | "and" | "to" | "Server")) {
                assert!(row.contains(name), "{page}: {names} was {tried}, and the README does not say so of {name}");
                known += 1;
            }
        }
    }
    assert!(known > 30, "{known} names");
}
