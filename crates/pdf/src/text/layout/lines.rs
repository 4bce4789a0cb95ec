//! Lines: fragments on one baseline, and their text in logical order.

use std::collections::HashMap;
use std::ops::Range;

use unicode_normalization::char::{compose, is_combining_mark};

use crate::text::layout::Glyph;
use crate::text::layout::bidi::{self, Strength};
use crate::text::layout::direction::is_ideographic;
use crate::text::layout::fragments::Fragment;
use pagemill_document::{Letters, Rect};

/// White wider than this many font sizes parts the cells of a row: a tab stands for it.
const CELL_GAP: f32 = 1.5;
/// White wider than this many font sizes parts words where the file has no space.
const WORD_GAP: f32 = 0.13;

/// What is raised is at most this part of its line's size, and stands this many of its line's font sizes higher.
const RAISED_SIZE: f32 = 0.8;
const RAISED_BY: f32 = 0.15;

/// One line, in the frame of its direction.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LaidLine {
    /// Logical order, ligatures expanded, cells parted by a tab.
    pub(super) text: String,
    /// Where it stands.
    pub(super) bbox: Rect,
    /// The line that its largest fragment stands on.
    pub(super) baseline: f32,
    /// Font size of its largest fragment.
    pub(super) size: f32,
    /// Whether most of its glyphs are bold.
    pub(super) bold: bool,
    /// Whether it has bold glyphs and others, as the first line of a paragraph with a run-in heading has.
    pub(super) mixed_weight: bool,
    /// Whether it reads from the right.
    pub(super) from_right: bool,
    /// The parts of its text that annotations show, as ranges of bytes, with the annotations' numbers.
    pub(super) annotations: Vec<(Range<usize>, u16)>,
    /// The parts of its text that are set small and raised, as ranges of bytes.
    pub(super) raised: Vec<Range<usize>>,
    /// How many of its glyphs are left out, because they are printed over others of their kind.
    pub(super) overprinted: u32,
    /// Their letters.
    pub(super) overprints: Letters,
}

/// The lines of a region, from the top. `region` is sorted by baseline.
pub(super) fn lines(fragments: &[Fragment], region: &[usize], glyphs: &[Glyph]) -> Vec<LaidLine> {
    let mut open: Vec<OpenLine> = Vec::new();
    for &index in region {
        let fragment = &fragments[index];
        let near = open.len().saturating_sub(6);
        let home = open[near..]
            .iter_mut()
            .rev()
            .find(|line| line.takes(fragment, fragments));
        match home {
            Some(line) => line.push(index, fragments),
            None => open.push(OpenLine {
                members: vec![index],
                main: index,
            }),
        }
    }
    open.sort_by(|a, b| {
        fragments[a.main]
            .baseline
            .total_cmp(&fragments[b.main].baseline)
    });
    open.iter()
        .filter_map(|line| line.lay_out(fragments, glyphs))
        .collect()
}

struct OpenLine {
    members: Vec<usize>,
    /// The fragment with most glyphs, by which the line is placed.
    main: usize,
}

impl OpenLine {
    fn takes(&self, fragment: &Fragment, fragments: &[Fragment]) -> bool {
        let main = &fragments[self.main];
        let smaller = main.size.min(fragment.size);
        let larger = main.size.max(fragment.size);
        let apart = (main.baseline - fragment.baseline).abs();
        if self.is_crossed_by(fragment, fragments) {
            return false;
        }
        if larger > 1.8 * smaller {
            return apart < 0.3 * smaller;
        }
        let overlap = main.bottom.min(fragment.bottom) - main.top.max(fragment.top);
        let height = (main.bottom - main.top).min(fragment.bottom - fragment.top);
        apart < 0.2 * smaller || (overlap > 0.5 * height && apart < 0.6 * larger)
    }

    /// Whether a fragment lies over another of this line without being its overprint: dots under an entry, a stamp.
    /// Their letters must not be mixed.
    fn is_crossed_by(&self, fragment: &Fragment, fragments: &[Fragment]) -> bool {
        self.members.iter().any(|&index| {
            let member = &fragments[index];
            let shared = member.x1.min(fragment.x1) - member.x0.max(fragment.x0);
            let narrower = (member.x1 - member.x0).min(fragment.x1 - fragment.x0);
            let shifted = (member.x0 - fragment.x0).abs() + (member.x1 - fragment.x1).abs();
            let is_overprint = member.len() == fragment.len() && shifted < 0.5 * fragment.size;
            let is_long = member.len().min(fragment.len()) >= 3;
            is_long && shared > 0.4 * narrower && !is_overprint
        })
    }

    fn push(&mut self, index: usize, fragments: &[Fragment]) {
        self.members.push(index);
        if fragments[index].len() > fragments[self.main].len() {
            self.main = index;
        }
    }

    fn lay_out(&self, fragments: &[Fragment], glyphs: &[Glyph]) -> Option<LaidLine> {
        let mut clusters = Vec::new();
        for &index in &self.members {
            add_clusters(index, &fragments[index], glyphs, &mut clusters);
        }
        clusters.sort_by(|a, b| a.x0.total_cmp(&b.x0));
        let printed_again = drop_overprint(&mut clusters, fragments, glyphs);
        let overprinted = printed_again.clone().count();
        let overprints = printed_again.map(|glyph| glyph.ch).collect();
        let clusters = with_accents(clusters, glyphs);

        let first = clusters.first()?;
        let mut bbox = Rect {
            x0: first.x0,
            x1: first.x1,
            y0: glyphs[first.start].top,
            y1: glyphs[first.start].bottom,
        };
        let (mut bold, mut total) = (0, 0);
        for cluster in &clusters {
            let glyph = &glyphs[cluster.start];
            bbox.x0 = bbox.x0.min(cluster.x0);
            bbox.x1 = bbox.x1.max(cluster.x1);
            bbox.y0 = bbox.y0.min(glyph.top);
            bbox.y1 = bbox.y1.max(glyph.bottom);
            bold += usize::from(glyph.bold);
            total += 1;
        }

        let mut items = with_spaces(&clusters, glyphs);
        let strength_of = |item: &Item| match item {
            Item::Cluster(cluster) => bidi::strength(glyphs[cluster.start].ch),
            Item::White(_) => Strength::Neutral,
        };
        let has_right = clusters
            .iter()
            .any(|cluster| bidi::is_right_to_left(glyphs[cluster.start].ch));
        let from_right = has_right && bidi::reads_from_right(items.iter().map(strength_of));
        if has_right {
            bidi::to_logical(&mut items, strength_of);
        }

        let mut text = String::with_capacity(items.len() + 8);
        let mut annotations: Vec<(Range<usize>, u16)> = Vec::new();
        let main = &fragments[self.main];
        let is_raised = |glyph: &Glyph| {
            glyph.size <= RAISED_SIZE * main.size
                && main.baseline - glyph.baseline >= RAISED_BY * main.size
        };
        let mut raised: Vec<Range<usize>> = Vec::new();
        for item in items {
            let cluster = match item {
                Item::White(white) => {
                    text.push(white);
                    continue;
                }
                Item::Cluster(cluster) => cluster,
            };
            let start = text.len();
            push_cluster(&mut text, cluster, glyphs);
            if is_raised(&glyphs[cluster.start]) {
                match raised.last_mut() {
                    Some(span) if span.end == start => span.end = text.len(),
                    _ => raised.push(start..text.len()),
                }
            }
            let number = glyphs[cluster.start].annotation;
            match annotations.last_mut() {
                _ if number == 0 => {}
                // The white between its letters is part of it.
                Some((span, open)) if *open == number => span.end = text.len(),
                _ => annotations.push((start..text.len(), number)),
            }
        }
        Some(LaidLine {
            text,
            bbox,
            baseline: main.baseline,
            size: main.size,
            bold: bold * 2 > total,
            mixed_weight: bold * 20 > total && bold * 20 < total * 19,
            from_right,
            annotations,
            raised,
            overprinted: u32::try_from(overprinted).unwrap_or(u32::MAX),
            overprints,
        })
    }
}

/// Glyphs that keep their order whatever the direction: the pieces of a ligature, a letter and its marks.
#[derive(Debug, Clone, Copy)]
struct Cluster {
    /// The fragment that it is of.
    fragment: usize,
    start: usize,
    end: usize,
    x0: f32,
    x1: f32,
    /// An accent that is printed over it as a glyph of its own.
    accent: Option<char>,
}

fn add_clusters(number: usize, fragment: &Fragment, glyphs: &[Glyph], clusters: &mut Vec<Cluster>) {
    let first_new = clusters.len();
    for (index, glyph) in (fragment.start..).zip(&glyphs[fragment.start..fragment.end]) {
        if clusters.len() > first_new
            && let Some(open) = clusters.last_mut()
        {
            let is_mark = u32::from(glyph.ch) >= 0x300 && is_combining_mark(glyph.ch);
            if glyph.piece || is_mark || is_joiner(glyph.ch) {
                open.end = index + 1;
                open.x0 = open.x0.min(glyph.x0);
                open.x1 = open.x1.max(glyph.x1);
                continue;
            }
        }
        clusters.push(Cluster {
            fragment: number,
            start: index,
            end: index + 1,
            x0: glyph.x0,
            x1: glyph.x1,
            accent: None,
        });
    }
}

/// The characters that join letters or keep them apart; they have no shape, whatever width a font gives them.
fn is_joiner(ch: char) -> bool {
    matches!(ch, '\u{200C}' | '\u{200D}')
}

/// Letters that follow each other in the file are one printed twice only when they are as near as this, in font sizes.
const NEAREST_NEIGHBOUR: f32 = 0.06;
/// Letters of two runs are one printed twice when they are as near as this, in font sizes.
const NEAREST_OF_RUNS: f32 = 0.12;

/// Keeps one of glyphs that are printed over each other to look bold or to cast a shadow; gives the others back.
///
/// A letter and its double differ by where they stand: the double stands an advance further, the overprint a fraction
/// of that. And an overprint is one of a whole run: two runs that share a letter by chance are two texts.
fn drop_overprint<'a>(
    clusters: &mut Vec<Cluster>,
    fragments: &[Fragment],
    glyphs: &'a [Glyph],
) -> impl Iterator<Item = &'a Glyph> + Clone {
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (at, cluster) in clusters.iter().enumerate() {
        let over = (0..at)
            .rev()
            .take(4)
            .find(|&earlier| lies_over(cluster, &clusters[earlier], glyphs));
        pairs.extend(over.map(|earlier| (earlier, at)));
    }
    let runs = |&(earlier, later): &(usize, usize)| {
        let (a, b) = (clusters[earlier].fragment, clusters[later].fragment);
        (a.min(b), a.max(b))
    };
    let mut shared: HashMap<(usize, usize), usize> = HashMap::new();
    for pair in &pairs {
        *shared.entry(runs(pair)).or_default() += 1;
    }
    let is_of_runs = |pair: &(usize, usize)| {
        let (a, b) = runs(pair);
        let shorter = fragments[a].len().min(fragments[b].len());
        a == b
            || shared
                .get(&(a, b))
                .is_some_and(|pairs| pairs * 2 >= shorter)
    };
    let mut dropped: Vec<usize> = pairs
        .iter()
        .filter(|pair| is_of_runs(pair))
        .map(|&(_, later)| later)
        .collect();
    dropped.dedup();
    let mut printed_again = Vec::with_capacity(dropped.len());
    let mut at = 0;
    let mut next = dropped.into_iter().peekable();
    clusters.retain(|cluster| {
        let is_dropped = next.next_if_eq(&at).is_some();
        at += 1;
        if is_dropped {
            printed_again.push(cluster.start..cluster.end);
        }
        !is_dropped
    });
    printed_again
        .into_iter()
        .flat_map(move |range| &glyphs[range])
}

/// Whether a cluster is printed over an earlier one of the same letter and size.
fn lies_over(cluster: &Cluster, earlier: &Cluster, glyphs: &[Glyph]) -> bool {
    let (glyph, other) = (&glyphs[cluster.start], &glyphs[earlier.start]);
    let is_same = other.ch == glyph.ch
        && cluster.end - cluster.start == earlier.end - earlier.start
        && glyph.annotation == other.annotation
        && (other.baseline - glyph.baseline).abs() < 0.15 * glyph.size
        && (other.size - glyph.size).abs() < 0.1 * glyph.size;
    let follows = cluster.fragment == earlier.fragment
        && (cluster.start == earlier.end || earlier.start == cluster.end);
    let (nearest, of_width) = match follows {
        true => (NEAREST_NEIGHBOUR, 0.3),
        false => (NEAREST_OF_RUNS, 0.5),
    };
    let width = (cluster.x1 - cluster.x0).min(earlier.x1 - earlier.x0);
    let shift = (cluster.x0 - earlier.x0).abs();
    is_same && shift < nearest * glyph.size && shift <= (of_width * width).max(0.01)
}

/// Puts accents that are glyphs of their own, as TeX prints them, on the letter that they stand over.
fn with_accents(clusters: Vec<Cluster>, glyphs: &[Glyph]) -> Vec<Cluster> {
    let accent_of = |cluster: &Cluster| {
        let is_single = cluster.end - cluster.start == 1;
        if is_single {
            combining(glyphs[cluster.start].ch)
        } else {
            None
        }
    };
    if !clusters.iter().any(|cluster| accent_of(cluster).is_some()) {
        return clusters;
    }
    let mut kept: Vec<Cluster> = Vec::with_capacity(clusters.len());
    // An accent may begin left of its letter or right of it.
    let mut waiting: Option<Cluster> = None;
    let stands_over = |accent: &Cluster, letter: &Cluster| {
        let middle = (accent.x0 + accent.x1) / 2.0;
        letter.x0 <= middle
            && middle <= letter.x1
            && letter.accent.is_none()
            && glyphs[letter.end - 1].ch.is_alphabetic()
    };
    for mut cluster in clusters {
        if let Some(accent) = waiting.take() {
            if stands_over(&accent, &cluster) {
                cluster.accent = accent_of(&accent);
            } else {
                kept.push(accent);
            }
        }
        if accent_of(&cluster).is_none() {
            kept.push(cluster);
            continue;
        }
        match kept.last_mut() {
            Some(letter) if stands_over(&cluster, letter) => letter.accent = accent_of(&cluster),
            _ => waiting = Some(cluster),
        }
    }
    kept.extend(waiting);
    kept
}

/// The combining form of an accent that takes room of its own.
fn combining(accent: char) -> Option<char> {
    Some(match accent {
        '`' | '\u{2CB}' => '\u{300}',
        '\u{B4}' | '\u{2CA}' => '\u{301}',
        '\u{2C6}' | '^' => '\u{302}',
        '\u{2DC}' => '\u{303}',
        '\u{AF}' | '\u{2C9}' => '\u{304}',
        '\u{2D8}' => '\u{306}',
        '\u{2D9}' => '\u{307}',
        '\u{A8}' => '\u{308}',
        '\u{2DA}' => '\u{30A}',
        '\u{2DD}' => '\u{30B}',
        '\u{2C7}' => '\u{30C}',
        '\u{B8}' => '\u{327}',
        '\u{2DB}' => '\u{328}',
        _ => return None,
    })
}

enum Item {
    /// Glyphs.
    Cluster(Cluster),
    /// A space or a tab.
    White(char),
}

fn with_spaces(clusters: &[Cluster], glyphs: &[Glyph]) -> Vec<Item> {
    let tracking = tracking(clusters, glyphs);
    let mut items = Vec::with_capacity(clusters.len() + clusters.len() / 4);
    let mut before: Option<&Cluster> = None;
    for cluster in clusters {
        if let Some(white) =
            before.and_then(|before| white_between(before, cluster, glyphs, tracking))
        {
            items.push(Item::White(white));
        }
        items.push(Item::Cluster(*cluster));
        before = Some(cluster);
    }
    items
}

/// How far the letters of a line stand apart, in font sizes, where they are spaced out; else 0.
fn tracking(clusters: &[Cluster], glyphs: &[Glyph]) -> f32 {
    if clusters.len() < 4 {
        return 0.0;
    }
    let is_letter = |cluster: &Cluster| glyphs[cluster.start].ch.is_alphabetic();
    let mut gaps: Vec<f32> = clusters
        .windows(2)
        .filter(|pair| is_letter(&pair[0]) && is_letter(&pair[1]))
        .map(|pair| (pair[1].x0 - pair[0].x1) / glyphs[pair[0].start].size.max(0.1))
        .collect();
    if gaps.len() < 3 {
        return 0.0;
    }
    let middle = gaps.len() / 2;
    let (_, median, _) = gaps.select_nth_unstable_by(middle, f32::total_cmp);
    if (0.07..0.6).contains(median) {
        *median
    } else {
        0.0
    }
}

fn white_between(left: &Cluster, right: &Cluster, glyphs: &[Glyph], tracking: f32) -> Option<char> {
    let (a, b) = (&glyphs[left.end - 1], &glyphs[right.start]);
    let size = a.size.max(b.size);
    let gap = (right.x0 - left.x1) / size.max(0.1);
    if a.annotation != b.annotation && gap <= CELL_GAP + tracking {
        return Some(' ');
    }
    if gap > CELL_GAP + tracking {
        return Some('\t');
    }
    // The file's order may be that of the page or, in right-to-left text, its reverse.
    let space_in_file = (right.start == left.end && b.space_before)
        || (left.start == right.end && glyphs[left.start].space_before);
    if is_ideographic(a.ch) && is_ideographic(b.ch) {
        let is_space = gap > 0.8 || (space_in_file && gap > 0.3);
        return is_space.then_some(' ');
    }
    let is_space = if tracking > 0.0 {
        gap > tracking + WORD_GAP || (space_in_file && gap > tracking + 0.05)
    } else {
        gap > WORD_GAP || (space_in_file && gap > -0.3)
    };
    is_space.then_some(' ')
}

fn push_cluster(text: &mut String, cluster: Cluster, glyphs: &[Glyph]) {
    glyphs[cluster.start..cluster.end]
        .iter()
        .for_each(|glyph| push_expanded(text, glyph.ch));
    let Some(accent) = cluster.accent else {
        return;
    };
    let letter = match text.pop() {
        Some('ı') => 'i',
        Some('ȷ') => 'j',
        Some(letter) => letter,
        None => return,
    };
    match compose(letter, accent) {
        Some(composed) => text.push(composed),
        None => text.extend([letter, accent]),
    }
}

/// Appends a character; a Latin ligature (U+FB00..FB06) by its letters.
fn push_expanded(text: &mut String, ch: char) {
    match ch {
        '\u{FB00}' => text.push_str("ff"),
        '\u{FB01}' => text.push_str("fi"),
        '\u{FB02}' => text.push_str("fl"),
        '\u{FB03}' => text.push_str("ffi"),
        '\u{FB04}' => text.push_str("ffl"),
        '\u{FB05}' | '\u{FB06}' => text.push_str("st"),
        _ => text.push(ch),
    }
}
