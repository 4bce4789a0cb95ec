//! The metadata of a document: the published schema.

use pagemill_document::{PageNumber, Rect};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::GeneratorKind;

/// Version of the schema; part of the fingerprint of the `metadata` stage.
pub const SCHEMA_VERSION: u32 = 2;

/// Who says a value: `file:xmp`, `file:info`, `file:outline`, `file:links`; `rule:` and the rule's name; `model:` and the model's.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Source(pub String);

impl Source {
    /// A structure of the file.
    pub fn file(structure: &str) -> Self {
        Self(format!("file:{structure}"))
    }

    /// A rule or statistic over the text.
    pub fn rule(name: &str) -> Self {
        Self(format!("rule:{name}"))
    }

    /// A model's answer.
    pub fn model(name: &str) -> Self {
        Self(format!("model:{name}"))
    }

    /// Whether the file says it of itself.
    pub fn is_file(&self) -> bool {
        self.0.starts_with("file:")
    }
}

/// How far a value was checked against the document.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Verified {
    /// The value stands in the text as it is, at the place that the evidence names.
    Verbatim,
    /// What stands in the text there (`raw`) reads as the value: a date, an identifier without its spaces, a type by its name.
    Normalised,
    /// The file says it of itself, and the pages do not show it.
    File,
    /// Computed from the text as a whole; there is no one place that shows it.
    Computed,
    /// A model's own words. The evidence is what they were checked against: the numbers and names in them stand there, in that
    /// order, most of the other words too, and nothing is negated that is not negated there.
    Supported,
    /// Sources contradict each other: there is no value, and `candidates` are to be decided upon.
    Conflict,
    /// Only a model says it, and the text does not bear it out: there is no value, and `candidates` has what it said.
    ModelOnly,
}

/// Where in the document a value is found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// The page, from 1.
    pub page: PageNumber,
    /// Where it begins in the page's `text`, in bytes of UTF-8.
    pub start: u32,
    /// Where it ends, exclusive.
    pub end: u32,
    /// The words around it: verbatim but for white space, at most 300 characters.
    pub quote: String,
    /// Where its lines stand on the page, as far as that is known. Points from the top left corner.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub boxes: Vec<Rect>,
}

/// A value that a source gives and that was not taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// The value, as it would be written.
    pub value: String,
    /// Who says so.
    pub source: Source,
    /// Why it was not taken, in words.
    pub reason: String,
    /// Where the document shows it, when it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// A value, who says so, and what it was checked against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Claim<T> {
    /// The value. `null` only where `verified` is `conflict` or `model_only`, which lists never hold.
    pub value: Option<T>,
    /// What stands in the text for it, where that is written otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// How far it was checked.
    pub verified: Verified,
    /// Who says so; all that agree.
    pub sources: Vec<Source>,
    /// Where in the document it is found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// What the sources say that contradict each other or are not borne out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
}

impl<T> Claim<T> {
    /// A value that no place in the text shows.
    pub fn new(value: T, verified: Verified, source: Source) -> Self {
        Self {
            value: Some(value),
            raw: None,
            verified,
            sources: vec![source],
            evidence: Vec::new(),
            candidates: Vec::new(),
        }
    }

    /// No value, but what was said.
    pub fn open(verified: Verified, candidates: Vec<Candidate>) -> Self {
        let mut sources: Vec<Source> = candidates
            .iter()
            .map(|candidate| candidate.source.clone())
            .collect();
        sources.dedup();
        Self {
            value: None,
            raw: None,
            verified,
            sources,
            evidence: Vec::new(),
            candidates,
        }
    }
}

/// A value of a list that was not taken, because the document does not bear it out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Unconfirmed {
    /// The list that it would belong to, such as `authors`.
    pub field: String,
    /// What was said, by whom, and why it was not taken.
    #[serde(flatten)]
    pub candidate: Candidate,
}

/// What kind of document it is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DocumentType {
    /// An invoice or credit note.
    Invoice,
    /// A receipt.
    Receipt,
    /// An order, quotation or delivery note.
    Order,
    /// A statement of account.
    Statement,
    /// A contract, agreement or terms.
    Contract,
    /// A letter.
    Letter,
    /// A memo or an email.
    Memo,
    /// Minutes or an agenda of a meeting.
    Minutes,
    /// A form to be filled in, filled or not.
    Form,
    /// A scholarly paper.
    Paper,
    /// A thesis.
    Thesis,
    /// A report or white paper.
    Report,
    /// A book or a chapter of one.
    Book,
    /// A manual, guide or tutorial.
    Manual,
    /// A standard, specification or data sheet.
    Specification,
    /// Slides.
    Slides,
    /// A law, regulation, judgement or other legal text.
    Legal,
    /// A licence or certificate.
    Certificate,
    /// A curriculum vitae.
    Resume,
    /// A news or magazine article.
    Article,
    /// A brochure, flyer or poster.
    Brochure,
    /// A policy or procedure.
    Policy,
    /// None of these.
    Other,
}

impl DocumentType {
    /// All of them, in the order of the schema.
    pub const ALL: &'static [DocumentType] = &[
        Self::Invoice,
        Self::Receipt,
        Self::Order,
        Self::Statement,
        Self::Contract,
        Self::Letter,
        Self::Memo,
        Self::Minutes,
        Self::Form,
        Self::Paper,
        Self::Thesis,
        Self::Report,
        Self::Book,
        Self::Manual,
        Self::Specification,
        Self::Slides,
        Self::Legal,
        Self::Certificate,
        Self::Resume,
        Self::Article,
        Self::Brochure,
        Self::Policy,
        Self::Other,
    ];
}

/// A language of the document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Language {
    /// BCP 47 tag, such as `en` or `zh-Hans`.
    pub value: String,
    /// How sure the detector is, 0 to 1, in steps of 0.01. The file's own claim counts as 1.
    pub confidence: f32,
    /// Share of the analysed text that is in this language, 0 to 1, in steps of 0.01.
    pub share: f32,
    /// Who says so.
    pub source: Source,
}

/// The document's dates, ISO 8601: `2024-05-31`, `2024-05`, `2024`, or with a time where the file has one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Dates {
    /// When the file was created, by its own account.
    pub created: Option<Claim<String>>,
    /// When the file was last modified, by its own account.
    pub modified: Option<Claim<String>>,
    /// The date that the document bears.
    pub issued: Option<Claim<String>>,
    /// When it comes into force.
    pub effective: Option<Claim<String>>,
    /// When it ends or expires.
    pub expires: Option<Claim<String>>,
    /// When something is to be paid or done.
    pub due: Option<Claim<String>>,
}

/// What an identifier identifies, and by which scheme.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum IdentifierKind {
    /// Digital object identifier, lower case, without a resolver's address.
    Doi,
    /// arXiv identifier, with its version where printed.
    Arxiv,
    /// International standard book number, digits only.
    Isbn,
    /// International standard serial number, `1234-567X`.
    Issn,
    /// PubMed identifier.
    Pmid,
    /// ORCID of a person.
    Orcid,
    /// Number of an invoice or credit note.
    InvoiceNumber,
    /// Number of an order.
    OrderNumber,
    /// Number of a contract.
    ContractNumber,
    /// Number of a customer.
    CustomerNumber,
    /// Bank account, without spaces.
    Iban,
    /// Value added tax identification number, without spaces.
    VatId,
    /// Number of a standard, such as `ISO 32000-2` or `RFC 9110`, on its own first page.
    StandardNumber,
    /// Number of a report.
    ReportNumber,
    /// Any other reference.
    Reference,
}

/// An identifier found in the document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Identifier {
    /// Its kind.
    pub kind: IdentifierKind,
    /// Whether check digits were verified; false for kinds that have none.
    pub checked: bool,
    /// The identifier, normalised as its kind says.
    #[serde(flatten)]
    pub claim: Claim<String>,
}

/// What an organisation is to the document.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PartyRole {
    /// Who sells, or sends the invoice.
    Seller,
    /// Who buys, or is sent the invoice.
    Buyer,
    /// Who publishes it.
    Publisher,
}

/// An organisation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Organisation {
    /// What it is to the document, where a label in its line or above says so.
    pub role: Option<PartyRole>,
    /// Its name.
    #[serde(flatten)]
    pub claim: Claim<String>,
}

/// What a named entity is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    /// A person.
    Person,
    /// An organisation.
    Organisation,
    /// A place.
    Place,
    /// A product, work or technology.
    Product,
    /// An event.
    Event,
    /// An email address.
    Email,
    /// A web address.
    Url,
    /// Anything else with a name.
    Other,
}

/// A named entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entity {
    /// What it is; `other` where nothing beside the name shows that.
    pub kind: EntityKind,
    /// Its name.
    #[serde(flatten)]
    pub claim: Claim<String>,
}

/// An entry of the outline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutlineEntry {
    /// Depth from 1.
    pub level: u8,
    /// Its title.
    pub value: String,
    /// Its page, when known.
    pub page: Option<PageNumber>,
    /// `file:outline`, or `rule:headings`.
    pub source: Source,
}

/// What Pagemill knows of a document as a whole. Published as `docs/metadata.schema.json`.
///
/// Equal input and settings give equal bytes: there are no time stamps and no run costs in it. `null` and empty
/// lists mean that nothing trustworthy was found. Every value is a [`Claim`]: who says so, where it stands, and how far that was
/// checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DocumentMetadata {
    /// Version of this schema.
    pub schema_version: u32,
    /// SHA-256 of the source file, hex.
    pub sha256: String,
    /// Title.
    pub title: Option<Claim<String>>,
    /// Kind of document.
    pub document_type: Option<Claim<DocumentType>>,
    /// Languages, the largest share first.
    pub languages: Vec<Language>,
    /// A short summary; for the extractive generator, sentences of the document.
    pub summary: Option<Claim<String>>,
    /// Authors.
    pub authors: Vec<Claim<String>>,
    /// Organisations that issued the document or are party to it.
    pub organisations: Vec<Organisation>,
    /// Dates.
    pub dates: Dates,
    /// Identifiers.
    pub identifiers: Vec<Identifier>,
    /// Keywords, the most telling first.
    pub keywords: Vec<Claim<String>>,
    /// Topics or subjects.
    pub topics: Vec<Claim<String>>,
    /// Named entities.
    pub entities: Vec<Entity>,
    /// The file's outline, or headings where it has none.
    pub outline: Vec<OutlineEntry>,
    /// Number of pages.
    pub page_count: u32,
    /// Pages that show something but have no text.
    pub pages_without_text: u32,
    /// Questions that the document answers; only a model can tell. The evidence is where the answer stands.
    pub questions_answered: Vec<Claim<String>>,
    /// Whether it has form fields.
    pub has_forms: bool,
    /// Whether it has tables, as far as captions tell; `null` when unknown.
    pub has_tables: Option<Claim<bool>>,
    /// Whether it has figures, as far as captions tell; `null` when unknown.
    pub has_figures: Option<Claim<bool>>,
    /// Whether it has links.
    pub has_links: bool,
    /// Whether it has embedded files.
    pub has_attachments: bool,
    /// Whether it has JavaScript or actions that run on opening.
    pub has_scripts: bool,
    /// Which generator made this.
    pub generator: GeneratorKind,
    /// The model, when one was asked.
    pub model: Option<String>,
    /// What a model said for the lists above and the document does not bear out, at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unconfirmed: Vec<Unconfirmed>,
    /// What was left out, cut or distrusted, in words.
    pub warnings: Vec<String>,
}

/// The JSON Schema (draft 2020-12) of [`DocumentMetadata`].
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(DocumentMetadata).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert(
            "$id".to_owned(),
            serde_json::Value::from(format!("urn:pagemill:metadata:{SCHEMA_VERSION}")),
        );
    }
    schema
}
