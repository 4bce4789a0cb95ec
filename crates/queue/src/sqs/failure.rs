//! From an SDK error to what the caller can do.

use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::error::QueueError;

/// `action` is the IAM action that the call needs.
pub(super) fn classify<E, R>(queue: &str, action: &str, error: SdkError<E, R>) -> QueueError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
    SdkError<E, R>: std::error::Error,
{
    match &error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("no code");
            let message = service.err().message().unwrap_or("no message");
            by_code(queue, action, code, message)
        }
        SdkError::ConstructionFailure(_) => by_context(
            queue,
            action,
            &DisplayErrorContext(&error).to_string(),
            true,
        ),
        _ => by_context(
            queue,
            action,
            &DisplayErrorContext(&error).to_string(),
            false,
        ),
    }
}

/// Codes of the query protocol carry a prefix (`AWS.SimpleQueueService.`), those of the JSON protocol may not.
fn by_code(queue: &str, action: &str, code: &str, message: &str) -> QueueError {
    let short = code.rsplit(['.', '#']).next().unwrap_or(code);
    let queue = queue.to_owned();
    let reason = format!("{short}: {message}");
    match short {
        "QueueDoesNotExist" | "NonExistentQueue" | "QueueDeletedRecently" => QueueError::NoQueue {
            queue,
            remedy: "check SQS_QUEUE_URL and the region, or create the queue".to_owned(),
        },
        "AccessDenied"
        | "AccessDeniedException"
        | "KmsAccessDenied"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException"
        | "InvalidAccessKeyId"
        | "MissingAuthenticationToken"
        | "InvalidSecurity"
        | "KmsDisabled"
        | "KmsInvalidState"
        | "KmsNotFound"
        | "KmsOptInRequired"
        | "KmsInvalidKeyUsage"
        | "AuthFailure"
        | "OptInRequired" => QueueError::Denied {
            queue,
            remedy: format!("allow {action} for these credentials ({reason})"),
        },
        // Expired credentials are renewed by their provider; the next call may have new ones.
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            QueueError::Unavailable { queue, reason }
        }
        "ReceiptHandleIsInvalid" | "MessageNotInflight" => {
            QueueError::StaleReceipt { queue, reason }
        }
        "InvalidParameterValue" | "InvalidParameterValueException" | "InvalidParameter"
            if message.contains("eceipt")
                || message.contains("not available for visibility timeout change") =>
        {
            QueueError::StaleReceipt { queue, reason }
        }
        "OverLimit"
        | "RequestThrottled"
        | "KmsThrottled"
        | "Throttling"
        | "ThrottlingException"
        | "SlowDown"
        | "TooManyRequestsException"
        | "RequestLimitExceeded" => QueueError::Throttled { queue, reason },
        "InvalidParameterValue"
        | "InvalidParameterValueException"
        | "InvalidParameter"
        | "MissingParameter"
        | "InvalidMessageContents"
        | "InvalidAttributeName"
        | "InvalidAttributeValue"
        | "BatchRequestTooLong"
        | "TooManyEntriesInBatchRequest"
        | "EmptyBatchRequest"
        | "BatchEntryIdsNotDistinct"
        | "InvalidBatchEntryId"
        | "UnsupportedOperation"
        | "InvalidAddress"
        | "InvalidAction"
        | "ValidationError" => QueueError::Invalid { queue, reason },
        _ => QueueError::Unavailable { queue, reason },
    }
}

/// Errors that never reached the service: no connection, no time, no credentials.
fn by_context(queue: &str, action: &str, context: &str, construction: bool) -> QueueError {
    let queue = queue.to_owned();
    let no_credentials = context.contains("no credentials")
        || context.contains("credentials provider was not enabled")
        || context.contains("CredentialsNotLoaded");
    if no_credentials {
        let remedy =
            format!("there are no AWS credentials: give the task a role that allows {action}");
        return QueueError::Denied { queue, remedy };
    }
    if construction {
        return QueueError::Invalid {
            queue,
            reason: context.to_owned(),
        };
    }
    QueueError::Unavailable {
        queue,
        reason: context.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_protocols_mean_the_same() {
        for code in [
            "AWS.SimpleQueueService.NonExistentQueue",
            "QueueDoesNotExist",
            "com.amazonaws.sqs#QueueDoesNotExist",
        ] {
            assert_eq!(
                by_code("q", "sqs:ReceiveMessage", code, "").code(),
                "no_queue",
                "{code}"
            );
        }
    }

    #[test]
    fn le_4_expired_receipt_is_stale_not_a_wrong_call() {
        let message = "Value AQEB for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.";
        assert_eq!(
            by_code("q", "a", "InvalidParameterValue", message).code(),
            "stale_receipt"
        );
        let message = "Value AQEB for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not \
                       available for visibility timeout change.";
        assert_eq!(
            by_code("q", "a", "InvalidParameterValue", message).code(),
            "stale_receipt"
        );
        let message = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]";
        assert_eq!(
            by_code("q", "a", "InvalidParameterValue", message).code(),
            "invalid"
        );
    }

    #[test]
    fn se_3_outages_and_throttling_can_be_tried_again() {
        for code in [
            "ThrottlingException",
            "RequestThrottled",
            "OverLimit",
            "InternalError",
            "ServiceUnavailable",
            "no code",
        ] {
            assert!(by_code("q", "a", code, "").is_transient(), "{code}");
        }
    }

    #[test]
    fn denied_names_the_action() {
        let denied = by_code("pdfs", "sqs:DeleteMessage", "AccessDenied", "no").to_string();
        assert!(
            denied.contains("pdfs") && denied.contains("sqs:DeleteMessage"),
            "{denied}"
        );
    }
}
