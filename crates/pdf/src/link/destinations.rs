//! Destinations (ISO 32000-2 section 12.3.2): which page a place in the document is on.

use std::collections::HashMap;

use lopdf::{Object, ObjectId};

use crate::inspect::objects::Objects;
use crate::inspect::{text_string, tree};
use pagemill_document::PageNumber;

/// Characters of a destination's name that are kept at most.
const MAX_NAME: usize = 1_024;

/// The pages of a document and the names that lead to them.
#[derive(Debug, Default)]
pub(crate) struct Destinations {
    page_numbers: HashMap<ObjectId, PageNumber>,
    pages: u32,
    by_name: HashMap<Vec<u8>, Option<PageNumber>>,
}

/// Where a destination leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) page: Option<PageNumber>,
    pub(crate) name: Option<String>,
}

impl Destinations {
    /// Reads the names, those of the old `Dests` dictionary and those of the name tree.
    pub(crate) fn read(
        objects: Objects<'_>,
        page_numbers: HashMap<ObjectId, PageNumber>,
        pages: u32,
    ) -> Self {
        let mut destinations = Self {
            page_numbers,
            pages,
            by_name: HashMap::new(),
        };
        let Some(catalog) = objects.catalog() else {
            return destinations;
        };
        let name_tree = objects
            .dictionary(catalog, b"Names")
            .and_then(|names| objects.dictionary(names, b"Dests"));
        for (key, value) in name_tree
            .map(|root| tree::entries(objects, root, b"Names"))
            .unwrap_or_default()
        {
            if let Ok(name) = key.as_str() {
                let page = destinations.explicit(objects, value);
                destinations.by_name.entry(name.to_vec()).or_insert(page);
            }
        }
        if let Some(dictionary) = objects.dictionary(catalog, b"Dests") {
            for (name, value) in dictionary.iter() {
                let page = destinations.explicit(objects, value);
                destinations.by_name.entry(name.clone()).or_insert(page);
            }
        }
        destinations
    }

    /// Where a destination in this document leads: an array, a dictionary with `D`, a name or a string.
    pub(crate) fn resolve<'a>(&self, objects: Objects<'a>, destination: &'a Object) -> Destination {
        let Some((_, resolved)) = objects.resolve(destination) else {
            return Destination {
                page: None,
                name: None,
            };
        };
        match resolved {
            Object::String(name, _) | Object::Name(name) => Destination {
                page: self.by_name.get(name.as_slice()).copied().flatten(),
                name: Some(text_string::decode_clean(name, MAX_NAME)),
            },
            _ => Destination {
                page: self.explicit(objects, resolved),
                name: None,
            },
        }
    }

    /// The page of `[page /Fit ...]` or of a dictionary that holds such an array under `D`.
    fn explicit<'a>(&self, objects: Objects<'a>, destination: &'a Object) -> Option<PageNumber> {
        let (_, resolved) = objects.resolve(destination)?;
        let array = match resolved {
            Object::Array(array) => array.as_slice(),
            Object::Dictionary(dictionary) => objects.array(dictionary, b"D")?,
            _ => return None,
        };
        let page = array.first()?;
        if let Some(number) = page
            .as_reference()
            .ok()
            .and_then(|id| self.page_numbers.get(&id))
        {
            return Some(*number);
        }
        match objects.resolve(page)? {
            (_, Object::Integer(index)) => {
                from_index(*index).filter(|number| number.0 <= self.pages)
            }
            (Some(id), _) => self.page_numbers.get(&id).copied(),
            _ => None,
        }
    }
}

/// Where a destination in another file leads: pages are integers from 0 there.
pub(crate) fn resolve_remote<'a>(objects: Objects<'a>, destination: &'a Object) -> Destination {
    let unknown = Destination {
        page: None,
        name: None,
    };
    let Some((_, resolved)) = objects.resolve(destination) else {
        return unknown;
    };
    match resolved {
        Object::String(name, _) | Object::Name(name) => Destination {
            page: None,
            name: Some(text_string::decode_clean(name, MAX_NAME)),
        },
        Object::Array(array) => {
            let index = array
                .first()
                .and_then(|page| objects.resolve(page)?.1.as_i64().ok());
            Destination {
                page: index.and_then(from_index),
                name: None,
            }
        }
        _ => unknown,
    }
}

fn from_index(index: i64) -> Option<PageNumber> {
    let number = index.checked_add(1)?;
    (index >= 0)
        .then(|| u32::try_from(number).ok().map(PageNumber))
        .flatten()
}
