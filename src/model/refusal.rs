//! Why a run could not start: what a program reads in place of a report.

use serde::{Deserialize, Serialize};

use super::ErrorReport;

/// What kept the program from its work, before any host was contacted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Refusal {
    /// The version of this description.
    pub schema: u32,
    /// The verb as it was typed, `inventory validate`; `None` of a command line that says none.
    pub command: Option<String>,
    /// The exit code of the program.
    pub exit_code: u8,
    /// What was tried, the cause, and the way out.
    pub error: ErrorReport,
    /// Each mistake of the inventory, in the order of the file.
    #[serde(default)]
    pub mistakes: Vec<MistakeReport>,
}

/// One thing that is wrong with an inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MistakeReport {
    /// The inventory.
    pub file: String,
    /// The line, from 1; `None` of what has no place.
    pub line: Option<u64>,
    /// The column, from 1; characters and not bytes.
    pub column: Option<u64>,
    /// What kind of mistake it is.
    pub code: MistakeCode,
    /// What is wrong.
    pub message: String,
    /// The way out, if there is one to offer.
    pub hint: Option<String>,
}

/// The kinds of mistakes that an inventory may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MistakeCode {
    /// The file cannot be read, or is no UTF-8 text.
    Unreadable,
    /// It is no YAML, or YAML that an inventory must not have.
    Syntax,
    /// There is no such setting.
    UnknownSetting,
    /// A number stands where a text is needed, and the like.
    WrongType,
    /// A setting has a value that it cannot have.
    WrongValue,
    /// Something that is needed is not there.
    Missing,
    /// A name stands for nothing in the inventory.
    UnknownName,
    /// Two places say things that cannot both be.
    Conflict,
    /// Who follows whom cannot work.
    Hierarchy,
}

impl MistakeCode {
    /// All of them.
    pub const ALL: [MistakeCode; 9] = [
        MistakeCode::Unreadable,
        MistakeCode::Syntax,
        MistakeCode::UnknownSetting,
        MistakeCode::WrongType,
        MistakeCode::WrongValue,
        MistakeCode::Missing,
        MistakeCode::UnknownName,
        MistakeCode::Conflict,
        MistakeCode::Hierarchy,
    ];

    /// Returns the word of the report.
    pub fn word(self) -> &'static str {
        match self {
            MistakeCode::Unreadable => "unreadable",
            MistakeCode::Syntax => "syntax",
            MistakeCode::UnknownSetting => "unknown_setting",
            MistakeCode::WrongType => "wrong_type",
            MistakeCode::WrongValue => "wrong_value",
            MistakeCode::Missing => "missing",
            MistakeCode::UnknownName => "unknown_name",
            MistakeCode::Conflict => "conflict",
            MistakeCode::Hierarchy => "hierarchy",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_code_is_that_of_the_report() {
        for code in MistakeCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.word());
        }
    }
}
