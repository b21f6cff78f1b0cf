//! Plans as files: what is read back, what is refused.

use super::*;
use crate::assets::EMBEDDED;
use crate::engine::plan::blank;
use crate::engine::sample;
use proptest::prelude::*;

fn plan() -> Saved {
    let host = sample::host("h1");
    let inputs = Inputs {
        inventory: Path::new("fleet.yml"),
        assets: &Assets::default(),
        made: "2026-11-21T02:00:00Z".into(),
        allow_step: vec!["h1".into()],
        order: Order::default(),
        validity: Validity::default(),
    };
    Saved::of(&[Err(Box::new(blank(&host)))], &[host], &inputs).unwrap()
}

#[test]
fn a_plan_is_read_back_as_it_was_written_and_one_that_was_edited_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.plan");
    std::fs::write(&path, plan().text().unwrap()).unwrap();
    let read = Saved::read(&path).unwrap();
    assert_eq!((read.hosts.len(), read.assets.len(), read.hosts[0].allow_step), (1, EMBEDDED.len(), true));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "a temporary file was left");
    let text = std::fs::read_to_string(&path).unwrap();
    let why = |text: String| {
        std::fs::write(&path, text).unwrap();
        crate::exit::message(&Saved::read(&path).unwrap_err())
    };
    assert!(why(text.replace("10.10.10.1", "10.10.10.2")).contains("its digest differs"));
    assert!(why(text.replace(env!("CARGO_PKG_VERSION"), "9.9.9")).contains("made by version 9.9.9"));
    assert!(why("{}".to_owned()).contains("is no plan"));
}

#[test]
fn an_edited_plan_consents_to_nothing_even_with_its_digest_made_anew() {
    let text = plan().text().unwrap();
    let forge = |from: &str, to: &str| {
        let edited = text.replace(from, to);
        let read: Saved = serde_json::from_str(&edited).unwrap();
        let blank = edited.replace(&field("digest", &read.digest), &field("digest", ""));
        let forged = blank.replace(&field("digest", ""), &field("digest", &digest(blank.as_bytes())));
        parse(&forged, Path::new("a.plan")).map(|plan| plan.is_own)
    };
    // Where this machine has no place for the key, no plan is its own.
    let sealed = !serde_json::from_str::<Saved>(&text).unwrap().seal.is_empty();
    assert_eq!(forge("", "").unwrap(), sealed);
    assert!(!forge("fleet.yml", "other.yml").unwrap());
    assert!(!forge("\"seal\": \"", "\"seal\": \"00").unwrap());
    let why = forge("\"offset_s\": null", "\"offset_s\": 1e300").unwrap_err().to_string();
    assert!(why.contains("the offset of host `h1`"), "{why}");
}

proptest! {
    #[test]
    fn no_text_makes_a_plan_panic(at in 0usize..4000, word in "[-0-9eE.\"{}\\[\\],:a-z]{0,12}", offset in any::<f64>()) {
        let mut plan = plan();
        plan.hosts[0].offset_s = Some(offset);
        let mut hosts = [sample::host("h1")];
        plan.consent(&mut hosts);
        let mut text = plan.text().unwrap();
        let at = text.char_indices().map(|(at, _)| at).nth(at.min(text.len() / 2)).unwrap_or_default();
        text.insert_str(at, &word);
        if let Ok(plan) = serde_json::from_str::<Saved>(&text) {
            plan.consent(&mut hosts);
            let _ = plan.hosts.iter().map(SavedHost::report).count();
        }
        let _ = parse(&text, Path::new("a.plan"));
    }
}

#[test]
fn consent_reaches_as_far_as_was_reviewed() {
    let mut plan = plan();
    let step = |plan: &Saved| {
        let mut hosts = [sample::host("h1")];
        plan.consent(&mut hosts);
        hosts[0].limits.max_step.map(|most| most.as_secs_f64())
    };
    assert_eq!(step(&plan), Some(1.0));
    plan.hosts[0].offset_s = Some(-23.0);
    assert_eq!(step(&plan), Some(24.0));
    plan.hosts[0].allow_step = false;
    assert_eq!(step(&plan), Some(1.0));
    assert_eq!(plan.hosts[0].max_step_s, Some(1.0));
    // A limit that was changed since the review: the lesser one counts. `--allow-step` has taken it away.
    let with = |most: Option<u64>| {
        let mut hosts = [sample::host("h1")];
        hosts[0].limits.max_step = most.map(Duration::from_millis);
        plan.consent(&mut hosts);
        hosts[0].limits.max_step.map(|most| most.as_millis())
    };
    assert_eq!((with(Some(3_600_000)), with(Some(500)), with(None)), (Some(1000), Some(500), None));
}
