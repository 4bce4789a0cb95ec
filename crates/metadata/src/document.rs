//! The metadata of a document: the published schema.

use pagemill_document::PageNumber;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::GeneratorKind;

/// Version of the schema; part of the fingerprint of the `metadata` stage.
pub const SCHEMA_VERSION: u32 = 1;

/// Where a value comes from.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ValueSource {
    /// The file's own structures other than XMP: info dictionary, outline.
    PdfInfo,
    /// The XMP packet.
    Xmp,
    /// Read from the text as it stands there.
    Text,
    /// A model's answer.
    Llm,
    /// Computed from the text by a rule or statistic.
    Rule,
}

/// Where in the document a value is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// The page, from 1.
    pub page: PageNumber,
    /// Words of that page, verbatim except for white space.
    pub quote: String,
}

/// A value with its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub source: ValueSource,
    /// Where in the document it is found, when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

impl<T> Sourced<T> {
    /// A value without evidence in the text.
    pub fn new(value: T, source: ValueSource) -> Self {
        Self {
            value,
            source,
            evidence: None,
        }
    }

    /// A value with the page and the words that show it.
    pub fn shown(
        value: T,
        source: ValueSource,
        page: PageNumber,
        quote: impl Into<String>,
    ) -> Self {
        Self {
            value,
            source,
            evidence: Some(Evidence {
                page,
                quote: quote.into(),
            }),
        }
    }
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
    /// Where it comes from.
    pub source: ValueSource,
}

/// The document's dates, ISO 8601: `2024-05-31`, `2024-05`, `2024`, or with a time where the file has one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dates {
    /// When the file was created, by its own account.
    pub created: Option<Sourced<String>>,
    /// When the file was last modified, by its own account.
    pub modified: Option<Sourced<String>>,
    /// The date that the document bears.
    pub issued: Option<Sourced<String>>,
    /// When it comes into force.
    pub effective: Option<Sourced<String>>,
    /// When it ends or expires.
    pub expires: Option<Sourced<String>>,
    /// When something is to be paid or done.
    pub due: Option<Sourced<String>>,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Identifier {
    /// Its kind.
    pub kind: IdentifierKind,
    /// The identifier, normalised as its kind says.
    pub value: String,
    /// Whether check digits were verified; false for kinds that have none.
    pub checked: bool,
    /// Where it comes from.
    pub source: ValueSource,
    /// Where in the document it is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Entity {
    /// What it is.
    pub kind: EntityKind,
    /// Its name.
    pub value: String,
    /// Where it comes from.
    pub source: ValueSource,
    /// Where in the document it is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
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
    /// `pdf_info` for the file's own outline, `text` for headings.
    pub source: ValueSource,
}

/// What Pagemill knows of a document as a whole. Published as `docs/metadata.schema.json`.
///
/// Equal input and settings give equal bytes: there are no time stamps and no run costs in it. `null` and empty
/// lists mean that nothing trustworthy was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DocumentMetadata {
    /// Version of this schema.
    pub schema_version: u32,
    /// SHA-256 of the source file, hex.
    pub sha256: String,
    /// Title.
    pub title: Option<Sourced<String>>,
    /// Kind of document.
    pub document_type: Option<Sourced<DocumentType>>,
    /// Languages, the largest share first.
    pub languages: Vec<Language>,
    /// A short summary; for the extractive generator, sentences of the document.
    pub summary: Option<Sourced<String>>,
    /// Authors.
    pub authors: Vec<Sourced<String>>,
    /// Organisations that issued the document or are party to it.
    pub organisations: Vec<Sourced<String>>,
    /// Dates.
    pub dates: Dates,
    /// Identifiers.
    pub identifiers: Vec<Identifier>,
    /// Keywords, the most telling first.
    pub keywords: Vec<Sourced<String>>,
    /// Topics or subjects.
    pub topics: Vec<Sourced<String>>,
    /// Named entities.
    pub entities: Vec<Entity>,
    /// The file's outline, or headings where it has none.
    pub outline: Vec<OutlineEntry>,
    /// Number of pages.
    pub page_count: u32,
    /// Pages that show something but have no text.
    pub pages_without_text: u32,
    /// Questions that the document answers; only a model can tell.
    pub questions_answered: Vec<Sourced<String>>,
    /// Whether it has form fields.
    pub has_forms: bool,
    /// Whether it has tables, as far as captions tell; `null` when unknown.
    pub has_tables: Option<Sourced<bool>>,
    /// Whether it has figures, as far as captions tell; `null` when unknown.
    pub has_figures: Option<Sourced<bool>>,
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
