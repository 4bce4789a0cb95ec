//! Properties of what probabilities are made of and measured by.

use bolero::check;
use pagemill_fields::isotonic::{Block, pool_adjacent_violators};
use pagemill_fields::statistics::{
    Scored, acceptance, auroc, brier, expected_calibration_error, needed_without_error,
    reliability, wilson, within_error,
};

fn scored(values: &[(u8, bool)]) -> Vec<Scored> {
    let values = values.iter();
    values
        .map(|(score, is_right)| Scored {
            score: f64::from(*score) / 255.0,
            is_right: *is_right,
        })
        .collect()
}

fn pooled(values: &[(u8, bool)]) -> Vec<Block> {
    let values = values.iter();
    pool_adjacent_violators(values.map(|(score, is_right)| (i32::from(*score), *is_right)))
}

/// Few scores, so that there are ties.
fn few(values: &[(u8, bool)]) -> Vec<(u8, bool)> {
    let values = values.iter();
    values
        .map(|(score, is_right)| (score % 16, *is_right))
        .collect()
}

#[test]
fn an_isotonic_regression_rises_and_keeps_the_mean() {
    check!().with_type::<Vec<(u8, bool)>>().for_each(|values| {
        for values in [values.clone(), few(values)] {
            let blocks = pooled(&values);
            for pair in blocks.windows(2) {
                assert!(pair[0].from < pair[1].from, "{blocks:?}");
                assert!(pair[0].mean() < pair[1].mean(), "{blocks:?}");
            }
            let right = values.iter().filter(|(_, is_right)| *is_right).count() as u64;
            let sum = |of: fn(&Block) -> u64| blocks.iter().map(of).sum::<u64>();
            assert_eq!(sum(|block| block.values), values.len() as u64);
            assert_eq!(sum(|block| block.right), right);
        }
    });
}

/// Against the max-min formula of Brunk (1955).
#[test]
fn an_isotonic_regression_is_the_nearest_function_that_rises() {
    check!().with_type::<Vec<(u8, bool)>>().for_each(|values| {
        let mut values = few(values);
        values.truncate(40);
        values.sort();
        let blocks = pooled(&values);
        let share = |from: u8, to: u8| {
            let within = values
                .iter()
                .filter(|(score, _)| (from..=to).contains(score));
            let (count, right) = within.fold((0_u32, 0_u32), |(count, right), (_, is_right)| {
                (count + 1, right + u32::from(*is_right))
            });
            f64::from(right) / f64::from(count)
        };
        let scores: Vec<u8> = values.iter().map(|(score, _)| *score).collect();
        for at in &scores {
            let below = scores.iter().filter(|from| *from <= at);
            let highest = below.map(|from| {
                let above = scores.iter().filter(|to| *to >= at);
                above.map(|to| share(*from, *to)).fold(f64::MAX, f64::min)
            });
            let expected = highest.fold(f64::MIN, f64::max);
            let block = blocks
                .iter()
                .rev()
                .find(|block| block.from <= i32::from(*at));
            let found = block.expect("each score is in a block").mean();
            assert!(
                (found - expected).abs() < 1e-9,
                "{at}: {found} and not {expected}"
            );
        }
    });
}

#[test]
fn the_area_under_the_roc_curve_is_the_share_of_pairs_in_the_right_order() {
    check!().with_type::<Vec<(u8, bool)>>().for_each(|values| {
        for values in [values.clone(), few(values)] {
            let values = scored(&values);
            let (mut pairs, mut ordered) = (0_u32, 0.0);
            for right in values.iter().filter(|value| value.is_right) {
                for wrong in values.iter().filter(|value| !value.is_right) {
                    pairs += 1;
                    ordered += match right.score.total_cmp(&wrong.score) {
                        std::cmp::Ordering::Greater => 1.0,
                        std::cmp::Ordering::Equal => 0.5,
                        std::cmp::Ordering::Less => 0.0,
                    };
                }
            }
            let expected = (pairs > 0).then(|| ordered / f64::from(pairs));
            assert_eq!(auroc(&values), expected);
        }
    });
}

#[test]
fn bins_have_equal_mass_hold_ties_together_and_lose_no_value() {
    check!().with_type::<Vec<(u8, bool)>>().for_each(|values| {
        let values = scored(&few(values));
        let bins = reliability(&values, 10);
        assert!(bins.len() <= 10);
        assert_eq!(
            bins.iter().map(|bin| bin.values).sum::<u64>(),
            values.len() as u64
        );
        for pair in bins.windows(2) {
            assert!(pair[0].predicted < pair[1].predicted, "{bins:?}");
            assert!(
                pair[0].values >= values.len().div_ceil(10) as u64,
                "{bins:?}"
            );
        }
        let error = expected_calibration_error(&bins);
        assert_eq!(error.is_some(), !values.is_empty());
        assert!(error.is_none_or(|error| (0.0..=1.0).contains(&error)));
    });
}

#[test]
fn calibration_errors_are_those_of_known_probabilities() {
    let of = |score: f64, right: u32, wrong: u32| {
        let value = move |is_right| Scored { score, is_right };
        let right = (0..right).map(move |_| value(true));
        right.chain((0..wrong).map(move |_| value(false)))
    };
    // Nine of ten are right, and .9 is said: nothing is off. Half of ten are, and .8 is said: .3 is.
    let exact: Vec<Scored> = of(0.9, 9, 1).collect();
    let error = |values: &[Scored]| expected_calibration_error(&reliability(values, 10));
    assert!(error(&exact).is_some_and(|error| error < 1e-9));
    let both: Vec<Scored> = exact.iter().copied().chain(of(0.8, 5, 5)).collect();
    assert!(error(&both).is_some_and(|error| (error - 0.15).abs() < 1e-9));
    let squares = brier(&exact).expect("values");
    assert!((squares - (9.0 * 0.01 + 0.81) / 10.0).abs() < 1e-9);
    assert_eq!((brier(&[]), error(&[])), (None, None));
}

/// The values are those of Newcombe 1998 (Statistics in Medicine 17), table I, method 3.
#[test]
fn intervals_are_those_of_the_literature_and_hold_the_share() {
    for (hits, of, low, high) in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ] {
        let interval = wilson(hits, of);
        assert!((interval.low - low).abs() < 5e-5, "{interval:?}");
        assert!((interval.high - high).abs() < 5e-5, "{interval:?}");
    }
    check!().with_type::<(u16, u16)>().for_each(|(hits, more)| {
        let (hits, of) = (u64::from(*hits), u64::from(*hits) + u64::from(*more));
        let interval = wilson(hits, of);
        assert!(0.0 <= interval.low && interval.high <= 1.0);
        if of > 0 {
            let share = hits as f64 / of as f64;
            assert!(interval.low <= share && share <= interval.high);
            let wider = wilson(hits / 2, of / 2);
            assert!(of < 100 || wider.high - wider.low > interval.high - interval.low);
        }
    });
    let needed = needed_without_error(0.01);
    assert!(wilson(0, needed).high <= 0.01 && wilson(0, needed - 1).high > 0.01);
}

#[test]
fn the_acceptance_curve_counts_what_a_threshold_lets_through() {
    check!().with_type::<Vec<(u8, bool)>>().for_each(|values| {
        let values = scored(&few(values));
        let asked = values.len() as u64 + 3;
        let curve = acceptance(&values, asked);
        for point in &curve {
            let through = values.iter().filter(|value| value.score >= point.threshold);
            let (mut accepted, mut wrong) = (0, 0);
            through.for_each(|value| {
                accepted += 1;
                wrong += u64::from(!value.is_right);
            });
            assert_eq!((point.accepted, point.wrong), (accepted, wrong));
            assert_eq!(point.share, accepted as f64 / asked as f64);
        }
        if let Some(point) = within_error(&curve, 0.1) {
            assert!(point.error <= 0.1);
            let more = curve.iter().filter(|other| other.accepted > point.accepted);
            assert!(more.into_iter().all(|other| other.error > 0.1));
        }
    });
}
