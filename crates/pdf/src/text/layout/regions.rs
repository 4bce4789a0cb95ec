//! Columns: which fragments belong together, and in which order they are read.
//!
//! Fragments are walked from the top. A band is a run of fragments with a gutter: white of at least
//! [`NARROWEST_GUTTER`] font sizes that no fragment of the band crosses. The band ends at the first fragment that
//! crosses its last gutter, such as a title over both columns. A gutter parts columns of prose; the white between the
//! cells of a table looks the same, but its cells are short and share their baselines, so a table stays whole and is
//! read by rows.

use std::ops::Range;

use crate::text::layout::Glyph;
use crate::text::layout::bidi::{is_right_to_left, reads_from_right, strength};
use crate::text::layout::fragments::Fragment;

/// Narrowest white between two columns, in font sizes.
const NARROWEST_GUTTER: f32 = 0.8;
/// Columns inside columns are looked for this deep.
const DEEPEST: usize = 5;
/// With more fragments than this a band is tried only where the last one ended, so that the time stays bounded.
const MANY_FRAGMENTS: usize = 1_500;
/// Where a band of many fragments has no columns, such as a long table, the next is tried some of them further down: about
/// so many times in all.
const TRIES_IN_A_BAND: usize = 64;
/// With more fragments than this a page is read by rows.
const TOO_MANY_FRAGMENTS: usize = 20_000;
/// A gutter must show within this many fragments from the top of a band.
const GUTTER_SHOWS_WITHIN: usize = 40;

/// Groups of fragments (indices, sorted by baseline) in reading order.
pub(super) fn in_reading_order(
    fragments: &[Fragment],
    glyphs: &[Glyph],
    width: f32,
) -> Vec<Vec<usize>> {
    let mut by_baseline: Vec<usize> = (0..fragments.len()).collect();
    by_baseline.sort_by(|&a, &b| {
        let (a, b) = (&fragments[a], &fragments[b]);
        a.baseline
            .total_cmp(&b.baseline)
            .then(a.x0.total_cmp(&b.x0))
    });
    if fragments.len() > TOO_MANY_FRAGMENTS {
        return vec![by_baseline];
    }
    let characters = || {
        fragments
            .iter()
            .flat_map(|fragment| &glyphs[fragment.start..fragment.end])
            .map(|glyph| glyph.ch)
    };
    let columns_from_right =
        characters().any(is_right_to_left) && reads_from_right(characters().map(strength));
    let letters = fragments
        .iter()
        .map(|fragment| {
            let of_fragment = &glyphs[fragment.start..fragment.end];
            of_fragment
                .iter()
                .filter(|glyph| glyph.ch.is_alphabetic())
                .count()
        })
        .collect();
    let page = Page {
        fragments,
        letters,
        size: median_size(fragments),
        width,
        columns_from_right,
    };
    let mut regions = Vec::new();
    page.split(&by_baseline, 0, &mut regions);
    regions
}

fn median_size(fragments: &[Fragment]) -> f32 {
    let mut sizes: Vec<(f32, usize)> = fragments
        .iter()
        .map(|fragment| (fragment.size, fragment.len()))
        .collect();
    sizes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = sizes.iter().map(|(_, len)| len).sum::<usize>() / 2;
    let mut seen = 0;
    for (size, len) in sizes {
        seen += len;
        if seen > half {
            return size;
        }
    }
    10.0
}

struct Page<'a> {
    fragments: &'a [Fragment],
    /// How many glyphs of each fragment are letters.
    letters: Vec<usize>,
    size: f32,
    width: f32,
    columns_from_right: bool,
}

/// A run of fragments and the columns that its accepted gutters make, as ranges of x.
struct Band {
    end: usize,
    columns: Vec<(f32, f32)>,
}

impl Page<'_> {
    fn split(&self, indices: &[usize], depth: usize, regions: &mut Vec<Vec<usize>>) {
        if indices.len() < 4 || depth >= DEEPEST {
            if !indices.is_empty() {
                regions.push(indices.to_vec());
            }
            return;
        }
        let mut pending = 0;
        let mut start = 0;
        // The first that may still be tried.
        let mut untried = 0;
        while start < indices.len() {
            let (tried_to, found) = self.band(&indices[start..]);
            let Some(found) = found else {
                (untried, start) = if indices.len() > MANY_FRAGMENTS {
                    let next = start + tried_to.max(1);
                    (next, next)
                } else {
                    (start + 1, start + 1 + tried_to / TRIES_IN_A_BAND)
                };
                continue;
            };
            let earlier = (untried..start)
                .find_map(|earlier| Some((earlier, self.band(&indices[earlier..]).1?)));
            let (begin, band) = earlier.unwrap_or((start, found));
            let end = begin + band.end;
            if pending < begin {
                regions.push(indices[pending..begin].to_vec());
            }
            self.split_columns(&indices[begin..end], &band.columns, depth, regions);
            (pending, start, untried) = (end, end, end);
        }
        if pending < indices.len() {
            regions.push(indices[pending..].to_vec());
        }
    }

    fn split_columns(
        &self,
        indices: &[usize],
        columns: &[(f32, f32)],
        depth: usize,
        regions: &mut Vec<Vec<usize>>,
    ) {
        let mut parts: Vec<Vec<usize>> = vec![Vec::new(); columns.len()];
        for &index in indices {
            let middle = (self.fragments[index].x0 + self.fragments[index].x1) / 2.0;
            let column = columns.iter().position(|&(_, x1)| middle <= x1);
            parts[column.unwrap_or(columns.len() - 1)].push(index);
        }
        if self.columns_from_right {
            parts.reverse();
        }
        for part in parts {
            self.split(&part, depth + 1, regions);
        }
    }

    /// The band that begins with the first of these fragments: how far it was looked for, and the band itself when
    /// its gutters part columns.
    fn band(&self, indices: &[usize]) -> (usize, Option<Band>) {
        let narrowest = NARROWEST_GUTTER * self.size;
        let mut covered: Vec<(f32, f32)> = Vec::new();
        let mut end = 0;
        for &index in indices {
            let fragment = &self.fragments[index];
            let too_wide = fragment.x1 - fragment.x0 > 0.62 * self.width;
            let joined = Joined::of(&covered, fragment.x0, fragment.x1, narrowest);
            let (had_gutter, has_gutter) = (covered.len() > 1, joined.ranges(&covered) > 1);
            if !has_gutter && (had_gutter || too_wide || end >= GUTTER_SHOWS_WITHIN) {
                break;
            }
            joined.put_into(&mut covered);
            end += 1;
        }
        let columns = match covered.len() {
            0 | 1 => None,
            _ => self.columns(&indices[..end], &covered),
        };
        (end, columns.map(|columns| Band { end, columns }))
    }

    /// Joins the parts between gutters that are not columns of their own. None when a single one is left.
    fn columns(&self, indices: &[usize], parts: &[(f32, f32)]) -> Option<Vec<(f32, f32)>> {
        let mut columns: Vec<(f32, f32)> = Vec::new();
        for &part in parts {
            match columns.last_mut() {
                Some(open) if !self.is_gutter(indices, *open, part) => open.1 = part.1,
                _ => columns.push(part),
            }
        }
        (columns.len() > 1).then_some(columns)
    }

    fn is_gutter(&self, indices: &[usize], left: (f32, f32), right: (f32, f32)) -> bool {
        let (left, right) = (self.side(indices, left), self.side(indices, right));
        if left.is_column() && right.is_column() {
            return true;
        }
        let fewest = left.baselines.len().min(right.baselines.len());
        fewest >= 3 && left.shared_baselines(&right, 0.25 * self.size) * 3 < fewest
    }

    fn side(&self, indices: &[usize], (x0, x1): (f32, f32)) -> Side {
        let mut baselines: Vec<f32> = Vec::new();
        let (mut glyphs, mut letters, mut covered, mut tables) = (0, 0, 0.0, 0);
        for &index in indices {
            let fragment = &self.fragments[index];
            if fragment.x0 < x0 - 0.01 || fragment.x1 > x1 + 0.01 {
                continue;
            }
            tables += usize::from(fragment.table > 0);
            glyphs += fragment.len();
            letters += self.letters[index];
            covered += fragment.x1 - fragment.x0;
            let is_new = baselines
                .last()
                .is_none_or(|last| fragment.baseline - last > 0.5 * fragment.size);
            if is_new {
                baselines.push(fragment.baseline);
            }
        }
        Side {
            baselines,
            glyphs,
            letters,
            covered,
            tables,
            width: x1 - x0,
        }
    }
}

/// What stands on one side of a gutter.
struct Side {
    baselines: Vec<f32>,
    glyphs: usize,
    letters: usize,
    /// Sum of the widths of the fragments.
    covered: f32,
    /// Tables, whose text is not counted.
    tables: usize,
    width: f32,
}

impl Side {
    /// Whether it is read from the top to the bottom before what stands beside it.
    fn is_column(&self) -> bool {
        self.tables > 0 || self.is_prose()
    }

    /// Lines of letters that fill most of their column, long enough to be sentences or addresses.
    fn is_prose(&self) -> bool {
        let lines = self.baselines.len();
        let is_wordy = self.letters * 5 >= self.glyphs * 3;
        lines >= 3
            && is_wordy
            && self.glyphs >= 14 * lines
            && self.covered >= 0.45 * self.width * lines as f32
    }

    fn shared_baselines(&self, other: &Self, within: f32) -> usize {
        let mut at = 0;
        self.baselines
            .iter()
            .filter(|&&baseline| {
                while at < other.baselines.len() && other.baselines[at] < baseline - within {
                    at += 1;
                }
                other
                    .baselines
                    .get(at)
                    .is_some_and(|found| *found <= baseline + within)
            })
            .count()
    }
}

/// One more range among the covered ones, which are sorted, and apart by `narrowest` at least.
struct Joined {
    /// Those that become one with it.
    with: Range<usize>,
    range: (f32, f32),
}

impl Joined {
    fn of(covered: &[(f32, f32)], x0: f32, x1: f32, narrowest: f32) -> Self {
        let at = covered.partition_point(|range| range.0 < x0);
        let (mut with, mut range) = (at..at, (x0, x1));
        if let Some(before) = covered[..at]
            .last()
            .filter(|before| x0 - before.1 < narrowest)
        {
            with.start -= 1;
            range = (before.0, before.1.max(x1));
        }
        for after in &covered[at..] {
            if after.0 - range.1 >= narrowest {
                break;
            }
            with.end += 1;
            range.1 = range.1.max(after.1);
        }
        Self { with, range }
    }

    /// How many ranges there are with it.
    fn ranges(&self, covered: &[(f32, f32)]) -> usize {
        covered.len() + 1 - self.with.len()
    }

    fn put_into(self, covered: &mut Vec<(f32, f32)>) {
        match covered.get_mut(self.with.start) {
            Some(first) if !self.with.is_empty() => {
                *first = self.range;
                covered.drain(self.with.start + 1..self.with.end);
            }
            _ => covered.insert(self.with.start, self.range),
        }
    }
}
