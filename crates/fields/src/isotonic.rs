//! Isotonic regression: the share of right values as a function of a score that never falls where the score rises.

use std::collections::BTreeMap;

/// Scores that follow each other and share one value of the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// The lowest score in it.
    pub from: i32,
    /// Values with such a score.
    pub values: u64,
    /// Those of them that are right.
    pub right: u64,
}

impl Block {
    /// The share that is right.
    pub fn mean(&self) -> f64 {
        self.right as f64 / self.values as f64
    }

    /// The same with half a right and half a wrong value more (Jeffreys' prior): few values that are all right don't make
    /// a certainty.
    pub fn with_prior(&self) -> f64 {
        (self.right as f64 + 0.5) / (self.values as f64 + 1.0)
    }
}

/// The isotonic regression of scores on whether their values are right, by pool adjacent violators (Ayer et al. 1955): the
/// function that never falls and is nearest by least squares. Blocks come by rising score.
pub fn pool_adjacent_violators(scored: impl IntoIterator<Item = (i32, bool)>) -> Vec<Block> {
    let mut by_score: BTreeMap<i32, (u64, u64)> = BTreeMap::new();
    for (score, is_right) in scored {
        let (values, right) = by_score.entry(score).or_default();
        *values += 1;
        *right += u64::from(is_right);
    }
    let blocks = by_score.into_iter();
    let blocks = blocks.map(|(from, (values, right))| Block {
        from,
        values,
        right,
    });
    pool(blocks, Block::mean)
}

/// Pools neighbours until `of` rises from block to block.
pub(crate) fn pool(
    blocks: impl IntoIterator<Item = Block>,
    of: impl Fn(&Block) -> f64,
) -> Vec<Block> {
    let mut pooled: Vec<Block> = Vec::new();
    for mut block in blocks {
        while let Some(below) = pooled.pop_if(|below| of(below) >= of(&block)) {
            block = Block {
                from: below.from,
                values: below.values + block.values,
                right: below.right + block.right,
            };
        }
        pooled.push(block);
    }
    pooled
}
