//! Secrets that the environment names instead of holding them.

use anyhow::bail;
use secrecy::SecretString;

/// Reads one secret. A JSON secret with a single field gives that field's value.
#[cfg(feature = "secrets-manager")]
pub(super) async fn value(variable: &str, arn: &str) -> anyhow::Result<SecretString> {
    use std::collections::BTreeMap;

    use secrecy::ExposeSecret;

    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .http_client(pagemill_http::for_aws())
        .load()
        .await;
    let client = aws_sdk_secretsmanager::Client::new(&config);
    let answer = client.get_secret_value().secret_id(arn).send().await;
    let answer = answer.map_err(|error| {
        let reason = aws_sdk_secretsmanager::error::DisplayErrorContext(error).to_string();
        anyhow::anyhow!(
            "the secret named by {variable} can't be read: check the ARN and the task role's secretsmanager:GetSecretValue ({reason})"
        )
    })?;
    let Some(text) = answer.secret_string() else {
        bail!("the secret named by {variable} is binary: store the key as text");
    };
    let fields = serde_json::from_str::<BTreeMap<String, String>>(text).unwrap_or_default();
    let value = match fields.len() {
        0 => text.to_owned(),
        1 => fields.into_values().next().unwrap_or_default(),
        _ => bail!(
            "the secret named by {variable} has several fields: name one with a single field, or plain text"
        ),
    };
    let secret = SecretString::from(value);
    if secret.expose_secret().trim().is_empty() {
        bail!("the secret named by {variable} is empty: store the key in it");
    }
    Ok(secret)
}

/// Refuses to read secrets.
#[cfg(not(feature = "secrets-manager"))]
pub(super) async fn value(variable: &str, _arn: &str) -> anyhow::Result<SecretString> {
    bail!(
        "{variable} names a secret, and the client of Secrets Manager is not in this program: build it with `--features secrets-manager`, which is one of the default features"
    )
}
