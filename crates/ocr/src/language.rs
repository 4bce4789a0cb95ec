//! Which language a text is in, and which of Tesseract's models reads it.

use whatlang::Lang;

/// Fewer characters say nothing sure of their language.
const ENOUGH: usize = 60;

/// The language of a text, where it is plain.
pub(crate) fn of(text: &str) -> Option<Lang> {
    if text.chars().count() < ENOUGH {
        return None;
    }
    let info = whatlang::detect(text)?;
    info.is_reliable().then(|| info.lang())
}

/// Whether a model, by its name, is one of a language. Both use the codes of ISO 639-3, but for Chinese.
pub(crate) fn is(model: &str, language: Lang) -> bool {
    let name = match language {
        Lang::Cmn => "chi",
        other => other.code(),
    };
    model.split('_').next() == Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_name_is_its_language() {
        assert!(is("deu_latf", Lang::Deu));
        assert!(is("chi_sim", Lang::Cmn));
        assert!(!is("eng", Lang::Deu));
        assert_eq!(of("too short"), None);
        let german = "Die Rechnung ist innerhalb von vierzehn Tagen ohne Abzug zu bezahlen, sonst werden Zinsen fällig.";
        assert_eq!(of(german), Some(Lang::Deu));
    }
}
