//! What a change of the reader of pictures runs again.

use pagemill_pipeline::{RunOutcome, Settings};
use pagemill_storage::Stage;

use crate::doubles::{Ended, World, engine};

fn settings(enabled: bool, languages: &[&str]) -> Settings {
    let mut settings = Settings::default();
    settings.ocr.enabled = enabled;
    settings.ocr.languages = languages.iter().map(|name| (*name).to_owned()).collect();
    settings
}

async fn ran(world: &World) -> Vec<Stage> {
    match world.run("a message", 1, false).await {
        Ended::With(Ok(RunOutcome::Processed(done))) => done.ran,
        Ended::With(Ok(RunOutcome::Unchanged(_))) => Vec::new(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn out_1_another_reader_or_language_makes_the_text_anew_and_no_image() {
    let mut world = World::new(engine(2)).await;
    world.restart_with(settings(false, &["eng"]));
    assert!(ran(&world).await.contains(&Stage::Pages));
    // Nobody reads: which languages would be tried does not matter.
    world.restart_with(settings(false, &["deu"]));
    assert_eq!(ran(&world).await, []);
    for languages in [&["deu"][..], &["deu", "eng"]] {
        world.restart_with(settings(true, languages));
        let stages = ran(&world).await;
        for (stage, is_wanted) in [
            (Stage::Pages, false),
            (Stage::Links, false),
            (Stage::Text, true),
            (Stage::Structure, true),
            (Stage::Metadata, true),
        ] {
            assert_eq!(
                stages.contains(&stage),
                is_wanted,
                "{stage:?} in {stages:?}"
            );
        }
        assert_eq!(ran(&world).await, []);
    }
}
