//! Reports are what `schemas/report.json` promises, and what is not is found.

use fleetclock::model::{FleetReport, Status, Verb};
use serde_json::{Value, json};

#[path = "../schema/mod.rs"]
mod schema;

use crate::{back, build};
use schema::check;

fn edited(edit: impl FnOnce(&mut Value)) -> Result<(), String> {
    let mut json = serde_json::to_value(back::full()).map_err(|error| error.to_string())?;
    edit(&mut json);
    check("report", &json)
}

#[test]
fn a_report_is_what_its_schema_says() {
    let bare: FleetReport = build::fleet(Verb::Check, vec![build::host("server2", Status::Unchanged)]);
    assert_eq!(check("report", &serde_json::to_value(bare).unwrap()), Ok(()));
    assert_eq!(edited(|_| ()), Ok(()));
    assert_eq!(edited(|json| json["hosts"][0]["more"] = json!(1)), Ok(()), "fields may be added");
    for wrong in [
        |json: &mut Value| json["schema"] = json!(2),
        |json: &mut Value| json["command"] = json!("aply"),
        |json: &mut Value| json["hosts"][0]["status"] = json!("fine"),
        |json: &mut Value| json["hosts"][1]["sources"][0]["outcome"] = json!("fine"),
        |json: &mut Value| json["hosts"][1]["sources"][0]["from_123"] = json!("fine"),
        |json: &mut Value| json["hosts"][1]["sources"][0]["offset_s"] = json!("1 ms"),
        |json: &mut Value| drop(json["hosts"][0].as_object_mut().and_then(|host| host.remove("os"))),
    ] {
        assert!(edited(wrong).is_err(), "{:?}", edited(wrong));
    }
}
