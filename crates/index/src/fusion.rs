//! Joining what the dense and the sparse vectors find.
//!
//! It is done here and not in the store, so that a server and the embedded store give the same order.

use std::collections::HashMap;

use uuid::Uuid;

use crate::error::IndexError;
use crate::settings::Fusion;
use crate::store::{Collection, Hit, QueryVector, SearchQuery, VectorStore};

/// The constant of reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009).
const RRF_K: f32 = 60.0;

/// How many hits of each list take part, at least; a hit far down one list can still be the best of both.
const LEAST_CANDIDATES: usize = 50;

/// Searches by both kinds of vectors and joins the lists.
pub(crate) async fn search<S: VectorStore + ?Sized>(
    store: &S,
    collection: &Collection,
    query: SearchQuery,
) -> Result<Vec<Hit>, IndexError> {
    let SearchQuery {
        dense,
        sparse,
        limit,
        filter,
        fusion,
    } = query;
    let dense_wanted = dense.filter(|_| fusion != Fusion::Sparse);
    let sparse_wanted = sparse.filter(|vector| fusion != Fusion::Dense && !vector.is_empty());
    let (dense_vector, sparse_vector) = match (dense_wanted, sparse_wanted) {
        (None, None) => return Ok(Vec::new()),
        (Some(vector), None) => {
            return store
                .nearest(collection, QueryVector::Dense(vector), limit, &filter)
                .await;
        }
        (None, Some(vector)) => {
            return store
                .nearest(collection, QueryVector::Sparse(vector), limit, &filter)
                .await;
        }
        (Some(dense_vector), Some(sparse_vector)) => (dense_vector, sparse_vector),
    };
    let candidates = limit.saturating_mul(4).max(LEAST_CANDIDATES);
    let (by_dense, by_sparse) = futures::try_join!(
        store.nearest(
            collection,
            QueryVector::Dense(dense_vector),
            candidates,
            &filter
        ),
        store.nearest(
            collection,
            QueryVector::Sparse(sparse_vector),
            candidates,
            &filter
        ),
    )?;
    let (dense_weight, sparse_weight) = match fusion {
        Fusion::Rrf { dense, sparse } => (dense, sparse),
        Fusion::Dense => (1.0, 0.0),
        Fusion::Sparse => (0.0, 1.0),
    };
    Ok(reciprocal_rank(
        vec![(by_dense, dense_weight), (by_sparse, sparse_weight)],
        limit,
    ))
}

/// Reciprocal rank fusion: each list gives a hit `weight / (60 + rank)`. Ties are broken by id, so that the order is
/// always the same.
pub fn reciprocal_rank(lists: Vec<(Vec<Hit>, f32)>, limit: usize) -> Vec<Hit> {
    let mut joined: HashMap<Uuid, Hit> = HashMap::new();
    for (hits, weight) in lists {
        for (rank, hit) in hits.into_iter().enumerate() {
            let score = weight / (RRF_K + rank as f32 + 1.0);
            joined
                .entry(hit.id)
                .and_modify(|known| known.score += score)
                .or_insert(Hit { score, ..hit });
        }
    }
    let mut hits: Vec<Hit> = joined.into_values().collect();
    hits.sort_by(|one, other| {
        other
            .score
            .total_cmp(&one.score)
            .then(one.id.cmp(&other.id))
    });
    hits.truncate(limit);
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(ids: &[u128]) -> Vec<Hit> {
        let hit = |id: &u128| Hit {
            id: Uuid::from_u128(*id),
            score: 9.0,
            payload: serde_json::Map::new(),
        };
        ids.iter().map(hit).collect()
    }

    fn order(found: &[Hit]) -> Vec<u128> {
        found.iter().map(|hit| hit.id.as_u128()).collect()
    }

    #[test]
    fn a_hit_in_both_lists_comes_first() {
        let found = reciprocal_rank(vec![(hits(&[1, 2, 3]), 1.0), (hits(&[4, 2, 5]), 1.0)], 3);
        assert_eq!(order(&found), [2, 1, 4]);
    }

    #[test]
    fn the_weights_decide_between_lists() {
        let found = reciprocal_rank(vec![(hits(&[1]), 0.2), (hits(&[2]), 1.0)], 10);
        assert_eq!(order(&found), [2, 1]);
    }
}
