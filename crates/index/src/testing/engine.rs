//! The engine behind the wire: everything in memory, every search a full scan.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ::qdrant_client::qdrant::{
    Condition, CreateCollection, Filter, Modifier, PointStruct, SparseVectorConfig, Value,
    VectorsConfig, condition, r#match, point_id, value, vector, vector_input, vectors,
    vectors_config,
};
use tonic::Status;

/// One collection.
#[derive(Debug, Clone, Default)]
pub(super) struct Stored {
    pub(super) vectors: Option<VectorsConfig>,
    pub(super) sparse: Option<SparseVectorConfig>,
    pub(super) indexed: BTreeSet<String>,
    pub(super) points: BTreeMap<String, PointStruct>,
}

/// All collections.
#[derive(Debug, Clone, Default)]
pub(super) struct Engine {
    collections: BTreeMap<String, Stored>,
}

type Answer<T> = Result<T, Status>;

impl Engine {
    pub(super) fn names(&self) -> Vec<String> {
        self.collections.keys().cloned().collect()
    }

    pub(super) fn points(&self, name: &str) -> usize {
        self.collections
            .get(name)
            .map_or(0, |stored| stored.points.len())
    }

    pub(super) fn dump(&self, name: &str) -> Vec<(String, serde_json::Value)> {
        let points = self
            .collections
            .get(name)
            .map(|stored| &stored.points)
            .into_iter()
            .flatten();
        points
            .map(|(id, point)| (id.clone(), json(&point.payload)))
            .collect()
    }

    pub(super) fn create(&mut self, request: CreateCollection) -> Answer<()> {
        let name = request.collection_name;
        if self.collections.contains_key(&name) {
            return Err(Status::already_exists(format!(
                "Collection `{name}` already exists!"
            )));
        }
        let stored = Stored {
            vectors: request.vectors_config,
            sparse: request.sparse_vectors_config,
            ..Stored::default()
        };
        self.collections.insert(name, stored);
        Ok(())
    }

    pub(super) fn stored(&mut self, name: &str) -> Answer<&mut Stored> {
        self.collections.get_mut(name).ok_or_else(|| {
            Status::not_found(format!("Not found: Collection `{name}` doesn't exist!"))
        })
    }
}

impl Stored {
    pub(super) fn upsert(&mut self, points: Vec<PointStruct>) -> Answer<()> {
        for point in &points {
            for (name, found) in named_vectors(point) {
                self.check_vector(name, found)?;
            }
        }
        for point in points {
            let id = id_of(&point)?;
            self.points.insert(id, point);
        }
        Ok(())
    }

    fn check_vector(&self, name: &str, found: &vector::Vector) -> Answer<()> {
        match found {
            vector::Vector::Dense(dense) => {
                let expected = self.dense_size(name)?;
                let got = dense.data.len() as u64;
                if got != expected {
                    let message = format!(
                        "Wrong input: Vector dimension error: expected dim: {expected}, got {got}"
                    );
                    return Err(Status::invalid_argument(message));
                }
                Ok(())
            }
            vector::Vector::Sparse(sparse) => {
                self.sparse_modifier(name)?;
                let distinct: BTreeSet<&u32> = sparse.indices.iter().collect();
                if sparse.indices.len() != sparse.values.len()
                    || distinct.len() != sparse.indices.len()
                {
                    return Err(Status::invalid_argument(
                        "Validation error: sparse indices must be unique",
                    ));
                }
                Ok(())
            }
            _ => Err(Status::unimplemented(
                "only dense and sparse vectors are known here",
            )),
        }
    }

    fn dense_size(&self, name: &str) -> Answer<u64> {
        let config = self
            .vectors
            .as_ref()
            .and_then(|vectors| vectors.config.as_ref());
        match config {
            Some(vectors_config::Config::ParamsMap(named)) if named.map.contains_key(name) => {
                Ok(named.map[name].size)
            }
            _ => Err(unknown_vector(name)),
        }
    }

    fn sparse_modifier(&self, name: &str) -> Answer<Option<i32>> {
        let params = self.sparse.as_ref().and_then(|sparse| sparse.map.get(name));
        params
            .map(|found| found.modifier)
            .ok_or_else(|| unknown_vector(name))
    }

    pub(super) fn matching(&self, filter: Option<&Filter>) -> Answer<Vec<&PointStruct>> {
        let mut found = Vec::new();
        for point in self.points.values() {
            if filter.map_or(Ok(true), |wanted| matches_filter(point, wanted))? {
                found.push(point);
            }
        }
        Ok(found)
    }

    /// The points nearest to a vector, with scores, best first.
    pub(super) fn nearest(
        &self,
        using: &str,
        input: &vector_input::Variant,
        filter: Option<&Filter>,
        limit: usize,
    ) -> Answer<Vec<(PointStruct, f32)>> {
        let candidates = self.matching(filter)?;
        let mut scored: Vec<(PointStruct, f32)> = match input {
            vector_input::Variant::Dense(query) => {
                if query.data.len() as u64 != self.dense_size(using)? {
                    return Err(Status::invalid_argument(
                        "Wrong input: Vector dimension error",
                    ));
                }
                candidates
                    .into_iter()
                    .filter_map(|point| {
                        Some((point.clone(), cosine(&query.data, dense_of(point, using)?)))
                    })
                    .collect()
            }
            vector_input::Variant::Sparse(query) => {
                let weighs_rarity = self.sparse_modifier(using)? == Some(Modifier::Idf as i32);
                let weights: HashMap<u32, f32> = query
                    .indices
                    .iter()
                    .zip(&query.values)
                    .map(|(index, weight)| {
                        (
                            *index,
                            weight
                                * if weighs_rarity {
                                    self.rarity(using, *index)
                                } else {
                                    1.0
                                },
                        )
                    })
                    .collect();
                candidates
                    .into_iter()
                    .filter_map(|point| {
                        Some((point.clone(), dot(&weights, sparse_of(point, using)?)?))
                    })
                    .collect()
            }
            _ => {
                return Err(Status::unimplemented(
                    "only nearest dense and sparse vectors are known here",
                ));
            }
        };
        scored.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        scored.truncate(limit);
        Ok(scored)
    }

    /// IDF as Qdrant computes it: ln((N - n + 0.5) / (n + 0.5) + 1).
    fn rarity(&self, using: &str, index: u32) -> f32 {
        let all = self
            .points
            .values()
            .filter(|point| sparse_of(point, using).is_some())
            .count() as f32;
        let having = |point: &&PointStruct| {
            sparse_of(point, using).is_some_and(|sparse| sparse.indices.contains(&index))
        };
        let with = self.points.values().filter(having).count() as f32;
        ((all - with + 0.5) / (with + 0.5)).ln_1p()
    }
}

fn unknown_vector(name: &str) -> Status {
    Status::invalid_argument(format!(
        "Wrong input: Not existing vector name error: {name}"
    ))
}

fn named_vectors(point: &PointStruct) -> impl Iterator<Item = (&str, &vector::Vector)> {
    let options = point
        .vectors
        .as_ref()
        .and_then(|found| found.vectors_options.as_ref());
    let named = match options {
        Some(vectors::VectorsOptions::Vectors(named)) => Some(&named.vectors),
        _ => None,
    };
    named
        .into_iter()
        .flatten()
        .filter_map(|(name, found)| Some((name.as_str(), found.vector.as_ref()?)))
}

fn dense_of<'a>(point: &'a PointStruct, using: &str) -> Option<&'a [f32]> {
    named_vectors(point).find_map(|(name, found)| match found {
        vector::Vector::Dense(dense) if name == using => Some(dense.data.as_slice()),
        _ => None,
    })
}

fn sparse_of<'a>(
    point: &'a PointStruct,
    using: &str,
) -> Option<&'a ::qdrant_client::qdrant::SparseVector> {
    named_vectors(point).find_map(|(name, found)| match found {
        vector::Vector::Sparse(sparse) if name == using => Some(sparse),
        _ => None,
    })
}

fn cosine(one: &[f32], other: &[f32]) -> f32 {
    let product: f32 = one
        .iter()
        .zip(other)
        .map(|(left, right)| left * right)
        .sum();
    let length = |values: &[f32]| {
        values
            .iter()
            .map(|number| number * number)
            .sum::<f32>()
            .sqrt()
    };
    product / (length(one) * length(other)).max(f32::MIN_POSITIVE)
}

/// The dot product, or nothing when no index is shared: the server does not give such points.
fn dot(weights: &HashMap<u32, f32>, sparse: &::qdrant_client::qdrant::SparseVector) -> Option<f32> {
    let shared: Vec<f32> = sparse
        .indices
        .iter()
        .zip(&sparse.values)
        .filter_map(|(index, number)| Some(weights.get(index)? * number))
        .collect();
    (!shared.is_empty()).then(|| shared.iter().sum())
}

pub(super) fn id_of(point: &PointStruct) -> Answer<String> {
    match point
        .id
        .as_ref()
        .and_then(|id| id.point_id_options.as_ref())
    {
        Some(point_id::PointIdOptions::Uuid(text)) => {
            let id: uuid::Uuid = text
                .parse()
                .map_err(|_| Status::invalid_argument(format!("Unable to parse UUID: {text}")))?;
            Ok(id.to_string())
        }
        _ => Err(Status::unimplemented("only UUIDs are known here")),
    }
}

fn matches_filter(point: &PointStruct, filter: &Filter) -> Answer<bool> {
    if !filter.should.is_empty() || filter.min_should.is_some() {
        return Err(Status::unimplemented(
            "only must and must_not are known here",
        ));
    }
    for condition in &filter.must {
        if !matches_condition(point, condition)? {
            return Ok(false);
        }
    }
    for condition in &filter.must_not {
        if matches_condition(point, condition)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn matches_condition(point: &PointStruct, condition: &Condition) -> Answer<bool> {
    let Some(condition::ConditionOneOf::Field(field)) = &condition.condition_one_of else {
        return Err(Status::unimplemented(
            "only conditions on fields are known here",
        ));
    };
    let wanted = field
        .r#match
        .as_ref()
        .and_then(|found| found.match_value.as_ref());
    let Some(r#match::MatchValue::Keyword(keyword)) = wanted else {
        return Err(Status::unimplemented("only keywords are known here"));
    };
    let document = json(&point.payload);
    let place = field
        .key
        .split('.')
        .try_fold(&document, |inner, name| inner.get(name));
    Ok(match place {
        Some(serde_json::Value::String(text)) => text == keyword,
        Some(serde_json::Value::Array(list)) => list.iter().any(|entry| entry == keyword),
        _ => false,
    })
}

/// A payload as JSON.
pub(super) fn json(payload: &HashMap<String, Value>) -> serde_json::Value {
    payload
        .iter()
        .map(|(field, found)| (field.clone(), json_value(found)))
        .collect()
}

fn json_value(found: &Value) -> serde_json::Value {
    match &found.kind {
        None | Some(value::Kind::NullValue(_)) => serde_json::Value::Null,
        Some(value::Kind::DoubleValue(number)) => (*number).into(),
        Some(value::Kind::IntegerValue(number)) => (*number).into(),
        Some(value::Kind::StringValue(text)) => text.clone().into(),
        Some(value::Kind::BoolValue(truth)) => (*truth).into(),
        Some(value::Kind::StructValue(fields)) => json(&fields.fields),
        Some(value::Kind::ListValue(list)) => list.values.iter().map(json_value).collect(),
    }
}
