//! Several jobs share the hosts of a run: by the examples for Slurm, which is started here with one node, and for GNU
//! parallel.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::fixture::{Lab, Run, named};
use crate::rollout::{HOSTS, THREE};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs a command in a folder of the lab with the examples, the program and what `lab foreign` has on its path.
struct Engine<'a> {
    lab: &'a Lab,
    foreign: String,
}

impl Engine<'_> {
    fn new(lab: &Lab) -> Engine<'_> {
        let dir = lab.path("shards").display().to_string();
        lab.here(&format!(
            "mkdir -p {dir}/bin && cp {ROOT}/examples/scale/*.sh {dir} && ln -sf {} {dir}/bin/fleetclock",
            env!("CARGO_BIN_EXE_fleetclock")
        ));
        Engine { lab, foreign: lab.foreign() }
    }

    /// What a command prints. Each variable is `NAME=VALUE`.
    fn run(&self, variables: &str, command: &str) -> String {
        let (dir, inventory) = (self.lab.path("shards"), self.lab.path("fleet.yml"));
        let (dir, foreign) = (dir.display(), &self.foreign);
        self.lab.said_here(&format!(
            "cd {dir} && {ROOT}/tests/lab/lab run {} env PATH={dir}/bin:{foreign}/usr/bin:$PATH FLEETCLOCK_INVENTORY={} \
             XDG_STATE_HOME={dir}/state {variables} {command}",
            named("shards"),
            inventory.display(),
        ))
    }

    fn slurm(&self, variables: &str, command: &str) -> String {
        let dir = self.lab.path("slurm");
        self.run(variables, &format!("{ROOT}/tests/lab/slurm {} {} {command}", self.foreign, dir.display()))
    }
}

/// How each host ended.
fn endings(report: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    report["hosts"].as_array().unwrap().iter().map(|host| (text(&host["name"]), text(&host["status"]))).collect()
}

/// What the reports of a run say together.
fn merged(lab: &Lab, run: &str) -> Run {
    let folder = lab.path("shards").join(run);
    let mut files: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path().display().to_string()).collect();
    files.retain(|file| file.ends_with(".json"));
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    lab.fleetclock(&[&["report", "merge", "--format", "json", "--exit-code"], &files[..]].concat())
}

mod slow {
    use super::*;

    #[test]
    #[ignore = "needs the lab: ./test --slow runs it"]
    fn jobs_of_slurm_and_of_gnu_parallel_do_the_work_of_one_run() {
        let lab = Lab::up("shards", HOSTS, THREE);
        // Masters are changed in one job, and the others by as many as one likes.
        let divided = lab.fleetclock(&["apply", "--yes", "--shard", "1/2"]);
        assert_eq!(divided.code, 2, "{}", divided.stderr);
        assert!(divided.stderr.contains("masters of the same hosts"), "{}", divided.stderr);
        assert_eq!(lab.json(&["apply", "--yes", "--role", "master"]).0, 0);
        for shard in ["1/2", "2/2"] {
            let (code, report) = lab.json(&["apply", "--yes", "--role", "slave", "--shard", shard]);
            assert_eq!((code, report["summary"]["changed"].as_u64()), (0, Some(1)), "{report:#}");
        }
        lab.sh("server3", "echo 'tinker stepout 301' >>/etc/ntpsec/ntp.conf");
        let (code, whole) = lab.json(&["check"]);
        assert_eq!(code, 3, "{whole:#}");

        let engine = Engine::new(&lab);
        engine.slurm("SHARDS=2 RUN=night", "./slurm-submit.sh");
        let page = lab.said_here(&format!("cat {}/clocks.log", lab.path("shards").display()));
        assert!(page.contains("3 hosts: 1 drifted, 2 in sync"), "{page}");
        let all = merged(&lab, "night");
        assert_eq!(all.code, 3, "{}", all.stderr);
        assert_eq!(endings(&serde_json::from_str(&all.stdout).unwrap()), endings(&whole));

        // A task that was killed leaves no report, and is repeated alone.
        std::fs::remove_file(lab.path("shards").join("night/2.json")).unwrap();
        let lost = merged(&lab, "night");
        assert_eq!(lost.code, 2, "{}", lost.stdout);
        assert!(lost.stderr.contains("no report of shard 2/2 is there"), "{}", lost.stderr);
        engine.slurm("RUN=night FLEETCLOCK_SHARD=2/2", "sbatch --array=2 slurm-shard.sh");
        assert_eq!(endings(&serde_json::from_str(&merged(&lab, "night").stdout).unwrap()), endings(&whole));

        let said = engine.run("SHARDS=3", "sh -c './parallel.sh; echo ended with $?'");
        assert!(said.contains("3 hosts: 1 drifted, 2 in sync") && said.contains("ended with 3"), "{said}");
    }
}
