//! Edges that touch, as nets: what may be a table, or a frame, or a chart.

use crate::edges::{Edge, Edges, places};

/// Edges that miss each other by less than this, in points, touch.
const TOUCH: f32 = 3.5;

/// Nets of the same columns that are as near as this, in points, are one table: every other row is filled.
const NEXT_NET: f32 = 48.0;

/// Edges that touch, directly or through others.
#[derive(Debug, Default)]
pub(crate) struct Net {
    pub(crate) horizontal: Vec<Edge>,
    pub(crate) vertical: Vec<Edge>,
}

/// The nets of a page, from the top.
pub(crate) fn nets(edges: &Edges) -> Vec<Net> {
    let (across, down) = (&edges.horizontal, &edges.vertical);
    let mut sets = Sets::new(across.len() + down.len());
    for (number, horizontal) in across.iter().enumerate() {
        let first = down.partition_point(|edge| edge.at < horizontal.from - TOUCH);
        for (offset, vertical) in down[first..].iter().enumerate() {
            if vertical.at > horizontal.to + TOUCH {
                break;
            }
            if (vertical.from - TOUCH..=vertical.to + TOUCH).contains(&horizontal.at) {
                sets.join(number, across.len() + first + offset);
            }
        }
    }
    let mut nets: Vec<Net> = Vec::new();
    let mut net_of = vec![usize::MAX; across.len() + down.len()];
    for edge in 0..across.len() + down.len() {
        let root = sets.root(edge);
        if net_of[root] == usize::MAX {
            net_of[root] = nets.len();
            nets.push(Net::default());
        }
        let net = &mut nets[net_of[root]];
        match edge < across.len() {
            true => net.horizontal.push(across[edge]),
            false => net.vertical.push(down[edge - across.len()]),
        }
    }
    nets.retain(|net| !net.vertical.is_empty() && net.horizontal.len() + net.vertical.len() >= 4);
    join_stripes(nets)
}

/// Joins nets above each other that have the same places of columns.
fn join_stripes(mut nets: Vec<Net>) -> Vec<Net> {
    nets.sort_by(|a, b| a.sides().0.total_cmp(&b.sides().0));
    let mut joined: Vec<Net> = Vec::new();
    for net in nets {
        let (top, _) = net.sides();
        let columns = net.columns();
        let above = joined.iter_mut().find(|above| {
            let gap = top - above.sides().1;
            (-1.0..NEXT_NET).contains(&gap) && columns.len() >= 3 && {
                let others = above.columns();
                others.len() == columns.len()
                    && others
                        .iter()
                        .zip(&columns)
                        .all(|(a, b)| (a - b).abs() <= TOUCH)
            }
        });
        match above {
            Some(above) => {
                above.horizontal.extend(net.horizontal);
                above.vertical.extend(net.vertical);
                above.horizontal.sort_by(|a, b| a.at.total_cmp(&b.at));
                above.vertical.sort_by(|a, b| a.at.total_cmp(&b.at));
            }
            None => joined.push(net),
        }
    }
    joined
}

impl Net {
    /// Its top and bottom.
    fn sides(&self) -> (f32, f32) {
        let all = self.horizontal.iter().map(|edge| (edge.at, edge.at));
        let all = all.chain(self.vertical.iter().map(|edge| (edge.from, edge.to)));
        all.fold(
            (f32::INFINITY, f32::NEG_INFINITY),
            |(top, bottom), (from, to)| (top.min(from), bottom.max(to)),
        )
    }

    fn columns(&self) -> Vec<f32> {
        places(self.vertical.iter().map(|edge| edge.at).collect())
    }
}

/// Disjoint sets of numbers.
pub(crate) struct Sets(Vec<usize>);

impl Sets {
    pub(crate) fn new(length: usize) -> Self {
        Self((0..length).collect())
    }

    pub(crate) fn root(&mut self, mut of: usize) -> usize {
        while self.0[of] != of {
            self.0[of] = self.0[self.0[of]];
            of = self.0[of];
        }
        of
    }

    pub(crate) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}
