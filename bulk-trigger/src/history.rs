//! `bulk-trigger history rebuild`.

use pagemill_app::{Error, adapters};
use pagemill_storage::{RecordStore, rebuild_history, shown};

use crate::cli::StackArguments;
use crate::connect;
use crate::exit::Exit;

pub(crate) async fn rebuild(stack: &StackArguments) -> Result<Exit, Error> {
    let store = connect::bucket(stack).await?;
    let layout = adapters::layout(&*store, &stack.app_config_key).await?;
    let key = layout.history();
    let rebuilt = rebuild_history(&RecordStore::new(store, layout)).await?;
    println!("{key} says what {} records say", rebuilt.documents);
    for error in &rebuilt.unreadable {
        eprintln!("left out: {}", shown(&error.to_string()));
    }
    Ok(if rebuilt.unreadable.is_empty() {
        Exit::Done
    } else {
        Exit::Incomplete
    })
}
