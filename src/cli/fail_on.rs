//! `--fail-on`: what makes a run red.

use std::str::FromStr;

use crate::model::Condition;

/// Options of the exit code.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct FailOn {
    /// What the exit code tells of: failed, limits, drift, unreachable, comma separated; or none
    #[arg(long, value_name = "LIST")]
    fail_on: Option<Red>,
}

impl FailOn {
    /// Returns what was asked for, else what is usual for the verb.
    pub(super) fn or(&self, usual: &[Condition]) -> Vec<Condition> {
        self.fail_on.as_ref().map_or_else(|| usual.to_vec(), |red| red.0.clone())
    }
}

/// The conditions of one list.
#[derive(Debug, Clone)]
struct Red(Vec<Condition>);

impl FromStr for Red {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "none" {
            return Ok(Red(Vec::new()));
        }
        text.split(',').map(|word| condition(word.trim())).collect::<Result<_, _>>().map(Red)
    }
}

fn condition(word: &str) -> Result<Condition, String> {
    match word {
        "failed" => Ok(Condition::Failed),
        "limits" => Ok(Condition::Limits),
        "drift" => Ok(Condition::Drift),
        "unreachable" => Ok(Condition::Unreachable),
        _ => Err(format!(
            "`{word}` is none of failed, limits, drift, unreachable; `none` alone is for no failure at all"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_conditions_is_read_and_an_empty_one_is_a_mistake() {
        let of = |text: &str| text.parse::<Red>().map(|red| red.0);
        assert_eq!(of("drift, unreachable"), Ok(vec![Condition::Drift, Condition::Unreachable]));
        assert_eq!(of("none"), Ok(vec![]));
        for text in ["", ",", "drift,", "drift,none", "drifted", "all"] {
            assert!(of(text).is_err(), "{text}");
        }
        assert_eq!(FailOn::default().or(&[Condition::Failed]), [Condition::Failed]);
    }
}
