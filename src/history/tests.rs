//! Records as files, whole and damaged.

use super::*;
use crate::model::sample;
use proptest::prelude::*;
use serde_json::{Value, json};

fn record(run: &str, report: Option<FleetReport>) -> Record {
    let hosts = vec!["a".into(), "b".into()];
    let begun = Record::begin(Verb::Apply, "me@here".into(), run.into(), Path::new("fleet.yml"), hosts);
    Record { report, ..begun }
}

#[test]
fn a_record_without_end_and_what_is_no_file_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let history = History { folder: dir.path().to_owned() };
    std::fs::File::create(history.path("large")).unwrap().set_len(LARGEST + 1).unwrap();
    std::os::unix::fs::symlink("/dev/zero", history.path("zero")).unwrap();
    for (name, cause) in [("large", "the limit is"), ("zero", "it is no file")] {
        let error = format!("{:#}", history.find(Some(name), |_| true).unwrap_err());
        assert!(error.contains(cause) && error.contains(name), "{error}");
    }
    assert!(history.all().unwrap().next().is_none() && history.entries().unwrap().is_empty());
}

/// What JSON has, of some depth.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~é\u{202e}]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let key = prop_oneof![
            Just("hosts".to_owned()),
            Just("name".to_owned()),
            Just("status".to_owned()),
            Just("summary".to_owned()),
            "[a-z]{0,6}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6).prop_map(|map| json!(map)),
        ]
    })
}

fn report() -> Value {
    serde_json::to_value(sample::fleet(&[("a", Status::Changed), ("b", Status::FailedUndone)])).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_a_record_holds_it_is_read_or_refused(
        (report, is_report) in prop_oneof![json_value().prop_map(|value| (value, false)), Just((report(), true))],
        cut in 0usize..1200, noise in any::<u8>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let history = History { folder: dir.path().to_owned() };
        let mut json = serde_json::to_value(record("r", None)).unwrap();
        json["report"] = report;
        let mut bytes = serde_json::to_vec(&json).unwrap();
        for spoilt in [false, true] {
            if spoilt {
                let at = cut % bytes.len();
                bytes[at] = noise;
            }
            std::fs::write(history.path("r"), &bytes).unwrap();
            let read = history.find(Some("r"), |_| true);
            prop_assert!(spoilt || !is_report || read.is_ok());
            if let Ok(record) = read {
                let _ = record.changed();
            }
            let _ = history.entries().unwrap();
        }
        std::fs::write(history.path("r"), &bytes[..cut.min(bytes.len())]).unwrap();
        let _ = (history.find(None, |_| true), history.all().unwrap().count());
    }
}

#[test]
fn a_record_is_written_twice_and_the_oldest_ones_go() {
    let dir = tempfile::tempdir().unwrap();
    let history = History { folder: dir.path().join("deep/runs") };
    assert!(history.all().unwrap().next().is_none() && history.find(None, |_| true).is_err());
    history.write(&record("r1", None)).unwrap();
    history.write(&record("r1", Some(sample::fleet(&[])))).unwrap();
    assert_eq!(history.all().unwrap().count(), 1);
    for number in 0..KEPT {
        history.write(&record(&format!("s{number:04}"), None)).unwrap();
    }
    assert_eq!(history.names().unwrap().len(), KEPT);
    assert!(history.find(Some("r1"), |_| true).is_err());
    assert_eq!(history.find(Some("s0123"), |_| true).unwrap().run, "s0123");
    let several = history.whole("s012").unwrap_err();
    assert_eq!(several.to_string(), "`s012` is the beginning of 10 runs");
    assert!(crate::exit::hint(&several).unwrap().ends_with("s0128, s0129"));
    assert!(history.whole("").is_err() && history.whole("s9").is_err());
    assert_eq!(history.find(None, |_| true).unwrap().run, format!("s{:04}", KEPT - 1));
    let of = |name: &str| history.find(None, |path| is_same(path, Path::new(name))).map(|record| record.run);
    assert_eq!(of("./fleet.yml").unwrap(), format!("s{:04}", KEPT - 1));
    assert!(of("other.yml").is_err());
}

#[test]
fn the_beginning_of_a_name_is_told_from_a_host() {
    for (word, is_it) in [
        ("20261125T06", true),
        ("20261125T063732693813", true),
        ("20261125", false),
        ("20261125T6", false),
        ("web1T06", false),
        ("", false),
    ] {
        assert_eq!(is_beginning(word), is_it, "{word}");
    }
    assert!(is_name("20261125T063732693813Z") && !is_beginning("20261125T063732693813Z"));
}

#[test]
fn a_list_reads_how_each_run_ended_and_none_of_its_hosts() {
    let dir = tempfile::tempdir().unwrap();
    let history = History { folder: dir.path().to_owned() };
    let report = sample::fleet(&[("a", Status::Changed), ("b", Status::Changed)]);
    history.write(&record("r1", Some(report.clone()))).unwrap();
    assert_eq!(history.find(Some("r1"), |_| true).unwrap().report, Some(report));
    history.write(&record("r2", None)).unwrap();
    std::fs::write(dir.path().join("r3.json"), "no record").unwrap();
    let entries = history.entries().unwrap();
    let ended = |entry: &Entry| entry.report.as_ref().map(|end| (end.summary.changed, end.seconds));
    assert_eq!(entries.iter().map(|entry| entry.run.as_str()).collect::<Vec<_>>(), ["r2", "r1"]);
    assert_eq!(entries.iter().map(ended).collect::<Vec<_>>(), [None, Some((2, Some(1.5)))]);
}
