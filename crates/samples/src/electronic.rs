//! Invoices as programs write them today: a page for people, and the same as XML for programs, attached.

use crate::raw::RawPdf;

/// The lines of the page: columns are parted by a bar.
const PAGE: &[&str] = &[
    "Muster Mühle GmbH · Wehrgasse 1 · 12345 Musterstadt",
    "Beispielbäckerei KG",
    "Ofenweg 7",
    "54321 Krumenheim",
    "Rechnung Nr. R-2026-0417",
    "Rechnungsdatum|15.01.2026",
    "Leistungsdatum|12.01.2026",
    "Fällig am|14.02.2026",
    "Pos|Bezeichnung|Menge|Einzelpreis|Betrag",
    "1|Weizenmehl Typ 550|40|18,50 €|740,00 €",
    "2|Roggenschrot|12|21,25 €|255,00 €",
    "Nettobetrag|995,00 €",
    "zzgl. 7 % USt.|69,65 €",
    "Rechnungsbetrag|1.064,65 €",
    "USt-IdNr. DE136695976",
    "IBAN DE89 3704 0044 0532 0130 00",
];

/// The invoice as XML (UN/CEFACT Cross Industry Invoice, the language of Factur-X and ZUGFeRD 2).
pub const CII: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100" xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100" xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100">
<rsm:ExchangedDocumentContext><ram:GuidelineSpecifiedDocumentContextParameter><ram:ID>urn:cen.eu:en16931:2017</ram:ID></ram:GuidelineSpecifiedDocumentContextParameter></rsm:ExchangedDocumentContext>
<rsm:ExchangedDocument><ram:ID>R-2026-0417</ram:ID><ram:TypeCode>380</ram:TypeCode><ram:IssueDateTime><udt:DateTimeString format="102">20260115</udt:DateTimeString></ram:IssueDateTime></rsm:ExchangedDocument>
<rsm:SupplyChainTradeTransaction>
<ram:IncludedSupplyChainTradeLineItem><ram:AssociatedDocumentLineDocument><ram:LineID>1</ram:LineID></ram:AssociatedDocumentLineDocument><ram:SpecifiedTradeProduct><ram:Name>Weizenmehl Typ 550</ram:Name></ram:SpecifiedTradeProduct><ram:SpecifiedLineTradeAgreement><ram:NetPriceProductTradePrice><ram:ChargeAmount>18.50</ram:ChargeAmount></ram:NetPriceProductTradePrice></ram:SpecifiedLineTradeAgreement><ram:SpecifiedLineTradeDelivery><ram:BilledQuantity unitCode="C62">40</ram:BilledQuantity></ram:SpecifiedLineTradeDelivery><ram:SpecifiedLineTradeSettlement><ram:ApplicableTradeTax><ram:TypeCode>VAT</ram:TypeCode><ram:CategoryCode>S</ram:CategoryCode><ram:RateApplicablePercent>7</ram:RateApplicablePercent></ram:ApplicableTradeTax><ram:SpecifiedTradeSettlementLineMonetarySummation><ram:LineTotalAmount>740.00</ram:LineTotalAmount></ram:SpecifiedTradeSettlementLineMonetarySummation></ram:SpecifiedLineTradeSettlement></ram:IncludedSupplyChainTradeLineItem>
<ram:IncludedSupplyChainTradeLineItem><ram:AssociatedDocumentLineDocument><ram:LineID>2</ram:LineID></ram:AssociatedDocumentLineDocument><ram:SpecifiedTradeProduct><ram:Name>Roggenschrot</ram:Name></ram:SpecifiedTradeProduct><ram:SpecifiedLineTradeAgreement><ram:NetPriceProductTradePrice><ram:ChargeAmount>21.25</ram:ChargeAmount></ram:NetPriceProductTradePrice></ram:SpecifiedLineTradeAgreement><ram:SpecifiedLineTradeDelivery><ram:BilledQuantity unitCode="C62">12</ram:BilledQuantity></ram:SpecifiedLineTradeDelivery><ram:SpecifiedLineTradeSettlement><ram:ApplicableTradeTax><ram:TypeCode>VAT</ram:TypeCode><ram:CategoryCode>S</ram:CategoryCode><ram:RateApplicablePercent>7</ram:RateApplicablePercent></ram:ApplicableTradeTax><ram:SpecifiedTradeSettlementLineMonetarySummation><ram:LineTotalAmount>255.00</ram:LineTotalAmount></ram:SpecifiedTradeSettlementLineMonetarySummation></ram:SpecifiedLineTradeSettlement></ram:IncludedSupplyChainTradeLineItem>
<ram:ApplicableHeaderTradeAgreement><ram:SellerTradeParty><ram:Name>Muster Mühle GmbH</ram:Name><ram:PostalTradeAddress><ram:PostcodeCode>12345</ram:PostcodeCode><ram:LineOne>Wehrgasse 1</ram:LineOne><ram:CityName>Musterstadt</ram:CityName><ram:CountryID>DE</ram:CountryID></ram:PostalTradeAddress><ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">DE136695976</ram:ID></ram:SpecifiedTaxRegistration></ram:SellerTradeParty><ram:BuyerTradeParty><ram:Name>Beispielbäckerei KG</ram:Name><ram:PostalTradeAddress><ram:PostcodeCode>54321</ram:PostcodeCode><ram:LineOne>Ofenweg 7</ram:LineOne><ram:CityName>Krumenheim</ram:CityName><ram:CountryID>DE</ram:CountryID></ram:PostalTradeAddress></ram:BuyerTradeParty></ram:ApplicableHeaderTradeAgreement>
<ram:ApplicableHeaderTradeDelivery><ram:ActualDeliverySupplyChainEvent><ram:OccurrenceDateTime><udt:DateTimeString format="102">20260112</udt:DateTimeString></ram:OccurrenceDateTime></ram:ActualDeliverySupplyChainEvent></ram:ApplicableHeaderTradeDelivery>
<ram:ApplicableHeaderTradeSettlement><ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode><ram:SpecifiedTradeSettlementPaymentMeans><ram:TypeCode>58</ram:TypeCode><ram:PayeePartyCreditorFinancialAccount><ram:IBANID>DE89370400440532013000</ram:IBANID></ram:PayeePartyCreditorFinancialAccount></ram:SpecifiedTradeSettlementPaymentMeans><ram:ApplicableTradeTax><ram:CalculatedAmount>69.65</ram:CalculatedAmount><ram:TypeCode>VAT</ram:TypeCode><ram:BasisAmount>995.00</ram:BasisAmount><ram:CategoryCode>S</ram:CategoryCode><ram:RateApplicablePercent>7.00</ram:RateApplicablePercent></ram:ApplicableTradeTax><ram:SpecifiedTradePaymentTerms><ram:DueDateDateTime><udt:DateTimeString format="102">20260214</udt:DateTimeString></ram:DueDateDateTime></ram:SpecifiedTradePaymentTerms><ram:SpecifiedTradeSettlementHeaderMonetarySummation><ram:LineTotalAmount>995.00</ram:LineTotalAmount><ram:TaxBasisTotalAmount>995.00</ram:TaxBasisTotalAmount><ram:TaxTotalAmount currencyID="EUR">69.65</ram:TaxTotalAmount><ram:GrandTotalAmount>1064.65</ram:GrandTotalAmount><ram:DuePayableAmount>1064.65</ram:DuePayableAmount></ram:SpecifiedTradeSettlementHeaderMonetarySummation></ram:ApplicableHeaderTradeSettlement>
</rsm:SupplyChainTradeTransaction>
</rsm:CrossIndustryInvoice>
"#;

/// A German invoice of one page with its XML attached as `factur-x.xml`.
#[must_use]
pub fn electronic_invoice() -> Vec<u8> {
    invoice_carrying(&[("factur-x.xml", "text/xml", CII.as_bytes())])
}

/// The same page with other files attached: names, media types and what they hold.
#[must_use]
pub fn invoice_carrying(files: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut pdf = RawPdf::new();
    // Objects 1 to 5 are the catalog, the page tree, the page, its font and its content.
    let first = 6;
    let names: String = files
        .iter()
        .enumerate()
        .map(|(at, (name, ..))| format!("{} {} 0 R ", text_string(name), first + 2 * at + 1))
        .collect();
    pdf.object(&format!(
        "<< /Type /Catalog /Pages 2 0 R /Names << /EmbeddedFiles << /Names [{names}] >> >> >>"
    ));
    pdf.object("<< /Type /Pages /Count 1 /Kids [3 0 R] >>");
    pdf.object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R /Resources << /Font << /F1 4 0 R >> >> >>");
    pdf.object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>");
    pdf.stream("", &page_content());
    for (name, media_type, content) in files {
        let subtype = media_type.replace('/', "#2F");
        let stream = pdf.stream(&format!("/Type /EmbeddedFile /Subtype /{subtype}"), content);
        let name = text_string(name);
        pdf.object(&format!(
            "<< /Type /Filespec /F {name} /UF {name} /AFRelationship /Alternative /EF << /F {stream} 0 R /UF {stream} 0 R >> >>"
        ));
    }
    pdf.finish("")
}

/// A text string in UTF-16, which any name can be written in.
fn text_string(text: &str) -> String {
    let units = text.encode_utf16().map(|unit| format!("{unit:04X}"));
    format!("<FEFF{}>", units.collect::<String>())
}

/// The lines in Windows' Latin letters, a column every 110 points; blocks are parted by more space.
fn page_content() -> Vec<u8> {
    let mut content = b"BT /F1 10 Tf ".to_vec();
    let mut y = 780;
    for (at, line) in PAGE.iter().enumerate() {
        for (column, piece) in line.split('|').enumerate() {
            let x = 60 + 110 * column;
            content.extend(format!("1 0 0 1 {x} {y} Tm (").bytes());
            content.extend(piece.chars().map(|letter| match letter {
                '€' => 0x80,
                other => u8::try_from(u32::from(other)).unwrap_or(b'?'),
            }));
            content.extend(b") Tj ");
        }
        y -= if matches!(at, 0 | 3 | 4 | 7 | 10 | 13) {
            40
        } else {
            14
        };
    }
    content.extend(b"ET");
    content
}
