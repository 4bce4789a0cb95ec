//! What a failed call means for the caller.
//!
//! Codes: the S3 API reference, "Error responses"; conditional writes: the user guide, "How to prevent object
//! overwrites with conditional writes".

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::object::StorageError;

/// What was tried, for messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) action: &'static str,
    pub(super) key: &'a str,
    pub(super) bucket: &'a str,
}

impl Call<'_> {
    pub(super) fn explain<E>(&self, error: SdkError<E, HttpResponse>) -> StorageError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let status = error
            .raw_response()
            .map(|response| response.status().as_u16());
        if status.is_none() {
            return self.without_answer(&error);
        }
        let code = error.code().unwrap_or_default().to_owned();
        let message = match error.message() {
            Some(message) if !message.is_empty() => message.to_owned(),
            _ => DisplayErrorContext(&error).to_string(),
        };
        self.by_code(&code, status, &message)
    }

    /// By the service's error code, and by the HTTP status where there is none (HEAD has no body).
    pub(super) fn by_code(&self, code: &str, status: Option<u16>, message: &str) -> StorageError {
        match (code, status) {
            ("NoSuchBucket", _) => self.no_bucket(),
            ("NoSuchKey" | "NoSuchVersion" | "NotFound", _) => self.not_found(),
            ("PreconditionFailed" | "ConditionalRequestConflict", _) => {
                StorageError::Precondition { key: self.key.to_owned() }
            }
            ("KeyTooLongError" | "InvalidURI", _) => {
                StorageError::BadKey { key: self.key.to_owned(), reason: message.to_owned() }
            }
            ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _)
            | ("", Some(301)) => StorageError::NoStore {
                store: self.bucket.to_owned(),
                remedy: format!("the bucket is in another region, set AWS_REGION to it ({message})"),
            },
            ("InvalidBucketName", _) => StorageError::NoStore {
                store: self.bucket.to_owned(),
                remedy: "correct the bucket's name (S3_BUCKET)".into(),
            },
            ("InvalidObjectState", _) => self.denied(&format!(
                "the object is archived: restore it from its storage class first ({message})"
            )),
            ("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidToken"
            | "RequestTimeTooSkewed", _) => {
                self.denied(&format!("check the credentials and the clock ({code}: {message})"))
            }
            // A bad version id, or one of another key, is answered with 400.
            ("InvalidArgument", Some(400)) if message.to_ascii_lowercase().contains("version id") => {
                self.not_found()
            }
            (_, Some(404)) => self.not_found(),
            (_, Some(412)) => StorageError::Precondition { key: self.key.to_owned() },
            ("AccessDenied" | "AllAccessDisabled" | "AccountProblem", _) | (_, Some(401 | 403)) => {
                self.denied(&format!(
                    "allow s3:{} for this role; a missing object is reported like this too where s3:ListBucket \
                     is not allowed ({code} {message})",
                    self.permission()
                ))
            }
            _ => self.unavailable_because(format!("{code} {message}").trim().to_owned()),
        }
    }

    pub(super) fn not_found(&self) -> StorageError {
        StorageError::NotFound {
            key: self.key.to_owned(),
            store: self.bucket.to_owned(),
        }
    }

    pub(super) fn no_bucket(&self) -> StorageError {
        StorageError::NoStore {
            store: self.bucket.to_owned(),
            remedy: "create the bucket, or correct its name (S3_BUCKET) and region (AWS_REGION)"
                .into(),
        }
    }

    pub(super) fn unavailable<E>(&self, error: &E) -> StorageError
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        self.unavailable_because(DisplayErrorContext(error).to_string())
    }

    fn without_answer<E>(&self, error: &SdkError<E, HttpResponse>) -> StorageError
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let text = DisplayErrorContext(error).to_string();
        if text.contains("CredentialsNotLoaded") || text.contains("no providers in chain") {
            return self.denied(
                "no AWS credentials were found: give the task a role, or set AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY",
            );
        }
        self.unavailable_because(text)
    }

    fn unavailable_because(&self, reason: String) -> StorageError {
        StorageError::Unavailable {
            action: self.action,
            key: self.key.to_owned(),
            store: self.bucket.to_owned(),
            reason,
        }
    }

    fn denied(&self, remedy: &str) -> StorageError {
        StorageError::Denied {
            action: self.action,
            key: self.key.to_owned(),
            store: self.bucket.to_owned(),
            remedy: remedy.to_owned(),
        }
    }

    fn permission(&self) -> &'static str {
        match self.action {
            "write" => "PutObject",
            "delete" => "DeleteObject",
            "list" => "ListBucket",
            _ => "GetObject",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_by_what_the_caller_can_do() {
        let call = Call {
            action: "write",
            key: "a",
            bucket: "b",
        };
        let meaning = |code: &str, status: u16| match call.by_code(code, Some(status), "said so") {
            StorageError::NotFound { .. } => "not found",
            StorageError::Precondition { .. } => "precondition",
            StorageError::NoStore { .. } => "no store",
            StorageError::Denied { .. } => "denied",
            StorageError::BadKey { .. } => "bad key",
            StorageError::NotBuilt { .. } => "not built",
            StorageError::Scratch { .. } => "scratch",
            StorageError::Unavailable { .. } => "unavailable",
        };
        for (code, status, expected) in [
            ("NoSuchKey", 404, "not found"),
            ("", 404, "not found"),
            ("NoSuchVersion", 404, "not found"),
            ("NoSuchBucket", 404, "no store"),
            ("PreconditionFailed", 412, "precondition"),
            ("ConditionalRequestConflict", 409, "precondition"),
            ("AccessDenied", 403, "denied"),
            ("", 403, "denied"),
            ("ExpiredToken", 400, "denied"),
            ("InvalidObjectState", 403, "denied"),
            ("PermanentRedirect", 301, "no store"),
            ("KeyTooLongError", 400, "bad key"),
            ("SlowDown", 503, "unavailable"),
            ("InternalError", 500, "unavailable"),
            ("RequestTimeout", 400, "unavailable"),
            ("OperationAborted", 409, "unavailable"),
        ] {
            assert_eq!(meaning(code, status), expected, "{code} {status}");
        }
    }
}
