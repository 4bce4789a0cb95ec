//! The files that a document carries, read in a child.

use std::sync::Arc;

use super::opening::OpenedDocument;
use crate::pool::{DeathKind, Pool, Trouble};
use crate::protocol::{AttachedFile, Request};
use pagemill_reader::{Attachment, NotKept, PdfError};

/// How many attached files of a document may end their children; those behind the last of them are not read.
const MAX_DEATHS: u32 = 2;

/// How often it is tried again after children were killed from outside.
const MAX_KILLS: u32 = 6;

/// All attached files of a document may have so many times the bytes of one.
const ROOM: u64 = 4;

/// See [`Document::attachments`](super::Document::attachments).
pub(super) async fn attachments(
    pool: &Arc<Pool>,
    document: &OpenedDocument,
) -> Result<Vec<Attachment>, PdfError> {
    let names = &document.inspection.attachments;
    let mut found: Vec<Attachment> = Vec::new();
    if names.is_empty() {
        return Ok(found);
    }
    let source = document.as_shown();
    let most = pool.settings().limits.max_attachment_bytes;
    let mut room = most.saturating_mul(ROOM);
    let (mut deaths, mut kills) = (0, 0);
    let mut child = pool.child(source.id).await?;
    loop {
        let request = Request::Attachments {
            from: found.len(),
            room,
            bytes: source.file.bytes(),
            passwords: source.passwords.clone(),
        };
        let take = |file: AttachedFile, content: Vec<u8>| {
            if found.len() >= names.len() {
                return Err("more attached files than the document has".to_owned());
            }
            room = room
                .checked_sub(content.len() as u64)
                .ok_or("more bytes of attached files than a document may have")?;
            found.push(Attachment {
                name: file.name,
                media_type: file.media_type,
                relationship: file.relationship,
                content: match file.not_kept {
                    Some(reason) => Err(reason),
                    None => Ok(content.into()),
                },
            });
            Ok(())
        };
        let death = match child.attachments(source, &request, take).await {
            Ok(()) => return Ok(found),
            Err(Trouble::Refused(error)) => return Err(error),
            Err(Trouble::Died(death)) => death,
        };
        tracing::warn!(
            reason = %death.reason,
            attachment = found.len(),
            "a renderer did not survive the reading of an attached file"
        );
        let left_out = |name: &String| Attachment {
            name: name.clone(),
            media_type: None,
            relationship: None,
            content: Err(NotKept::ReaderDied),
        };
        let has_ended = match death.kind {
            DeathKind::Killed => {
                kills += 1;
                kills > MAX_KILLS
            }
            _ => {
                deaths += 1;
                let at = found.len();
                found.extend(names.get(at).map(left_out));
                deaths >= MAX_DEATHS
            }
        };
        if has_ended || found.len() >= names.len() {
            let at = found.len();
            found.extend(names.iter().skip(at).map(left_out));
            return Ok(found);
        }
        child = pool.fresh_child(source.id).await?;
    }
}
