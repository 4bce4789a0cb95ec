//! Invoices that carry their XML.

use pagemill_document::testing::page_of;
use pagemill_document::{PageNumber, PageText};
use pagemill_fields::{DocumentFields, Input, Verified, XmlFile, extract, xml};
use pagemill_samples::CII;

/// A page of text whose columns are parted by bars.
fn page(text: &str) -> PageText {
    page_of(PageNumber(1), &text.trim().replace('|', "\t"))
}

const PAGE: &str = "
Muster Mühle GmbH · Wehrgasse 1 · 12345 Musterstadt

Beispielbäckerei KG

Rechnung Nr. R-2026-0417 vom 15.01.2026

Nettobetrag|995,00 €
zzgl. 7 % USt.|69,65 €
Rechnungsbetrag|1.064,65 €

IBAN DE89 3704 0044 0532 0130 00
";

const UBL: &str = r#"<?xml version="1.0"?>
<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2" xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2" xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
<cbc:CustomizationID>urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0</cbc:CustomizationID>
<cbc:ID>R-2026-0417</cbc:ID><cbc:IssueDate>2026-01-15</cbc:IssueDate><cbc:DueDate>2026-02-14</cbc:DueDate>
<cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode><cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
<cac:AccountingSupplierParty><cac:Party><cac:PartyName><cbc:Name>Muster &amp; Mühle</cbc:Name></cac:PartyName><cac:PartyTaxScheme><cbc:CompanyID>DE136695976</cbc:CompanyID><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme></cac:Party></cac:AccountingSupplierParty>
<cac:PaymentMeans><cbc:PaymentMeansCode>58</cbc:PaymentMeansCode><cac:PayeeFinancialAccount><cbc:ID>DE89370400440532013000</cbc:ID></cac:PayeeFinancialAccount></cac:PaymentMeans>
<cac:TaxTotal><cbc:TaxAmount currencyID="EUR">69.65</cbc:TaxAmount><cac:TaxSubtotal><cbc:TaxableAmount currencyID="EUR">995.00</cbc:TaxableAmount><cbc:TaxAmount currencyID="EUR">69.65</cbc:TaxAmount><cac:TaxCategory><cbc:ID>S</cbc:ID><cbc:Percent>7</cbc:Percent></cac:TaxCategory></cac:TaxSubtotal></cac:TaxTotal>
<cac:LegalMonetaryTotal><cbc:LineExtensionAmount currencyID="EUR">995</cbc:LineExtensionAmount><cbc:TaxExclusiveAmount currencyID="EUR">995</cbc:TaxExclusiveAmount><cbc:TaxInclusiveAmount currencyID="EUR">1064.65</cbc:TaxInclusiveAmount><cbc:PayableAmount currencyID="EUR">1064.65</cbc:PayableAmount></cac:LegalMonetaryTotal>
<cac:InvoiceLine><cbc:ID>1</cbc:ID><cbc:InvoicedQuantity unitCode="C62">40</cbc:InvoicedQuantity><cbc:LineExtensionAmount currencyID="EUR">995.00</cbc:LineExtensionAmount><cac:Item><cbc:Name>Mehl</cbc:Name></cac:Item><cac:Price><cbc:PriceAmount currencyID="EUR">24.875</cbc:PriceAmount></cac:Price></cac:InvoiceLine>
</Invoice>"#;

/// A part of an invoice as ZUGFeRD 1.0 wrote it: other names for its parts.
const ZUGFERD_1: &str = r#"<rsm:CrossIndustryDocument xmlns:rsm="urn:ferd:CrossIndustryDocument:invoice:1p0" xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:12" xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:15">
<rsm:SpecifiedExchangedDocumentContext><ram:GuidelineSpecifiedDocumentContextParameter><ram:ID>urn:ferd:CrossIndustryDocument:invoice:1p0:comfort</ram:ID></ram:GuidelineSpecifiedDocumentContextParameter></rsm:SpecifiedExchangedDocumentContext>
<rsm:HeaderExchangedDocument><ram:ID>R-7</ram:ID><ram:TypeCode>380</ram:TypeCode><ram:IssueDateTime><udt:DateTimeString format="102">20140305</udt:DateTimeString></ram:IssueDateTime></rsm:HeaderExchangedDocument>
<rsm:SpecifiedSupplyChainTradeTransaction>
<ram:ApplicableSupplyChainTradeAgreement><ram:SellerTradeParty><ram:Name>Muster Mühle GmbH</ram:Name></ram:SellerTradeParty></ram:ApplicableSupplyChainTradeAgreement>
<ram:ApplicableSupplyChainTradeSettlement><ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode><ram:SpecifiedTradeSettlementMonetarySummation><ram:TaxBasisTotalAmount currencyID="EUR">100.00</ram:TaxBasisTotalAmount><ram:TaxTotalAmount currencyID="EUR">19.00</ram:TaxTotalAmount><ram:GrandTotalAmount currencyID="EUR">119.00</ram:GrandTotalAmount></ram:SpecifiedTradeSettlementMonetarySummation></ram:ApplicableSupplyChainTradeSettlement>
<ram:IncludedSupplyChainTradeLineItem><ram:SpecifiedSupplyChainTradeDelivery><ram:BilledQuantity unitCode="C62">4.0000</ram:BilledQuantity></ram:SpecifiedSupplyChainTradeDelivery><ram:SpecifiedSupplyChainTradeSettlement><ram:SpecifiedTradeSettlementMonetarySummation><ram:LineTotalAmount currencyID="EUR">100.00</ram:LineTotalAmount></ram:SpecifiedTradeSettlementMonetarySummation></ram:SpecifiedSupplyChainTradeSettlement><ram:SpecifiedTradeProduct><ram:Name>Mehl</ram:Name></ram:SpecifiedTradeProduct></ram:IncludedSupplyChainTradeLineItem>
</rsm:SpecifiedSupplyChainTradeTransaction></rsm:CrossIndustryDocument>"#;

fn extracted(text: &str, name: &str, xml: &str) -> DocumentFields {
    let pages = [page(text)];
    let files = [XmlFile {
        name,
        bytes: xml.as_bytes(),
    }];
    extract(&Input {
        pages: &pages,
        files: &files,
        document_type: None,
        ..Input::default()
    })
}

fn value<'a>(found: &'a DocumentFields, term: &str) -> Option<&'a str> {
    found.fields.get(term)?.value.as_deref()
}

#[test]
fn a_factur_x_invoice_is_what_its_xml_says_and_its_page_shows_it() {
    let found = extracted(PAGE, "factur-x.xml", CII);
    assert_eq!(
        (found.profile.as_str(), found.chosen_by.as_str()),
        ("invoice", "attachment")
    );
    for (term, expected) in [
        ("BT-1", "R-2026-0417"),
        ("BT-2", "2026-01-15"),
        ("BT-5", "EUR"),
        ("BT-27", "Muster Mühle GmbH"),
        ("BT-44", "Beispielbäckerei KG"),
        ("BT-84", "DE89370400440532013000"),
        ("BT-109", "995.00"),
        ("BT-112", "1064.65"),
    ] {
        let field = &found.fields[term];
        assert_eq!(field.value.as_deref(), Some(expected), "{term}");
        assert_eq!(
            (field.verified, field.shown),
            (Verified::Xml, Some(true)),
            "{term}"
        );
        assert!(!field.evidence.is_empty(), "{term}");
    }
    // The page does not show it.
    assert_eq!(value(&found, "BT-9"), Some("2026-02-14"));
    assert_eq!(found.fields["BT-9"].shown, Some(false));
    // No page shows a code.
    assert_eq!(found.fields["BT-3"].shown, None);
    assert_eq!(found.lines.len(), 2);
    assert_eq!(
        found.lines[1]["BT-153"].value.as_deref(),
        Some("Roggenschrot")
    );
    assert_eq!(
        found.vat_breakdown[0]["BT-119"].value.as_deref(),
        Some("7.00")
    );
    let failed: Vec<_> = found
        .checks
        .iter()
        .filter(|check| check.message.is_some())
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn an_account_that_the_page_shows_otherwise_is_a_conflict_for_people() {
    let other = PAGE.replace("DE89 3704 0044 0532 0130 00", "DE75 5121 0800 1245 1261 99");
    let found = extracted(&other, "factur-x.xml", CII);
    let account = &found.fields["BT-84"];
    assert_eq!(
        (account.value.as_deref(), account.verified),
        (None, Verified::Conflict)
    );
    let said: Vec<&str> = account
        .candidates
        .iter()
        .map(|said| said.value.as_str())
        .collect();
    assert_eq!(said, ["DE89370400440532013000", "DE75512108001245126199"]);
    assert!(found.checks.iter().any(|check| check.rule == "PAGE"));
}

#[test]
fn a_total_that_the_page_makes_up_otherwise_is_a_conflict() {
    let other = PAGE
        .replace("995,00", "1.995,00")
        .replace("69,65", "139,65")
        .replace("1.064,65", "2.134,65");
    let found = extracted(&other, "factur-x.xml", CII);
    assert_eq!(found.fields["BT-112"].verified, Verified::Conflict);
    assert_eq!(found.seed_view.expect("an invoice").total, None);
}

#[test]
fn ubl_is_read() {
    let found = extracted(PAGE, "xrechnung.xml", UBL);
    assert_eq!(
        found.xml.as_ref().map(|used| used.syntax.as_str()),
        Some("ubl")
    );
    for (term, expected) in [
        ("BT-1", "R-2026-0417"),
        ("BT-9", "2026-02-14"),
        ("BT-27", "Muster & Mühle"),
        ("BT-31", "DE136695976"),
        ("BT-84", "DE89370400440532013000"),
        ("BT-106", "995.00"),
        ("BT-110", "69.65"),
        ("BT-112", "1064.65"),
    ] {
        assert_eq!(value(&found, term), Some(expected), "{term}");
    }
    assert_eq!(found.lines[0]["BT-146"].value.as_deref(), Some("24.875"));
}

#[test]
fn zugferd_1_is_read() {
    let found = extracted("Rechnung", "ZUGFeRD-invoice.xml", ZUGFERD_1);
    for (term, expected) in [
        ("BT-1", "R-7"),
        ("BT-2", "2014-03-05"),
        ("BT-27", "Muster Mühle GmbH"),
        ("BT-109", "100.00"),
        ("BT-110", "19.00"),
        ("BT-112", "119.00"),
    ] {
        assert_eq!(value(&found, term), Some(expected), "{term}");
    }
    assert_eq!(found.lines[0]["BT-131"].value.as_deref(), Some("100.00"));
    assert_eq!(found.lines[0]["BT-129"].value.as_deref(), Some("4.00"));
}

#[test]
fn what_only_the_page_says_is_added() {
    let without = CII.replace("<ram:IBANID>DE89370400440532013000</ram:IBANID>", "");
    let found = extracted(PAGE, "factur-x.xml", &without);
    let account = &found.fields["BT-84"];
    assert_eq!(account.value.as_deref(), Some("DE89370400440532013000"));
    assert_eq!(account.verified, Verified::Normalised);
}

#[test]
fn xml_that_is_no_invoice_is_left_alone_and_a_broken_one_is_told() {
    let found = extracted("A letter.", "data.xml", "<measurements><a/></measurements>");
    assert_eq!(
        (found.profile.as_str(), found.warnings.len()),
        ("document", 0)
    );
    let found = extracted("A letter.", "factur-x.xml", "<rsm:CrossIndustryInvoice>");
    assert_eq!(found.profile, "document");
    assert!(
        found.warnings[0].contains("factur-x.xml"),
        "{:?}",
        found.warnings
    );
}

#[test]
fn ho_2_hostile_xml_ends_with_a_reason() {
    let deep = "<a>".repeat(100_000);
    assert!(matches!(
        xml::read(deep.as_bytes()),
        Err(xml::XmlError::OverLimit { .. })
    ));
    let wide = format!("<a>{}</a>", "<b/>".repeat(600_000));
    assert!(matches!(
        xml::read(wide.as_bytes()),
        Err(xml::XmlError::OverLimit { .. })
    ));
    let large = vec![b' '; xml::MAX_BYTES + 1];
    assert!(matches!(
        xml::read(&large),
        Err(xml::XmlError::OverLimit { .. })
    ));
    // Entities are not expanded, so that none can grow.
    let bomb = "<!DOCTYPE a [<!ENTITY x \"xxxxxxxxxx\"><!ENTITY y \"&x;&x;&x;\">]><Invoice><ID>&y;7</ID></Invoice>";
    let found = extracted("A letter.", "a.xml", bomb);
    assert_eq!(value(&found, "BT-1"), Some("7"));
    for broken in ["", "<", "<a", "\u{0}", "<a></b>", "<a><![CDATA["] {
        assert!(xml::read(broken.as_bytes()).is_err(), "{broken:?}");
    }
}
