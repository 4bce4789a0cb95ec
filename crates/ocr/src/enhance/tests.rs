use super::*;

/// Lines of "text": rows of small dark blocks, `tilt` degrees off the level.
fn lines(width: usize, height: usize, tilt: f32) -> Canvas {
    let mut page = Canvas::white(width, height);
    let slope = tilt.to_radians().tan();
    for line in (60..height.saturating_sub(60)).step_by(40) {
        for x in (50..width - 50).filter(|x| x % 17 < 11) {
            let y = (line as f32 + x as f32 * slope) as usize;
            for y in y..(y + 14).min(height) {
                page.row_mut(y)[x] = 0;
            }
        }
    }
    page
}

#[test]
fn a_clean_page_is_read_as_it_is() {
    let page = lines(1200, 1600, 0.0);
    let (same, turn) = enhanced(page.clone());
    assert!(same == page);
    assert_eq!(turn, Turn::NONE);
}

#[test]
fn a_crooked_page_is_turned_and_boxes_go_back() {
    for tilt in [-2.4, -0.5, 0.8, 2.0] {
        let page = lines(1200, 1600, tilt);
        let found = skew(&page).expect("it is crooked");
        assert!((found - tilt).abs() < 0.15, "{found} for {tilt}");
        let (straight, turn) = enhanced(page);
        assert!(skew(&straight).is_none_or(|left| left.abs() < 0.3));
        let [x0, y0, x1, y1] = turn.back([599.0, 799.0, 601.0, 801.0]);
        // The centre stays where it is.
        assert!((x0 + x1 - 1200.0).abs() < 0.1 && (y0 + y1 - 1600.0).abs() < 0.1);
    }
}

#[test]
fn dust_goes_and_strokes_stay() {
    let mut page = lines(600, 800, 0.0);
    let clean = page.clone();
    let mut state = 1u32;
    for value in &mut page.pixels {
        // A plain sequence of numbers that look like chance (Numerical Recipes).
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match state >> 24 {
            0..4 => *value = 0,
            4..8 => *value = 255,
            _ => {}
        }
    }
    assert!(noise(&page) > NOISY && noise(&clean) < NOISY);
    let (read, _) = enhanced(page.clone());
    let differs = |one: &Canvas| {
        let pairs = one.pixels.iter().zip(&clean.pixels);
        pairs.filter(|(one, two)| one.abs_diff(**two) > 64).count()
    };
    assert!(
        differs(&read) * 3 < differs(&page),
        "{} of {}",
        differs(&read),
        differs(&page)
    );
}

#[test]
fn a_shadow_becomes_paper() {
    let mut page = lines(600, 800, 0.0);
    let width = page.width;
    for (at, value) in page.pixels.iter_mut().enumerate() {
        let shadow = 0.4 + 0.6 * (at % width) as f32 / width as f32;
        *value = (f32::from(*value) * shadow) as u8;
    }
    let (read, _) = enhanced(page);
    let dark = read.row(20).iter().filter(|value| **value < 230).count();
    assert_eq!(dark, 0, "bare paper is white");
    assert!(read.row(65)[51] < 60, "ink is dark");
}

#[test]
fn the_median_is_the_fifth_of_nine() {
    let rows = [[9u8, 1, 8], [2, 7, 3], [6, 4, 5]];
    assert_eq!(median_of_nine([&rows[0], &rows[1], &rows[2]], 1), 5);
    let rows = [[0u8, 0, 0], [0, 255, 255], [255, 255, 255]];
    assert_eq!(median_of_nine([&rows[0], &rows[1], &rows[2]], 1), 255);
}

#[test]
fn the_smallest_images_are_borne() {
    for (width, height) in [(1, 1), (1, 40), (40, 1), (2, 2), (9, 3)] {
        let (same, _) = enhanced(Canvas::white(width, height));
        assert_eq!((same.width, same.height), (width, height));
    }
}
