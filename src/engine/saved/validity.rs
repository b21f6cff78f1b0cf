//! When a plan may be applied, as its file says it: in the words of the command line.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::calendar::{Timestamp, Window};

/// When a plan may be applied; nothing set is always.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validity {
    /// Until when.
    #[serde(serialize_with = "write_until", deserialize_with = "read_until")]
    pub until: Option<Timestamp>,
    /// In which windows; none is in any.
    #[serde(serialize_with = "write_windows", deserialize_with = "read_windows")]
    pub windows: Vec<Window>,
}

impl Validity {
    /// What it says in words, if it says anything.
    pub fn words(&self) -> Option<String> {
        let until = self.until.map(|until| format!("until {}", crate::calendar::shown(until)));
        let windows = (!self.windows.is_empty()).then(|| {
            let all: Vec<String> = self.windows.iter().map(|window| format!("`{window}`")).collect();
            format!("in {}", all.join(" or "))
        });
        let parts: Vec<String> = [until, windows].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

fn write_until<S: Serializer>(until: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    until.map(|until| until.to_string()).serialize(serializer)
}

fn read_until<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(Error::custom)).transpose()
}

fn write_windows<S: Serializer>(windows: &[Window], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(windows.iter().map(ToString::to_string))
}

fn read_windows<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Window>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(Error::custom)).collect()
}
