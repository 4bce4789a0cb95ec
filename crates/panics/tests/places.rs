//! Places as users see them: of real panics, from outside.

#[test]
fn cutting_a_text_inside_a_character_names_the_line_that_cuts() {
    let text = std::hint::black_box("Keywords—graphs");
    for cuts in [
        |text: &str| text[..9].len(),
        |text: &str| text.split_at(9).0.len(),
    ] {
        let panicked = pagemill_panics::catch(|| cuts(text)).expect_err("inside the dash");
        let place = panicked.place();
        assert!(place.contains("tests/places.rs:"), "{place}");
        assert!(!place.contains("graphs"), "{place}");
    }
}
