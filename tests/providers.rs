//! Walks the list of time services and demands of each its parts, by name: what was recorded of it, the file that is
//! made for it, a case of `doctor`, its section in the documents, its playbook and template.
//! `UPDATE=1 cargo test --test providers` writes the files that are expected.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};

use fleetclock::assets::Assets;
use fleetclock::facts::services::{self, Service, System};
use fleetclock::playbook::Playbook;
use fleetclock::provider::{self, Provider};

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn behaviour(service: &Service) -> Option<&'static dyn Provider> {
    provider::every().find(|provider| provider.service().name == service.name)
}

/// What a service lacks; empty if it is whole.
fn lacking(service: &Service) -> Vec<String> {
    let name = service.name;
    let Some(provider) = behaviour(service) else { return vec!["a line in ALL of src/provider/mod.rs".to_owned()] };
    let mut lacks = Vec::new();
    let mut demand = |is: bool, what: String| lacks.extend((!is).then_some(what));
    let samples = match service.system {
        System::Linux => format!("tests/verdict/{name}.txt"),
        System::Windows => "tests/w32tm/ko-synchronised.txt".to_owned(),
    };
    demand(file(&samples).is_file(), format!("answers that were recorded: {samples}"));
    demand(
        file(&format!("tests/providers/{name}.txt")).is_file(),
        format!("tests/providers/{name}.txt: UPDATE=1 writes it"),
    );
    demand(has_case(service), format!("a case of doctor: a host in tests/doctor that runs {name}"));
    let page = std::fs::read_to_string(file("docs/providers.md")).unwrap();
    demand(page.contains(&format!("\n## {name}\n")), format!("a section `## {name}` in docs/providers.md"));
    let assets = Assets::new(None).unwrap();
    match Playbook::load(&assets, provider.playbook()) {
        Err(error) => demand(false, format!("its playbook: {error:#}")),
        Ok(playbook) if service.system == System::Linux => {
            let templates: Vec<&str> = playbook.steps.iter().filter_map(|step| step.template()).collect();
            demand(!templates.is_empty(), format!("a template in {}", provider.playbook()));
            for template in templates {
                demand(assets.read(&format!("templates/{template}")).is_ok(), format!("templates/{template}"));
            }
        }
        Ok(_) => {}
    }
    if service.system == System::Linux {
        demand(!provider.evidence().is_empty(), format!("what doctor asks it: src/provider/{name}/evidence.sh"));
        demand(!provider.language().sources.is_empty(), "the language of its configuration (`language`)".to_owned());
    }
    lacks
}

/// Whether a recorded host runs it: the part `service` says unit, service and file.
fn has_case(service: &Service) -> bool {
    let cases = std::fs::read_dir(file("tests/doctor")).unwrap().map(|entry| entry.unwrap().path());
    cases.filter(|path| path.extension().is_some_and(|end| end == "txt")).any(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        match service.system {
            System::Linux => text
                .split("\n#: service 0\n")
                .skip(1)
                .any(|rest| rest.lines().next().unwrap_or_default().split(' ').nth(1) == Some(service.name)),
            System::Windows => text.contains("\n#: w32time 0\n"),
        }
    })
}

#[test]
fn every_time_service_is_whole() {
    let wrong: Vec<String> = services::ALL
        .iter()
        .flat_map(|service| lacking(service).into_iter().map(|what| format!("{} lacks {what}", service.name)))
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    assert_eq!(provider::every().count(), services::ALL.len(), "a service has its data in src/facts/services");
}

/// What a host gets by the name of each service, as `render` prints it.
#[test]
#[expect(clippy::disallowed_methods, reason = "the program itself is the subject")]
fn every_time_service_makes_the_file_that_is_expected() {
    for service in services::ALL {
        let host = match service.system {
            System::Linux => "client",
            System::Windows => "windows",
        };
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_fleetclock"));
        command.args(["render", host, "-i", "tests/providers/fleet.yml"]);
        if service.system == System::Linux {
            command.args(["--provider", service.name]);
        }
        let output = command.current_dir(file("")).output().unwrap();
        let came = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{}: {came}", service.name);
        let path = file(&format!("tests/providers/{}.txt", service.name));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, came).unwrap();
        } else {
            assert_eq!(came, std::fs::read_to_string(path).unwrap_or_default(), "{}: UPDATE=1 writes it", service.name);
        }
    }
}
