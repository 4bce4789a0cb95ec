//! A list that grows with the document, and whose memory does not.
//!
//! Two MiB of items stay as they are; what is over goes, as JSON, to a temporary file without a name. So a short
//! document costs nothing, and a long one costs disk where temporary files are (`TMPDIR`), of which nothing is left
//! when the list is dropped, however its process ends.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What the items in memory may weigh before they go to the file.
const KEPT_BYTES: usize = 2 << 20;

/// A list of items, most of them in a file once they are many.
#[derive(Debug)]
pub struct Spill<T> {
    /// The newest items.
    recent: Vec<T>,
    recent_bytes: usize,
    kept_bytes: usize,
    /// The items before them.
    file: Option<File>,
    /// Where each item in the file ends; it begins where the one before ends.
    ends: Vec<u64>,
}

impl<T> Default for Spill<T> {
    fn default() -> Self {
        Self {
            recent: Vec::new(),
            recent_bytes: 0,
            kept_bytes: KEPT_BYTES,
            file: None,
            ends: Vec::new(),
        }
    }
}

impl<T: Serialize + DeserializeOwned + Clone> Spill<T> {
    /// An empty list that keeps so many bytes in memory.
    pub fn keeping(kept_bytes: usize) -> Self {
        Self {
            kept_bytes,
            ..Self::default()
        }
    }

    /// Appends an item, which takes about so many bytes of memory.
    ///
    /// # Errors
    /// When the temporary file can't be made or written: no room, or a folder that can only be read.
    pub fn push(&mut self, item: T, bytes: usize) -> io::Result<()> {
        self.recent.push(item);
        self.recent_bytes = self.recent_bytes.saturating_add(bytes);
        if self.recent_bytes > self.kept_bytes {
            self.spill()?;
        }
        Ok(())
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.ends.len() + self.recent.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An item by its place, from 0.
    ///
    /// # Errors
    /// When there is none, or the temporary file can't be read.
    pub fn get(&self, index: usize) -> io::Result<Cow<'_, T>> {
        let Some(&end) = self.ends.get(index) else {
            let item = self.recent.get(index - self.ends.len());
            return item.map(Cow::Borrowed).ok_or_else(lost);
        };
        let start = match index {
            0 => 0,
            _ => self.ends[index - 1],
        };
        let length = usize::try_from(end - start).map_err(io::Error::other)?;
        let mut json = vec![0; length];
        let file = self.file.as_ref().ok_or_else(lost)?;
        file.read_exact_at(&mut json, start)?;
        Ok(Cow::Owned(serde_json::from_slice(&json)?))
    }

    /// All items in their order.
    pub fn iter(&self) -> impl Iterator<Item = io::Result<Cow<'_, T>>> {
        (0..self.len()).map(|index| self.get(index))
    }

    fn spill(&mut self) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(tempfile::tempfile()?),
        };
        let begin = self.ends.last().copied().unwrap_or(0);
        let mut json = Vec::new();
        let mut ends = Vec::with_capacity(self.recent.len());
        for item in &self.recent {
            serde_json::to_writer(&mut json, item)?;
            ends.push(begin + json.len() as u64);
        }
        file.write_all_at(&json, begin)?;
        self.ends.append(&mut ends);
        self.recent.clear();
        self.recent_bytes = 0;
        Ok(())
    }
}

fn lost() -> io::Error {
    io::Error::other("an item is asked for that is not in the list")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_back_in_order_from_file_and_memory() {
        let mut spill = Spill::keeping(100);
        let words: Vec<String> = (0..50).map(|index| format!("word {index}")).collect();
        for word in &words {
            spill.push(word.clone(), word.len()).expect("room for it");
        }
        assert!(
            spill.recent.len() < 20,
            "{} are in memory",
            spill.recent.len()
        );
        assert_eq!(spill.len(), words.len());
        let read: Vec<String> = spill
            .iter()
            .map(|word| word.expect("it was written").into_owned())
            .collect();
        assert_eq!(read, words);
        assert_eq!(*spill.get(3).expect("it was written"), words[3]);
        assert_eq!(*spill.get(49).expect("it is in memory"), words[49]);
        assert!(spill.get(50).is_err());
    }

    #[test]
    fn a_short_list_makes_no_file() {
        let mut spill = Spill::default();
        spill.push(1, 8).expect("no file is needed");
        assert!(spill.file.is_none());
    }
}
