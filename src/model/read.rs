//! A report read back from its JSON, as another run of this program, or of another version, has written it.

use serde::Deserialize;

use super::{FleetReport, SCHEMA};

/// Why a text is no report that can be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is no JSON, or that of something else.
    #[error("this is no report of fleetclock: {0}")]
    Foreign(serde_json::Error),
    /// It is a report, and its fields do not mean what they mean here.
    #[error("this report has schema {0}; this fleetclock reads schema {SCHEMA}")]
    Schema(u32),
    /// It is a report of this schema, and something in it is not known.
    #[error("this report has schema {SCHEMA} and cannot be read: {0}; a newer fleetclock may have written it")]
    Content(serde_json::Error),
}

/// What tells a report from other documents.
#[derive(Deserialize)]
struct Head {
    schema: u32,
}

impl FleetReport {
    /// Reads a report that `--format json` has printed. Fields that are not known here are passed over.
    ///
    /// # Errors
    /// The text is no report, or one of another schema, or has words that are not known here.
    pub fn read(text: &str) -> Result<FleetReport, ReadError> {
        let head: Head = serde_json::from_str(text).map_err(ReadError::Foreign)?;
        if head.schema != SCHEMA {
            return Err(ReadError::Schema(head.schema));
        }
        serde_json::from_str(text).map_err(ReadError::Content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::fleet;
    use crate::model::{Status, Verb};
    use serde_json::json;

    fn edited(edit: impl FnOnce(&mut serde_json::Value)) -> Result<FleetReport, String> {
        let mut json = serde_json::to_value(fleet(&[("a", Status::Unchanged)])).unwrap();
        edit(&mut json);
        FleetReport::read(&json.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_newer_one_has_added_is_passed_over_and_what_an_older_one_lacked_is_empty() {
        let more = edited(|json| {
            json["site"] = json!("eu");
            json["hosts"][0]["site"] = json!({ "name": "eu" });
        });
        assert_eq!(more, Ok(fleet(&[("a", Status::Unchanged)])));
        let less = edited(|json| {
            for field in ["addresses", "warnings", "os", "findings"] {
                json["hosts"][0].as_object_mut().unwrap().remove(field);
            }
        });
        let host = less.unwrap().hosts.remove(0);
        assert_eq!((host.addresses, host.os), (vec![], None));
    }

    #[test]
    fn what_cannot_be_read_is_said_in_plain_words() {
        let schema = edited(|json| json["schema"] = json!(2)).unwrap_err();
        assert_eq!(schema, "this report has schema 2; this fleetclock reads schema 1");
        let word = edited(|json| json["hosts"][0]["status"] = json!("fine")).unwrap_err();
        assert!(word.starts_with("this report has schema 1 and cannot be read: unknown variant `fine`"), "{word}");
        assert!(word.ends_with("; a newer fleetclock may have written it"), "{word}");
        for text in ["", "[]", "{}", "{\"hosts\": []}", "schema: 1\n"] {
            let error = FleetReport::read(text).unwrap_err().to_string();
            assert!(error.starts_with("this is no report of fleetclock: "), "{error}");
        }
        assert_eq!(edited(|json| json["command"] = json!("undo")).unwrap().command, Verb::Undo);
    }
}
