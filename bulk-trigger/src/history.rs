//! `bulk-trigger history rebuild`.

use pagemill_app::{Error, adapters};
use pagemill_storage::{RecordStore, rebuild_history, shown};

use crate::cli::Place;
use crate::connect;
use crate::outcome::Outcome;

pub(crate) async fn rebuild(place: &Place) -> Result<Outcome, Error> {
    let store = connect::bucket(place).await?;
    let layout = adapters::layout(&*store, &place.app_config_key).await?;
    let key = layout.history();
    let rebuilt = rebuild_history(&RecordStore::new(store, layout)).await?;
    println!("{key} says what {} records say", rebuilt.documents);
    for error in &rebuilt.unreadable {
        eprintln!("left out: {}", shown(&error.to_string()));
    }
    Ok(if rebuilt.unreadable.is_empty() {
        Outcome::Done
    } else {
        Outcome::Incomplete
    })
}
