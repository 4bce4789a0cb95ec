//! A custom prompt on a command line, the same for every program that takes one.

use crate::CUSTOM_PROMPT_MAX_BYTES;

/// A custom prompt as a command line gives it: the text, or the content of the file that is named after an `@`.
///
/// # Errors
/// The file can't be read as text, or the prompt is longer than [`CUSTOM_PROMPT_MAX_BYTES`], in words.
pub fn prompt_argument(argument: &str) -> Result<String, String> {
    let prompt = match argument.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| format!("{path} can't be read as text: {error}"))?
            .trim_end()
            .to_owned(),
        None => argument.to_owned(),
    };
    match prompt.len() {
        0..=CUSTOM_PROMPT_MAX_BYTES => Ok(prompt),
        bytes => Err(format!(
            "it has {bytes} bytes, at most {CUSTOM_PROMPT_MAX_BYTES} are allowed: shorten it"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_7_a_prompt_is_a_text_or_the_content_of_a_file_and_has_a_limit() {
        assert_eq!(prompt_argument("Be brief."), Ok("Be brief.".into()));
        assert_eq!(prompt_argument(""), Ok(String::new()));
        let path = std::env::temp_dir().join(format!("pagemill-prompt-{}", std::process::id()));
        std::fs::write(&path, "Name\nthe parties.\n").unwrap();
        let named = format!("@{}", path.display());
        assert_eq!(prompt_argument(&named), Ok("Name\nthe parties.".into()));
        std::fs::remove_file(&path).unwrap();
        assert!(
            prompt_argument(&named)
                .unwrap_err()
                .contains("can't be read")
        );
        let longer = "x".repeat(CUSTOM_PROMPT_MAX_BYTES + 1);
        assert!(prompt_argument(&longer).unwrap_err().contains("4097 bytes"));
    }
}
