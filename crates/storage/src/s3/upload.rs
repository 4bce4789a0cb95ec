//! Writing objects: in one request, or in parts when they are large.

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};

use super::errors::Call;
use super::{S3Store, tag};
use crate::body::Body;
use crate::object::{Condition, ETag, PutOptions, StorageError};

/// Larger bodies go in parts of this size: a lost connection costs one part.
const PART_BYTES: u64 = 16 * 1024 * 1024;
/// Parts of a body in memory that are under way at the same time.
const PART_CONCURRENCY: usize = 4;

pub(super) async fn put(
    store: &S3Store,
    key: &str,
    body: Body,
    options: &PutOptions,
) -> Result<ETag, StorageError> {
    let done = if body.bytes() > PART_BYTES {
        put_in_parts(store, key, body, options).await
    } else {
        put_at_once(store, key, body, options).await
    };
    match (done, &options.condition) {
        // `If-Match` on what is gone is answered with "no such key".
        (Err(StorageError::NotFound { .. }), Condition::IfMatch(_)) => {
            Err(StorageError::Precondition {
                key: key.to_owned(),
            })
        }
        (done, _) => done,
    }
}

/// The headers `If-None-Match` and `If-Match` of a condition.
fn headers(condition: &Condition) -> (Option<String>, Option<String>) {
    match condition {
        Condition::None => (None, None),
        Condition::IfAbsent => (Some("*".into()), None),
        Condition::IfMatch(etag) => (None, Some(etag.0.clone())),
    }
}

async fn put_at_once(
    store: &S3Store,
    key: &str,
    body: Body,
    options: &PutOptions,
) -> Result<ETag, StorageError> {
    let call = store.call("write", key);
    let whole = part(&call, &body, 0, body.bytes()).await?;
    let (if_none_match, if_match) = headers(&options.condition);
    let written = store
        .client
        .put_object()
        .bucket(&store.bucket)
        .key(key)
        .set_content_type(options.content_type.map(str::to_owned))
        .set_if_none_match(if_none_match)
        .set_if_match(if_match)
        .body(whole.into())
        .send()
        .await
        .map_err(|error| call.explain(error))?;
    Ok(tag(written.e_tag()))
}

async fn put_in_parts(
    store: &S3Store,
    key: &str,
    body: Body,
    options: &PutOptions,
) -> Result<ETag, StorageError> {
    let call = store.call("write", key);
    let begun = store
        .client
        .create_multipart_upload()
        .bucket(&store.bucket)
        .key(key)
        .set_content_type(options.content_type.map(str::to_owned))
        .send()
        .await
        .map_err(|error| call.explain(error))?;
    let upload_id = begun.upload_id().unwrap_or_default();
    let uploaded = upload_parts(store, &call, upload_id, &body, options).await;
    if uploaded.is_err() {
        // Parts of an unfinished upload are kept and paid for. What is left when this fails too, the bucket's rule
        // for incomplete uploads clears.
        let aborted = store
            .client
            .abort_multipart_upload()
            .bucket(&store.bucket)
            .key(key)
            .upload_id(upload_id)
            .send()
            .await;
        if let Err(error) = aborted {
            tracing::warn!(key, error = %call.explain(error), "could not abort an upload in parts");
        }
    }
    uploaded
}

async fn upload_parts(
    store: &S3Store,
    call: &Call<'_>,
    upload_id: &str,
    body: &Body,
    options: &PutOptions,
) -> Result<ETag, StorageError> {
    let concurrency = match body {
        Body::Memory(_) => PART_CONCURRENCY,
        // Each part under way is in memory, and a body is in a file to be out of it.
        Body::File(_) => 1,
    };
    let count = body.bytes().div_ceil(PART_BYTES);
    let parts: Vec<CompletedPart> = futures::stream::iter((1..).zip(0..count))
        .map(|(number, index)| async move {
            let offset = index * PART_BYTES;
            let length = PART_BYTES.min(body.bytes() - offset);
            let bytes = part(call, body, offset, length).await?;
            let sent = store
                .client
                .upload_part()
                .bucket(&store.bucket)
                .key(call.key)
                .upload_id(upload_id)
                .part_number(number)
                .body(bytes.into())
                .send()
                .await
                .map_err(|error| call.explain(error))?;
            Ok::<_, StorageError>(
                CompletedPart::builder()
                    .part_number(number)
                    .set_e_tag(sent.e_tag().map(str::to_owned))
                    .set_checksum_crc32(sent.checksum_crc32().map(str::to_owned))
                    .build(),
            )
        })
        .buffered(concurrency)
        .try_collect()
        .await?;
    let (if_none_match, if_match) = headers(&options.condition);
    let completed = store
        .client
        .complete_multipart_upload()
        .bucket(&store.bucket)
        .key(call.key)
        .upload_id(upload_id)
        .multipart_upload(
            CompletedMultipartUpload::builder()
                .set_parts(Some(parts))
                .build(),
        )
        .set_if_none_match(if_none_match)
        .set_if_match(if_match)
        .send()
        .await
        .map_err(|error| call.explain(error))?;
    Ok(tag(completed.e_tag()))
}

/// A part of the body in memory; a file is read where it holds up nobody.
async fn part(
    call: &Call<'_>,
    body: &Body,
    offset: u64,
    length: u64,
) -> Result<Bytes, StorageError> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let read = match body {
        Body::Memory(_) => body.part(offset, length),
        Body::File(_) => {
            let body = body.clone();
            pagemill_panics::blocking(move || body.part(offset, length))
                .await
                .unwrap_or_else(|ending| Err(std::io::Error::other(ending)))
        }
    };
    read.map_err(|error| StorageError::Scratch {
        key: call.key.to_owned(),
        reason: error.to_string(),
    })
}
