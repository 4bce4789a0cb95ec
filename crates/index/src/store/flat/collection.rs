//! One collection of the flat store: its points in memory, and the file that they are in.
//!
//! The file `NAME.points` is a head and then one line of JSON for each change, in order. Lines are only appended, so a
//! process that dies leaves at most a torn last line, which the next one cuts off: what was flushed stands before it. Where most
//! lines are of points that are gone, the file is written anew beside its place, and renamed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::error::IndexError;
use crate::points::Point;
use crate::sparse::SparseVector;
use crate::store::folder::failed;
use crate::store::{Collection, Hit, Inventory, QueryVector, SearchFilter, Tally};

/// Of the files. Another number is refused, not guessed at.
const FORMAT: u32 = 1;

/// So many lines more than needed are left in a file.
const SPARE_LINES: usize = 1_000;

/// The first line of a file.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    format: u32,
    dimensions: usize,
}

/// Any other line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change<'a> {
    /// A point, in place of one with the same id.
    Put(Cow<'a, Row>),
    /// No such points any more.
    Gone(Vec<Uuid>),
}

/// A point as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) id: Uuid,
    dense: Option<Vec<f32>>,
    /// Indices and values.
    sparse: Option<(Vec<u32>, Vec<f32>)>,
    payload: Map<String, Value>,
}

impl From<Point> for Row {
    fn from(point: Point) -> Self {
        Self {
            id: point.id,
            dense: point.dense,
            sparse: point.sparse.map(|terms| (terms.indices, terms.values)),
            payload: point.payload,
        }
    }
}

impl Row {
    fn passes(&self, collection: &Collection, filter: &SearchFilter) -> bool {
        let mut conditions = filter.conditions();
        conditions.all(
            |(field, wanted)| match collection.read(&self.payload, field) {
                Some(Value::String(text)) => text == wanted,
                Some(Value::Array(list)) => list.iter().any(|entry| entry == wanted),
                _ => false,
            },
        )
    }

    /// The weight of a term in it.
    fn weight(&self, term: u32) -> Option<f32> {
        let (indices, values) = self.sparse.as_ref()?;
        let place = indices.binary_search(&term).ok()?;
        values.get(place).copied()
    }
}

/// A collection: its points, and the file that they are in.
#[derive(Debug)]
pub(super) struct Flat {
    path: PathBuf,
    /// Open for appending.
    file: File,
    /// The length of its whole lines.
    bytes: u64,
    is_dirty: bool,
    pub(super) dimensions: usize,
    points: BTreeMap<Uuid, Row>,
}

impl Flat {
    /// A file with these points in place of any that is there.
    pub(super) fn write(
        path: &Path,
        dimensions: usize,
        points: BTreeMap<Uuid, Row>,
    ) -> Result<Self, IndexError> {
        let beside = path.with_extension("new");
        let mut lines = line(&Head {
            format: FORMAT,
            dimensions,
        })?;
        for row in points.values() {
            lines.extend(line(&Change::Put(Cow::Borrowed(row)))?);
        }
        let written = || {
            let mut file = File::create(&beside)?;
            file.write_all(&lines)?;
            file.sync_all()?;
            fs::rename(&beside, path)?;
            // The new name is safe once its directory is.
            if let Some(dir) = path.parent() {
                File::open(dir)?.sync_all()?;
            }
            File::options().append(true).open(path)
        };
        Ok(Self {
            file: written().map_err(|error| failed("write", path, error))?,
            path: path.to_owned(),
            bytes: lines.len() as u64,
            is_dirty: false,
            dimensions,
            points,
        })
    }

    /// Reads a file; nothing where there is none.
    pub(super) fn load(path: &Path) -> Result<Option<Self>, IndexError> {
        let unreadable = |error| failed("read", path, error);
        let file = match File::options().read(true).append(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let damaged = |number: usize, what: &dyn Display| IndexError::Engine {
            reason: format!(
                "line {number} of {} is not of this build or damaged ({what}): remove the folder and process its documents again",
                path.display()
            ),
        };
        let mut reader = BufReader::new(&file);
        let (mut lines, mut bytes, mut read) = (0, 0, Vec::new());
        let (mut dimensions, mut points) = (None, BTreeMap::new());
        loop {
            read.clear();
            reader.read_until(b'\n', &mut read).map_err(unreadable)?;
            // The end, or the torn line of a process that died.
            if read.last() != Some(&b'\n') {
                break;
            }
            lines += 1;
            bytes += read.len() as u64;
            if dimensions.is_none() {
                let head: Head =
                    serde_json::from_slice(&read).map_err(|error| damaged(lines, &error))?;
                if head.format != FORMAT {
                    return Err(damaged(lines, &format!("format {}", head.format)));
                }
                dimensions = Some(head.dimensions);
                continue;
            }
            match serde_json::from_slice(&read).map_err(|error| damaged(lines, &error))? {
                Change::Put(row) => drop(points.insert(row.id, row.into_owned())),
                Change::Gone(gone) => gone.iter().for_each(|id| drop(points.remove(id))),
            }
        }
        drop(reader);
        let dimensions = dimensions.ok_or_else(|| damaged(1, &"it has no head"))?;
        if lines > 2 * points.len() + SPARE_LINES {
            return Self::write(path, dimensions, points).map(Some);
        }
        file.set_len(bytes).map_err(unreadable)?;
        Ok(Some(Self {
            path: path.to_owned(),
            file,
            bytes,
            is_dirty: false,
            dimensions,
            points,
        }))
    }

    fn append(&mut self, lines: &[u8]) -> Result<(), IndexError> {
        self.is_dirty = true;
        if let Err(error) = self.file.write_all(lines) {
            // What was written of it goes, or the next line would begin in its middle.
            let cut = self.file.set_len(self.bytes);
            cut.map_err(|error| failed("cut", &self.path, error))?;
            return Err(failed("write", &self.path, error));
        }
        self.bytes += lines.len() as u64;
        Ok(())
    }

    pub(super) fn put(&mut self, rows: Vec<Row>) -> Result<(), IndexError> {
        let mut lines = Vec::new();
        for row in &rows {
            let size = row.dense.as_ref().map_or(self.dimensions, Vec::len);
            if size != self.dimensions {
                return Err(IndexError::WrongEmbedding {
                    found: size,
                    expected: self.dimensions,
                });
            }
            lines.extend(line(&Change::Put(Cow::Borrowed(row)))?);
        }
        self.append(&lines)?;
        self.points
            .extend(rows.into_iter().map(|row| (row.id, row)));
        Ok(())
    }

    pub(super) fn take_away(&mut self, gone: Vec<Uuid>) -> Result<(), IndexError> {
        if gone.is_empty() {
            return Ok(());
        }
        self.append(&line(&Change::Gone(gone.clone()))?)?;
        for id in &gone {
            self.points.remove(id);
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<(), IndexError> {
        if std::mem::take(&mut self.is_dirty) {
            let synced = self.file.sync_data();
            synced.map_err(|error| failed("write", &self.path, error))?;
        }
        Ok(())
    }

    pub(super) fn matching<'a>(
        &'a self,
        collection: &'a Collection,
        filter: &'a SearchFilter,
    ) -> impl Iterator<Item = &'a Row> {
        let rows = self.points.values();
        rows.filter(move |row| row.passes(collection, filter))
    }

    pub(super) fn tally(&self, collection: &Collection, filter: &SearchFilter) -> Vec<Inventory> {
        let mut tally = Tally::default();
        let payloads = self.matching(collection, filter).map(|row| &row.payload);
        tally.add(collection, payloads);
        tally.into_inventory()
    }

    pub(super) fn nearest(
        &self,
        collection: &Collection,
        vector: &QueryVector,
        limit: usize,
        filter: &SearchFilter,
    ) -> Vec<Hit> {
        let rows = self.matching(collection, filter);
        let mut found: Vec<(f32, &Row)> = match vector {
            QueryVector::Dense(query) => rows
                .filter_map(|row| Some((cosine(query, row.dense.as_ref()?), row)))
                .collect(),
            QueryVector::Sparse(query) => {
                let terms = self.weighed_by_rarity(query);
                rows.filter_map(|row| {
                    let shared = terms.iter().filter_map(|(term, weight)| {
                        let found = row.weight(*term)?;
                        Some(weight * found)
                    });
                    // As in Qdrant, what shares no term is not found.
                    shared
                        .reduce(|sum, next| sum + next)
                        .map(|score| (score, row))
                })
                .collect()
            }
        };
        found.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        found.truncate(limit);
        let hits = found.into_iter().map(|(score, row)| Hit {
            id: row.id,
            score,
            payload: row.payload.clone(),
        });
        hits.collect()
    }

    /// The terms of a query, each weighed by its rarity as Qdrant weighs it (`Modifier::Idf`):
    /// ln((N - n + 0.5) / (n + 0.5) + 1).
    fn weighed_by_rarity(&self, query: &SparseVector) -> Vec<(u32, f32)> {
        let rows = || self.points.values().filter(|row| row.sparse.is_some());
        let all = rows().count() as f32;
        let terms = query.indices.iter().zip(&query.values);
        terms
            .map(|(&term, weight)| {
                let having = rows().filter(|row| row.weight(term).is_some()).count() as f32;
                (
                    term,
                    weight * ((all - having + 0.5) / (having + 0.5)).ln_1p(),
                )
            })
            .collect()
    }
}

fn cosine(one: &[f32], other: &[f32]) -> f32 {
    let product = |left: &[f32], right: &[f32]| -> f32 {
        let pairs = left.iter().zip(right);
        pairs.map(|(left, right)| left * right).sum()
    };
    let lengths = product(one, one).sqrt() * product(other, other).sqrt();
    product(one, other) / lengths.max(f32::MIN_POSITIVE)
}

fn line<T: Serialize>(content: &T) -> Result<Vec<u8>, IndexError> {
    let mut line = serde_json::to_vec(content).map_err(|error| IndexError::Engine {
        reason: format!("a point can't be written as JSON: {error}"),
    })?;
    line.push(b'\n');
    Ok(line)
}
