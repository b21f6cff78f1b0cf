//! `--shard`: which part of the hosts is this job's, said by the user or by the program that has started the job.

use std::str::FromStr;

use anyhow::{Result, anyhow};

use crate::exit::Hint as _;
use crate::inventory::Shard;

/// A variable of the environment, by its name.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What `--shard` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// This part.
    Part(Shard),
    /// The part that the environment says; of how many, where that does not.
    Auto(Option<usize>),
}

/// A program that starts several jobs, and the variables by which it tells each which one it is.
struct Launcher {
    name: &'static str,
    /// The number of this job.
    index: &'static str,
    /// The number of the first one.
    first: First,
    /// How many there are, where it says so.
    count: Option<&'static str>,
}

enum First {
    Number(usize),
    /// The variable that says it, and the one with what lies between two numbers.
    Variable(&'static str, &'static str),
}

/// Sources: docs.gitlab.com/ci/variables (predefined), slurm.schedmd.com/sbatch.html (output environment variables),
/// kubernetes.io/docs/concepts/workloads/controllers/job (completion mode), developer.hashicorp.com/nomad/docs
/// (runtime environment), gnu.org/software/parallel/man.html (environment variables).
const LAUNCHERS: &[Launcher] = &[
    Launcher {
        name: "GitLab CI (`parallel`)",
        index: "CI_NODE_INDEX",
        first: First::Number(1),
        count: Some("CI_NODE_TOTAL"),
    },
    Launcher {
        name: "Slurm (a job array)",
        index: "SLURM_ARRAY_TASK_ID",
        first: First::Variable("SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP"),
        count: Some("SLURM_ARRAY_TASK_COUNT"),
    },
    Launcher {
        name: "Kubernetes (an Indexed Job)",
        index: "JOB_COMPLETION_INDEX",
        first: First::Number(0),
        count: None,
    },
    Launcher { name: "Nomad", index: "NOMAD_ALLOC_INDEX", first: First::Number(0), count: None },
    Launcher { name: "GNU parallel", index: "PARALLEL_SEQ", first: First::Number(1), count: None },
];

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        match text.split_once('/') {
            None if text == "auto" => Ok(Choice::Auto(None)),
            Some(("auto", of)) => match number(of) {
                Some(of) if of > 0 => Ok(Choice::Auto(Some(of))),
                _ => Err(format!("`{of}` is no number of shards")),
            },
            Some((index, of)) => match number(index).zip(number(of)) {
                Some((index, of)) => Shard::new(index, of).map(Choice::Part).ok_or(range(of)),
                None => Err(FORM.to_owned()),
            },
            None => Err(FORM.to_owned()),
        }
    }
}

const FORM: &str = "K/N (the first of eight is 1/8), `auto` or `auto/N` is wanted";

fn range(of: usize) -> String {
    match of {
        0 => "there are no shards of 0".to_owned(),
        _ => format!("the shards are 1/{of} to {of}/{of}"),
    }
}

impl Choice {
    /// Returns the part.
    ///
    /// # Errors
    /// The environment does not say it, or not clearly.
    pub(super) fn shard(self, lookup: Lookup<'_>) -> Result<Shard> {
        let of = match self {
            Choice::Part(shard) => return Ok(shard),
            Choice::Auto(of) => of,
        };
        let set = |launcher: &&Launcher| launcher.is_there(lookup);
        let found: Vec<&Launcher> = LAUNCHERS.iter().filter(set).collect();
        match found[..] {
            [one] => one.shard(of, lookup),
            [] => {
                let names: Vec<String> = LAUNCHERS.iter().map(Launcher::words).collect();
                let hint = format!("`--shard K/N` says it; read are those of {}", names.join(", "));
                Err(anyhow!("--shard auto: no variable says which shard this job is").hint(&hint))
            }
            _ => {
                let names: Vec<String> = found.iter().map(|one| one.words()).collect();
                let what = format!("--shard auto: {} say which job this is", names.join(" and "));
                Err(anyhow!(what).hint("say the one that is meant with `--shard K/N`"))
            }
        }
    }
}

impl Launcher {
    /// GitLab sets the count also where there is one job, and then no number.
    fn is_there(&self, lookup: Lookup<'_>) -> bool {
        lookup(self.index).is_some() || self.count.and_then(lookup).as_deref() == Some("1")
    }

    fn words(&self) -> String {
        format!("{} ({})", self.name.split(" (").next().unwrap_or(self.name), self.index)
    }

    fn shard(&self, said: Option<usize>, lookup: Lookup<'_>) -> Result<Shard> {
        let number = |name: &str| {
            let Some(text) = lookup(name) else { return Ok(None) };
            text.trim().parse::<usize>().map(Some).map_err(|_| anyhow!("--shard auto: {name} is `{text}`, no number"))
        };
        let known = self.count.map(number).transpose()?.flatten();
        let of = match (said, known) {
            (Some(said), Some(known)) if said != known => {
                return Err(anyhow!("--shard auto/{said}: {} says that there are {known}", self.name));
            }
            (said, known) => said.or(known),
        };
        let Some(of) = of else {
            let what = format!("--shard auto: {} says which job this is, but not of how many", self.name);
            return Err(anyhow!(what).hint("`--shard auto/N` says it"));
        };
        let Some(index) = number(self.index)? else { return Shard::new(1, of).ok_or_else(|| anyhow!(range(of))) };
        let (first, step) = match self.first {
            First::Number(first) => (first, 1),
            First::Variable(first, step) => (number(first)?.unwrap_or(1), number(step)?.unwrap_or(1).max(1)),
        };
        let position = index.checked_sub(first).filter(|distance| distance.is_multiple_of(step));
        position.and_then(|distance| Shard::new(distance / step + 1, of)).ok_or_else(|| {
            let what = format!("--shard auto: {} is {index}, and there are {of} from {first} on", self.index);
            anyhow!(what).hint("`--shard K/N` says which shard this job is")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `--shard` says, in this environment.
    fn shard(option: &str, environment: &[(&str, &str)]) -> Result<Shard, String> {
        let lookup =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        option.parse::<Choice>()?.shard(&lookup).map_err(|error| crate::exit::message(&error))
    }

    #[test]
    fn what_is_said_is_taken_whatever_the_environment_says() {
        for (text, index, of) in [("1/1", 1, 1), ("3/8", 3, 8), ("8/8", 8, 8), ("007/010", 7, 10)] {
            assert_eq!(
                shard(text, &[("CI_NODE_INDEX", "2"), ("CI_NODE_TOTAL", "4")]),
                Ok(Shard::new(index, of).unwrap())
            );
        }
        let wrong = [
            "", "/", "0/8", "9/8", "1/0", "0/0", "1", "a/8", "1/b", "1/8/2", "-1/8", "+1/8", "auto/", "auto/0",
            "auto/x", "Auto",
        ];
        for text in wrong {
            assert!(text.parse::<Choice>().is_err(), "{text}");
        }
        assert_eq!("9/8".parse::<Choice>().unwrap_err(), "the shards are 1/8 to 8/8");
    }

    #[test]
    fn each_launcher_says_it_in_its_own_way() {
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], (usize, usize));
        let cases: &[Case<'_>] = &[
            ("auto", &[("CI_NODE_INDEX", "2"), ("CI_NODE_TOTAL", "4")], (2, 4)),
            ("auto", &[("CI_NODE_TOTAL", "1")], (1, 1)),
            ("auto/4", &[("CI_NODE_INDEX", "4"), ("CI_NODE_TOTAL", "4")], (4, 4)),
            (
                "auto",
                &[("SLURM_ARRAY_TASK_ID", "0"), ("SLURM_ARRAY_TASK_MIN", "0"), ("SLURM_ARRAY_TASK_COUNT", "4")],
                (1, 4),
            ),
            (
                "auto",
                &[("SLURM_ARRAY_TASK_ID", "4"), ("SLURM_ARRAY_TASK_MIN", "1"), ("SLURM_ARRAY_TASK_COUNT", "4")],
                (4, 4),
            ),
            (
                "auto",
                &[
                    ("SLURM_ARRAY_TASK_ID", "30"),
                    ("SLURM_ARRAY_TASK_MIN", "10"),
                    ("SLURM_ARRAY_TASK_STEP", "10"),
                    ("SLURM_ARRAY_TASK_COUNT", "3"),
                ],
                (3, 3),
            ),
            ("auto/3", &[("JOB_COMPLETION_INDEX", "0")], (1, 3)),
            ("auto/3", &[("NOMAD_ALLOC_INDEX", "2")], (3, 3)),
            ("auto/3", &[("PARALLEL_SEQ", "3")], (3, 3)),
        ];
        for (option, environment, (index, of)) in cases {
            assert_eq!(shard(option, environment), Ok(Shard::new(*index, *of).unwrap()), "{environment:?}");
        }
    }

    #[test]
    fn what_is_not_clear_is_refused() {
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
        let cases: &[Case<'_>] = &[
            ("auto", &[], "no variable says which shard this job is"),
            ("auto/8", &[], "no variable says which shard this job is"),
            ("auto", &[("JOB_COMPLETION_INDEX", "2")], "but not of how many"),
            ("auto/2", &[("JOB_COMPLETION_INDEX", "2")], "JOB_COMPLETION_INDEX is 2, and there are 2 from 0 on"),
            ("auto/4", &[("PARALLEL_SEQ", "0")], "PARALLEL_SEQ is 0, and there are 4 from 1 on"),
            ("auto/4", &[("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "8")], "says that there are 8"),
            ("auto", &[("CI_NODE_INDEX", "one"), ("CI_NODE_TOTAL", "8")], "CI_NODE_INDEX is `one`, no number"),
            (
                "auto/4",
                &[("PARALLEL_SEQ", "1"), ("NOMAD_ALLOC_INDEX", "0")],
                "Nomad (NOMAD_ALLOC_INDEX) and GNU parallel (PARALLEL_SEQ) say",
            ),
            // An irregular array has no positions.
            (
                "auto",
                &[("SLURM_ARRAY_TASK_ID", "7"), ("SLURM_ARRAY_TASK_MIN", "0"), ("SLURM_ARRAY_TASK_COUNT", "2")],
                "SLURM_ARRAY_TASK_ID is 7, and there are 2 from 0 on",
            ),
        ];
        for (option, environment, why) in cases {
            let error = shard(option, environment).unwrap_err();
            assert!(error.contains(why), "{option} {environment:?}: {error}");
        }
    }
}
