//! Tables that readers miss or tear apart, and a chart that they take for one.

use super::page;

/// A grid of three rows, the names of whose columns stand above its first rule; the first column has none.
#[must_use]
pub fn names_above_the_rules() -> Vec<u8> {
    let mut content = rules(&[640, 600, 560, 520], 72, 432);
    for x in [192, 312] {
        content.push_str(&format!("{x} 640 m {x} 520 l S "));
    }
    content.push_str(&texts(&[
        (230, 648, "Wheat"),
        (350, 648, "Rye"),
        (80, 614, "North"),
        (200, 614, "ground coarse"),
        (320, 614, "ground fine"),
        (80, 574, "South"),
        (200, 574, "kept whole"),
        (320, 574, "kept whole"),
        (80, 534, "East"),
        (200, 534, "sold"),
        (320, 534, "sown again"),
    ]));
    page("/MediaBox [0 0 612 792]", &content, &[])
}

/// Three tables with rules above and below their heads: names over two lines, wider than the numbers under them; a form to be
/// filled in; and, after a paragraph, one more below a rule of the same width.
#[must_use]
pub fn heads_of_many_kinds() -> Vec<u8> {
    let mut content = rules(&[720, 690, 640], 72, 432);
    content.push_str(&texts(&[
        (150, 708, "Returns of the old"),
        (290, 708, "Returns of a new"),
        (80, 696, "Year"),
        (165, 696, "mill"),
        (305, 696, "mill"),
        (80, 676, "2019"),
        (190, 676, "10%"),
        (335, 676, "7%"),
        (80, 662, "2020"),
        (190, 662, "6%"),
        (335, 662, "8%"),
        (80, 648, "2021"),
        (190, 648, "3%"),
        (335, 648, "2%"),
    ]));
    for line in 0..3 {
        content.push_str(&texts(&[(
            72,
            615 - 14 * line,
            "The miller grinds wheat and rye and barley all the day, and in the night too.",
        )]));
    }
    content.push_str(&rules(&[550, 526, 460], 72, 432));
    content.push_str(&texts(&[
        (80, 534, "Mill"),
        (200, 534, "What was seen there"),
        (80, 512, "North"),
        (80, 496, "South"),
        (80, 480, "East"),
    ]));
    page("/MediaBox [0 0 612 792]", &content, &[])
}

/// A chart: lines across, the numbers of its scale at their left ends, a number at each point, and years below.
#[must_use]
pub fn chart_with_a_scale() -> Vec<u8> {
    let mut content = rules(&[700, 660, 620, 580, 540], 100, 460);
    let scale = ["80", "60", "40", "20", "0"];
    for (number, label) in scale.into_iter().enumerate() {
        let baseline = 700 - 40 * number as i32 - 3;
        content.push_str(&texts(&[(84, baseline, label)]));
    }
    for (number, (year, value)) in [("2019", "61"), ("2020", "32"), ("2021", "75")]
        .into_iter()
        .enumerate()
    {
        let x = 150 + 110 * number as i32;
        content.push_str(&texts(&[
            (x, 520, year),
            (x, 677, value),
            (x, 637, value),
            (x, 597, "of wheat"),
        ]));
    }
    page("/MediaBox [0 0 612 792]", &content, &[])
}

fn rules(ys: &[i32], from: i32, to: i32) -> String {
    ys.iter()
        .map(|y| format!("{from} {y} m {to} {y} l S "))
        .collect()
}

fn texts(texts: &[(i32, i32, &str)]) -> String {
    texts
        .iter()
        .map(|(x, y, text)| format!("BT /F1 9 Tf {x} {y} Td ({text}) Tj ET "))
        .collect()
}
