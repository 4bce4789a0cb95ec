//! Objects in an S3 bucket, or in a store that speaks its protocol.

mod errors;
mod upload;
mod user_metadata;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::types::{Delete, EncodingType, ObjectIdentifier};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;

use self::errors::Call;
use crate::body::{Body, FileBody};
use crate::object::{ByteStream, ETag, Listing, ObjectMeta, ObjectStore, PutOptions, StorageError};

/// Keys in one DeleteObjects call (the service's limit).
const DELETE_BATCH: usize = 1000;

/// How to reach a bucket. Credentials come from the SDK's default chain.
#[derive(Debug, Clone, Default)]
pub struct S3Options {
    /// AWS region; otherwise the SDK's default chain (`AWS_REGION`, profile, instance metadata), and `us-east-1`
    /// where a custom endpoint is set and nothing else says so.
    pub region: Option<String>,
    /// Address of a store that speaks S3. Keys then go into the path instead of the host name, and only the
    /// checksums that every such store knows are sent. `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_S3` do the same.
    pub endpoint: Option<String>,
}

/// One bucket.
#[derive(Debug, Clone)]
pub struct S3Store {
    client: Client,
    bucket: String,
}

impl S3Store {
    /// A bucket through a client that is already set up.
    pub fn new(client: Client, bucket: impl Into<String>) -> Self {
        Self {
            client,
            bucket: bucket.into(),
        }
    }

    /// Loads the SDK's configuration and takes a bucket. Nothing is sent to the bucket yet.
    pub async fn connect(bucket: impl Into<String>, options: S3Options) -> Self {
        let mut loader =
            aws_config::defaults(BehaviorVersion::latest()).http_client(pagemill_http::for_aws());
        if let Some(region) = options.region {
            loader = loader.region(Region::new(region));
        }
        if let Some(endpoint) = options.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        Self::from_sdk_config(&loader.load().await, bucket)
    }

    /// A bucket through a client made from the SDK's shared configuration, with its standard retries (four
    /// attempts), bounded time-outs, and what a custom endpoint needs (see [`S3Options::endpoint`]). `shared` must have an
    /// HTTP client, such as [`pagemill_http::for_aws`] makes.
    pub fn from_sdk_config(shared: &aws_config::SdkConfig, bucket: impl Into<String>) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(30))
            // One part of 16 MiB at 1 Mbit/s takes 134 s.
            .operation_attempt_timeout(Duration::from_secs(180))
            .operation_timeout(Duration::from_secs(600))
            .build();
        let mut config = aws_sdk_s3::config::Builder::from(shared)
            .retry_config(RetryConfig::standard().with_max_attempts(4))
            .timeout_config(timeouts);
        let is_custom =
            shared.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
        if is_custom {
            config = config
                .force_path_style(true)
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
            if shared.region().is_none() {
                config = config.region(Region::from_static("us-east-1"));
            }
        }
        Self::new(Client::from_conf(config.build()), bucket)
    }

    /// The client, for administration in tests and tools.
    pub fn client(&self) -> &Client {
        &self.client
    }

    fn call<'a>(&'a self, action: &'static str, key: &'a str) -> Call<'a> {
        Call {
            action,
            key,
            bucket: &self.bucket,
        }
    }

    async fn delete_batch(&self, keys: &[String]) -> Result<(), StorageError> {
        let Some(first) = keys.first() else {
            return Ok(());
        };
        let call = self.call("delete", first);
        let objects: Vec<ObjectIdentifier> = keys
            .iter()
            .map(|key| ObjectIdentifier::builder().key(key).build())
            .collect::<Result<_, _>>()
            .map_err(|error| call.unavailable(&error))?;
        let batch = Delete::builder()
            .set_objects(Some(objects))
            .quiet(true)
            .build()
            .map_err(|error| call.unavailable(&error))?;
        let answer = self
            .client
            .delete_objects()
            .bucket(&self.bucket)
            .delete(batch)
            .send()
            .await
            .map_err(|error| call.explain(error))?;
        let failed = answer
            .errors()
            .iter()
            .find(|error| error.code() != Some("NoSuchKey"));
        match failed {
            None => Ok(()),
            Some(error) => {
                let key = error.key().unwrap_or(first);
                Err(self.call("delete", key).by_code(
                    error.code().unwrap_or_default(),
                    None,
                    error.message().unwrap_or("no message"),
                ))
            }
        }
    }

    async fn list_page(
        &self,
        prefix: &str,
        after: Option<String>,
    ) -> Result<(Vec<ObjectMeta>, Option<String>), StorageError> {
        let call = self.call("list", prefix);
        let page = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(prefix)
            // XML cannot hold every character that a key can.
            .encoding_type(EncodingType::Url)
            .set_continuation_token(after)
            .send()
            .await
            .map_err(|error| call.explain(error))?;
        let is_encoded = page.encoding_type() == Some(&EncodingType::Url);
        let mut listed = Vec::with_capacity(page.contents().len());
        for object in page.contents() {
            let spelled = object.key().unwrap_or_default();
            let key = if is_encoded {
                form_decode(spelled)
            } else {
                Some(spelled.to_owned())
            };
            let key = key.ok_or_else(|| StorageError::BadKey {
                key: spelled.to_owned(),
                reason: "it is no UTF-8 once decoded".into(),
            })?;
            listed.push(ObjectMeta {
                key,
                bytes: size(object.size()),
                etag: tag(object.e_tag()),
                version_id: None,
                modified: time(object.last_modified()),
                user_metadata: BTreeMap::new(),
            });
        }
        let next = page
            .next_continuation_token()
            .filter(|_| page.is_truncated() == Some(true));
        Ok((listed, next.map(str::to_owned)))
    }
}

/// `EncodingType=url` spells keys as HTML forms do: `+` is a space, then percent-encoded UTF-8.
fn form_decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    let bytes = percent_encoding::percent_decode_str(&spaced);
    bytes.decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn size(length: Option<i64>) -> u64 {
    length
        .and_then(|length| u64::try_from(length).ok())
        .unwrap_or_default()
}

fn tag(tag: Option<&str>) -> ETag {
    ETag(tag.unwrap_or_default().to_owned())
}

fn time(time: Option<&aws_sdk_s3::primitives::DateTime>) -> Timestamp {
    let known = time.and_then(|time| Timestamp::from_nanosecond(time.as_nanos()).ok());
    known.unwrap_or(Timestamp::UNIX_EPOCH)
}

#[async_trait]
impl ObjectStore for S3Store {
    fn name(&self) -> &str {
        &self.bucket
    }

    async fn head(&self, key: &str, version_id: Option<&str>) -> Result<ObjectMeta, StorageError> {
        let call = self.call("read", key);
        let answer = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(key)
            .set_version_id(version_id.map(str::to_owned))
            .send()
            .await;
        match answer.map_err(|error| call.explain(error)) {
            Ok(found) => Ok(ObjectMeta {
                key: key.to_owned(),
                bytes: size(found.content_length()),
                etag: tag(found.e_tag()),
                version_id: found.version_id().map(str::to_owned),
                modified: time(found.last_modified()),
                user_metadata: user_metadata::read(found.metadata()),
            }),
            // The answer to HEAD has no body, so that a missing bucket looks as a missing object.
            Err(StorageError::NotFound { .. }) => {
                let bucket = self.client.head_bucket().bucket(&self.bucket).send().await;
                match bucket.map_err(|error| call.explain(error)) {
                    Err(StorageError::NotFound { .. } | StorageError::NoStore { .. }) => {
                        Err(call.no_bucket())
                    }
                    _ => Err(call.not_found()),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn get(
        &self,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<(ObjectMeta, ByteStream), StorageError> {
        let call = self.call("read", key);
        let found = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .set_version_id(version_id.map(str::to_owned))
            .send()
            .await
            .map_err(|error| call.explain(error))?;
        let meta = ObjectMeta {
            key: key.to_owned(),
            bytes: size(found.content_length()),
            etag: tag(found.e_tag()),
            version_id: found.version_id().map(str::to_owned),
            modified: time(found.last_modified()),
            user_metadata: user_metadata::read(found.metadata()),
        };
        let reading = Some((found.body, key.to_owned(), self.bucket.clone()));
        let body = futures::stream::unfold(reading, |reading| async move {
            let (mut body, key, bucket) = reading?;
            match body.try_next().await {
                Ok(None) => None,
                Ok(Some(piece)) => Some((Ok(piece), Some((body, key, bucket)))),
                Err(error) => {
                    let call = Call {
                        action: "read",
                        key: &key,
                        bucket: &bucket,
                    };
                    Some((Err(call.unavailable(&error)), None))
                }
            }
        });
        Ok((meta, body.boxed()))
    }

    async fn get_bytes(&self, key: &str) -> Result<(ObjectMeta, Bytes), StorageError> {
        let (meta, body) = self.get(key, None).await?;
        let mut whole = BytesMut::with_capacity(usize::try_from(meta.bytes).unwrap_or_default());
        let mut pieces = body;
        while let Some(piece) = pieces.try_next().await? {
            whole.extend_from_slice(&piece);
        }
        Ok((meta, whole.freeze()))
    }

    async fn put(&self, key: &str, body: Bytes, options: PutOptions) -> Result<ETag, StorageError> {
        upload::put(self, key, Body::Memory(body), &options).await
    }

    async fn put_file(
        &self,
        key: &str,
        body: FileBody,
        options: PutOptions,
    ) -> Result<ETag, StorageError> {
        upload::put(self, key, Body::File(body), &options).await
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        let call = self.call("delete", key);
        let deleted = self
            .client
            .delete_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await;
        match deleted.map_err(|error| call.explain(error)) {
            Ok(_) | Err(StorageError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn delete_many(&self, keys: Vec<String>) -> Result<(), StorageError> {
        for batch in keys.chunks(DELETE_BATCH) {
            self.delete_batch(batch).await?;
        }
        Ok(())
    }

    fn list(&self, prefix: &str) -> Listing {
        enum Next {
            Page(Option<String>),
            End,
        }
        let store = self.clone();
        let prefix = prefix.to_owned();
        futures::stream::unfold(Next::Page(None), move |next| {
            let store = store.clone();
            let prefix = prefix.clone();
            async move {
                let Next::Page(after) = next else {
                    return None;
                };
                match store.list_page(&prefix, after).await {
                    Ok((listed, Some(token))) => Some((Ok(listed), Next::Page(Some(token)))),
                    Ok((listed, None)) => Some((Ok(listed), Next::End)),
                    Err(error) => Some((Err(error), Next::End)),
                }
            }
        })
        .map_ok(|page| futures::stream::iter(page.into_iter().map(Ok)))
        .try_flatten()
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_keys_are_form_decoded() {
        assert_eq!(
            form_decode("a+b%2Bc%20%C3%A9/~.pdf").as_deref(),
            Some("a b+c é/~.pdf")
        );
        assert_eq!(form_decode("%FF"), None);
    }
}
