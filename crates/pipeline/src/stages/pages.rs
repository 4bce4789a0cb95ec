//! What comes together while the pages of a document stream through, in memory that does not grow with them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

use pagemill_document::{
    Classifier, Link, Observer, OutlineItem, PageNumber, PageState, PageText, PageTexts,
};
use pagemill_reader::{Counted, PageFailure, PageOutput, Spill};
use pagemill_storage::PageAccount;
use serde::de::{self, DeserializeOwned, SeqAccess, Visitor};
use serde::ser::{Error, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::accounts::Accounts;
use super::part::{KeptPage, PageEnd, UploadedImage};

/// What a line, a block or a link takes besides its text, about.
const ITEM_BYTES: usize = 120;

/// The text of all pages that could be read, in order.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    texts: Spill<PageText>,
    /// What marks headings and furniture; nothing when they are marked already.
    classifier: Option<Classifier>,
}

impl Pages {
    /// Each page, with headings and furniture marked.
    pub(super) fn iter(&self) -> impl Iterator<Item = io::Result<PageText>> {
        self.texts.iter().map(|page| {
            let mut page = page?.into_owned();
            if let Some(classifier) = &self.classifier {
                classifier.apply(&mut page);
            }
            Ok(page)
        })
    }
}

impl PageTexts for Pages {
    fn read(&self) -> Box<dyn Iterator<Item = io::Result<Cow<'_, PageText>>> + Send + '_> {
        Box::new(self.iter().map(|page| page.map(Cow::Owned)))
    }
}

/// As a list of [`PageText`].
impl Serialize for Pages {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.texts.len()))?;
        for page in self.iter() {
            list.serialize_element(&page.map_err(S::Error::custom)?)?;
        }
        list.end()
    }
}

/// From a list of [`PageText`]s that are classified, of which one is in memory at a time.
impl<'de> Deserialize<'de> for Pages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut texts = Spill::default();
        each(deserializer, |page: PageText| {
            let bytes = weight(&page);
            texts.push(page, bytes)
        })?;
        Ok(Self {
            texts,
            classifier: None,
        })
    }
}

/// All links, by page and then in the order of the annotations.
#[derive(Debug, Default)]
pub(crate) struct Links {
    by_page: Spill<Vec<Link>>,
    count: usize,
}

impl Links {
    /// Appends links in their order.
    pub(super) fn add(&mut self, links: Vec<Link>) -> io::Result<()> {
        if links.is_empty() {
            return Ok(());
        }
        self.count += links.len();
        let bytes = weight_of_links(&links);
        self.by_page.push(links, bytes)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Those of each page that has some, in the order of the pages.
    pub(super) fn by_page(&self) -> impl Iterator<Item = io::Result<Cow<'_, Vec<Link>>>> {
        self.by_page.iter()
    }

    /// All of them in memory.
    pub(super) fn all(&self) -> io::Result<Vec<Link>> {
        let mut all = Vec::with_capacity(self.count);
        for links in self.by_page.iter() {
            all.extend(links?.into_owned());
        }
        Ok(all)
    }
}

/// As a list of [`Link`].
impl Serialize for Links {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.count))?;
        for links in self.by_page.iter() {
            for link in links.map_err(S::Error::custom)?.iter() {
                list.serialize_element(link)?;
            }
        }
        list.end()
    }
}

/// From a list of [`Link`]s by page.
impl<'de> Deserialize<'de> for Links {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut links = Self::default();
        let mut of_page: Vec<Link> = Vec::new();
        each(deserializer, |link: Link| {
            if of_page.last().is_some_and(|last| last.page != link.page) {
                links.add(std::mem::take(&mut of_page))?;
            }
            of_page.push(link);
            Ok(())
        })?;
        links.add(of_page).map_err(de::Error::custom)?;
        Ok(links)
    }
}

/// Hands over each item of a list, and keeps none.
fn each<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
    take: impl FnMut(T) -> io::Result<()>,
) -> Result<(), D::Error> {
    struct Each<T, F>(F, PhantomData<T>);

    impl<'de, T: DeserializeOwned, F: FnMut(T) -> io::Result<()>> Visitor<'de> for Each<T, F> {
        type Value = ();

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
            while let Some(item) = list.next_element()? {
                (self.0)(item).map_err(de::Error::custom)?;
            }
            Ok(())
        }
    }

    deserializer.deserialize_seq(Each(take, PhantomData))
}

/// A page that was taken in and is not kept for later runs yet; where its text and links lie.
#[derive(Debug)]
struct Unkept {
    page: PageNumber,
    failed: Option<PageFailure>,
    image: Option<UploadedImage>,
    text: Option<usize>,
    links: Option<usize>,
    links_dropped: u32,
    annotations: u32,
}

/// What comes together while pages stream through. The images themselves do not stay.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    texts: Spill<PageText>,
    observer: Observer,
    pub(super) links: Links,
    pub(super) links_dropped: u32,
    pub(super) characters: usize,
    text: u32,
    ocr: Vec<u32>,
    needs_ocr: Vec<u32>,
    blank: Vec<u32>,
    pub(super) failed: BTreeMap<u32, String>,
    pub(super) accounts: Accounts,
    pub(super) scaled_down: Vec<u32>,
    pub(super) images: u32,
    pub(super) image_bytes: u64,
    /// In a row.
    unkept: Vec<Unkept>,
    unkept_bytes: usize,
    /// Whether pages were left undone for want of time: what comes after them would leave a gap.
    has_given_up: bool,
}

impl Gathered {
    /// Takes a page in, in the order of the pages.
    pub(super) fn take(
        &mut self,
        page: PageNumber,
        end: PageEnd,
        wants_images: bool,
        counted: Option<Counted>,
    ) -> io::Result<()> {
        let mut unkept = Unkept {
            page,
            failed: None,
            image: None,
            text: None,
            links: None,
            links_dropped: 0,
            annotations: 0,
        };
        match end {
            Err(failure) => {
                self.failed.insert(page.0, failure.code().to_owned());
                self.accounts.failed(page.0, counted);
                // Another run may have the time that this one has not.
                self.has_given_up |= failure.is_over_allowance();
                unkept.failed = Some(failure);
            }
            Ok((output, image)) => {
                self.accounts
                    .page(&output, wants_images && image.is_none(), counted);
                unkept.image = image;
                unkept.links_dropped = output.links_dropped;
                unkept.annotations = output.annotations;
                let has_links = output.links.as_ref().is_some_and(|links| !links.is_empty());
                unkept.links = has_links.then(|| self.links.by_page.len());
                unkept.text = output.text.is_some().then(|| self.texts.len());
                self.add(output, image)?;
            }
        }
        if !self.has_given_up {
            self.unkept.push(unkept);
        }
        Ok(())
    }

    /// The pages that are not kept yet, where there are any.
    pub(super) fn unkept_pages(&self) -> Option<RangeInclusive<u32>> {
        let (first, last) = (self.unkept.first()?, self.unkept.last()?);
        Some(first.page.0..=last.page.0)
    }

    /// What they take in memory, about.
    pub(super) fn unkept_bytes(&self) -> usize {
        self.unkept_bytes
    }

    /// These pages, to be kept.
    pub(super) fn unkept(&self) -> impl Iterator<Item = io::Result<KeptPage<'_>>> {
        self.unkept.iter().map(|unkept| {
            let text = unkept.text.map(|index| self.texts.get(index)).transpose()?;
            let links = unkept.links.map(|index| {
                let links = self.links.by_page.get(index)?;
                Ok::<_, io::Error>(match links {
                    Cow::Borrowed(links) => Cow::Borrowed(links.as_slice()),
                    Cow::Owned(links) => Cow::Owned(links),
                })
            });
            Ok(KeptPage {
                page: unkept.page,
                failed: unkept.failed.clone(),
                image: unkept.image,
                text,
                links: links.transpose()?,
                links_dropped: unkept.links_dropped,
                annotations: unkept.annotations,
            })
        })
    }

    /// All pages so far are kept.
    pub(super) fn are_kept(&mut self) {
        self.unkept.clear();
        self.unkept_bytes = 0;
    }

    fn add(&mut self, output: PageOutput, image: Option<UploadedImage>) -> io::Result<()> {
        let page = output.page.0;
        if let Some(image) = image {
            self.images += 1;
            self.image_bytes += image.bytes;
            if image.scaled_down {
                self.scaled_down.push(page);
            }
        }
        let links = output.links.unwrap_or_default();
        self.unkept_bytes += weight_of_links(&links);
        self.links.add(links)?;
        self.links_dropped += output.links_dropped;
        let Some(text) = output.text else {
            return Ok(());
        };
        match text.state {
            PageState::Text => self.text += 1,
            PageState::Ocr => self.ocr.push(page),
            PageState::NeedsOcr => self.needs_ocr.push(page),
            PageState::Blank => self.blank.push(page),
        }
        self.characters += text.text.chars().count();
        self.observer.observe(&text);
        let bytes = weight(&text);
        self.unkept_bytes += bytes;
        self.texts.push(text, bytes)
    }

    /// Whether no page gave anything.
    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// How every page of `pages` ended.
    pub(super) fn ledger(&mut self, pages: u32, scaled_down: Vec<u32>) -> PageAccount {
        PageAccount {
            pages,
            text: self.text,
            ocr: std::mem::take(&mut self.ocr),
            needs_ocr: std::mem::take(&mut self.needs_ocr),
            blank: std::mem::take(&mut self.blank),
            failed: std::mem::take(&mut self.failed),
            scaled_down,
            unaccounted: std::mem::take(&mut self.accounts).finish(),
        }
    }

    /// The text, when every page was taken in, and the links. The file's outline tells of headings.
    pub(super) fn finish(self, outline: &[OutlineItem]) -> (Pages, Links) {
        let pages = Pages {
            texts: self.texts,
            classifier: Some(self.observer.finish().with_outline(outline)),
        };
        (pages, self.links)
    }
}

/// The memory that links take, about.
fn weight_of_links(links: &[Link]) -> usize {
    let bytes = links.iter().map(|link| {
        let anchor = link.anchor.as_ref().map_or(0, String::len);
        2 * ITEM_BYTES + anchor + link.target.text_bytes()
    });
    bytes.sum()
}

/// The memory that the text of a page takes, about.
fn weight(page: &PageText) -> usize {
    let blocks = page.blocks.iter().map(|block| {
        let lines = block.lines.iter().map(|line| ITEM_BYTES + line.text.len());
        ITEM_BYTES + lines.sum::<usize>()
    });
    ITEM_BYTES + page.text.len() + blocks.sum::<usize>()
}
