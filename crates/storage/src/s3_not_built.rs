//! Stands where S3 is left out (feature `s3`): every call says so, so that programs need no second way through their code.

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt, StreamExt};

use crate::object::{ByteStream, ETag, Listing, ObjectMeta, ObjectStore, PutOptions, StorageError};

/// How to reach a bucket.
#[derive(Debug, Clone, Default)]
pub struct S3Options {
    /// AWS region.
    pub region: Option<String>,
    /// Address of a store that speaks S3.
    pub endpoint: Option<String>,
}

/// A bucket that can't be reached.
#[derive(Debug, Clone)]
pub struct S3Store {
    bucket: String,
}

impl S3Store {
    /// Takes the name of a bucket.
    pub async fn connect(bucket: impl Into<String>, _options: S3Options) -> Self {
        Self {
            bucket: bucket.into(),
        }
    }

    fn not_built(&self) -> StorageError {
        StorageError::NotBuilt {
            store: self.bucket.clone(),
            feature: "s3",
        }
    }
}

#[async_trait]
impl ObjectStore for S3Store {
    fn name(&self) -> &str {
        &self.bucket
    }

    async fn head(&self, _: &str, _: Option<&str>) -> Result<ObjectMeta, StorageError> {
        Err(self.not_built())
    }

    async fn get(
        &self,
        _: &str,
        _: Option<&str>,
    ) -> Result<(ObjectMeta, ByteStream), StorageError> {
        Err(self.not_built())
    }

    async fn get_bytes(&self, _: &str) -> Result<(ObjectMeta, Bytes), StorageError> {
        Err(self.not_built())
    }

    async fn put(&self, _: &str, _: Bytes, _: PutOptions) -> Result<ETag, StorageError> {
        Err(self.not_built())
    }

    async fn delete(&self, _: &str) -> Result<(), StorageError> {
        Err(self.not_built())
    }

    async fn delete_many(&self, _: Vec<String>) -> Result<(), StorageError> {
        Err(self.not_built())
    }

    fn list(&self, _: &str) -> Listing {
        let refused = Err(self.not_built());
        std::future::ready(refused).into_stream().boxed()
    }
}
