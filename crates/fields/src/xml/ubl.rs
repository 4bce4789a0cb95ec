//! Universal Business Language 2.x: invoices and credit notes of XRechnung and Peppol.

use super::tree::Element;
use super::{MAX_ROWS, Syntax, Values, XmlInvoice, set};
use crate::amounts::plain;
use crate::dates::iso_of_xml;
use crate::term;

pub(super) fn read(root: &Element) -> XmlInvoice {
    let is_credit_note = root.name == "CreditNote";
    let mut values = Values::new();
    let date = |path: &str| root.text(path).and_then(|raw| iso_of_xml(&raw));
    set(&mut values, term::GUIDELINE, root.text("CustomizationID"));
    set(&mut values, term::NUMBER, root.text("ID"));
    set(&mut values, term::ISSUED, date("IssueDate"));
    let code = root
        .text("InvoiceTypeCode")
        .or_else(|| root.text("CreditNoteTypeCode"));
    set(&mut values, term::TYPE, code);
    set(
        &mut values,
        term::CURRENCY,
        root.text("DocumentCurrencyCode"),
    );
    set(
        &mut values,
        term::VAT_CURRENCY,
        root.text("TaxCurrencyCode"),
    );
    // A credit note has its due date with the means of payment.
    set(
        &mut values,
        term::DUE,
        date("DueDate").or_else(|| date("PaymentMeans/PaymentDueDate")),
    );
    set(
        &mut values,
        term::BUYER_REFERENCE,
        root.text("BuyerReference"),
    );
    set(&mut values, term::ORDER, root.text("OrderReference/ID"));
    set(
        &mut values,
        term::CONTRACT,
        root.text("ContractDocumentReference/ID"),
    );
    set(
        &mut values,
        term::PRECEDING,
        root.text("BillingReference/InvoiceDocumentReference/ID"),
    );
    set(
        &mut values,
        term::PAYMENT_TERMS,
        root.text("PaymentTerms/Note"),
    );
    set(
        &mut values,
        term::DELIVERED,
        date("Delivery/ActualDeliveryDate"),
    );
    set(
        &mut values,
        term::PERIOD_START,
        date("InvoicePeriod/StartDate"),
    );
    set(&mut values, term::PERIOD_END, date("InvoicePeriod/EndDate"));
    if let Some(seller) = root.at("AccountingSupplierParty/Party") {
        of_seller(&mut values, seller);
    }
    if let Some(buyer) = root.at("AccountingCustomerParty/Party") {
        of_buyer(&mut values, buyer);
    }
    for means in root.all("PaymentMeans") {
        set(
            &mut values,
            term::PAYMENT_MEANS,
            means.text("PaymentMeansCode"),
        );
        set(&mut values, term::REMITTANCE, means.text("PaymentID"));
        set(
            &mut values,
            term::IBAN,
            means.text("PayeeFinancialAccount/ID"),
        );
        let bank = "PayeeFinancialAccount/FinancialInstitutionBranch";
        let bic = means.text(&format!("{bank}/ID"));
        set(
            &mut values,
            term::BIC,
            bic.or_else(|| means.text(&format!("{bank}/FinancialInstitution/ID"))),
        );
        set(&mut values, term::MANDATE, means.text("PaymentMandate/ID"));
    }
    if let Some(sums) = root.at("LegalMonetaryTotal") {
        for (term, element) in [
            (term::LINES_NET, "LineExtensionAmount"),
            (term::NET, "TaxExclusiveAmount"),
            (term::GROSS, "TaxInclusiveAmount"),
            (term::ALLOWANCES, "AllowanceTotalAmount"),
            (term::CHARGES, "ChargeTotalAmount"),
            (term::PAID, "PrepaidAmount"),
            (term::ROUNDING, "PayableRoundingAmount"),
            (term::DUE_AMOUNT, "PayableAmount"),
        ] {
            set(&mut values, term, amount(sums, element));
        }
    }
    // There may be a second total, in the currency of the VAT.
    let currency = values.get(&term::CURRENCY).cloned();
    let is_own = |total: &&Element| {
        let code = total
            .at("TaxAmount")
            .and_then(|amount| amount.attribute("currencyID"));
        code.is_none() || code == currency.as_deref()
    };
    let total = root.all("TaxTotal").find(is_own);
    set(
        &mut values,
        term::VAT,
        total.and_then(|total| amount(total, "TaxAmount")),
    );
    let (lines, quantity) = match is_credit_note {
        true => ("CreditNoteLine", "CreditedQuantity"),
        false => ("InvoiceLine", "InvoicedQuantity"),
    };
    let rows = total.map(|total| {
        total
            .all("TaxSubtotal")
            .take(MAX_ROWS)
            .map(vat_row)
            .collect()
    });
    XmlInvoice {
        syntax: Syntax::Ubl,
        vat: rows.unwrap_or_default(),
        lines: root
            .all(lines)
            .take(MAX_ROWS)
            .map(|row| line(row, quantity))
            .collect(),
        values,
    }
}

fn amount(element: &Element, path: &str) -> Option<String> {
    plain(&element.text(path)?)
}

/// The name by which a party trades is the fallback for the one that it is registered under.
fn name(party: &Element) -> Option<String> {
    let registered = party.text("PartyLegalEntity/RegistrationName");
    registered.or_else(|| party.text("PartyName/Name"))
}

/// The number of a party's tax scheme: of VAT, or of another tax.
fn tax_number(party: &Element, is_vat: bool) -> Option<String> {
    let mut schemes = party.all("PartyTaxScheme");
    let found = schemes.find(|scheme| {
        let name = scheme.text("TaxScheme/ID");
        name.is_none_or(|name| name == "VAT") == is_vat
    });
    found?.text("CompanyID")
}

fn of_seller(values: &mut Values, party: &Element) {
    set(values, term::SELLER, name(party));
    set(values, term::SELLER_TRADING, party.text("PartyName/Name"));
    set(
        values,
        term::SELLER_ID,
        party.text("PartyIdentification/ID"),
    );
    set(
        values,
        term::SELLER_REGISTRATION,
        party.text("PartyLegalEntity/CompanyID"),
    );
    set(values, term::SELLER_VAT, tax_number(party, true));
    set(values, term::SELLER_TAX, tax_number(party, false));
    set(
        values,
        term::SELLER_STREET,
        party.text("PostalAddress/StreetName"),
    );
    set(
        values,
        term::SELLER_CITY,
        party.text("PostalAddress/CityName"),
    );
    set(
        values,
        term::SELLER_POSTCODE,
        party.text("PostalAddress/PostalZone"),
    );
    set(
        values,
        term::SELLER_COUNTRY,
        party.text("PostalAddress/Country/IdentificationCode"),
    );
}

fn of_buyer(values: &mut Values, party: &Element) {
    set(values, term::BUYER, name(party));
    set(values, term::BUYER_ID, party.text("PartyIdentification/ID"));
    set(
        values,
        term::BUYER_REGISTRATION,
        party.text("PartyLegalEntity/CompanyID"),
    );
    set(values, term::BUYER_VAT, tax_number(party, true));
    set(
        values,
        term::BUYER_STREET,
        party.text("PostalAddress/StreetName"),
    );
    set(
        values,
        term::BUYER_CITY,
        party.text("PostalAddress/CityName"),
    );
    set(
        values,
        term::BUYER_POSTCODE,
        party.text("PostalAddress/PostalZone"),
    );
    set(
        values,
        term::BUYER_COUNTRY,
        party.text("PostalAddress/Country/IdentificationCode"),
    );
}

fn vat_row(tax: &Element) -> Values {
    let mut row = Values::new();
    set(&mut row, term::VAT_BASE, amount(tax, "TaxableAmount"));
    set(&mut row, term::VAT_AMOUNT, amount(tax, "TaxAmount"));
    set(&mut row, term::VAT_CATEGORY, tax.text("TaxCategory/ID"));
    let rate = amount(tax, "TaxCategory/Percent").or_else(|| amount(tax, "Percent"));
    set(&mut row, term::VAT_RATE, rate);
    row
}

fn line(line: &Element, quantity: &str) -> Values {
    let mut row = Values::new();
    set(&mut row, term::LINE_ID, line.text("ID"));
    set(&mut row, term::QUANTITY, amount(line, quantity));
    let unit = line
        .at(quantity)
        .and_then(|quantity| quantity.attribute("unitCode"));
    set(&mut row, term::UNIT, unit.map(str::to_owned));
    set(
        &mut row,
        term::LINE_NET,
        amount(line, "LineExtensionAmount"),
    );
    set(&mut row, term::PRICE, amount(line, "Price/PriceAmount"));
    set(
        &mut row,
        term::PRICE_BASE,
        amount(line, "Price/BaseQuantity"),
    );
    set(&mut row, term::ITEM, line.text("Item/Name"));
    set(
        &mut row,
        term::ITEM_ID,
        line.text("Item/SellersItemIdentification/ID"),
    );
    set(
        &mut row,
        term::LINE_VAT_CATEGORY,
        line.text("Item/ClassifiedTaxCategory/ID"),
    );
    set(
        &mut row,
        term::LINE_VAT_RATE,
        amount(line, "Item/ClassifiedTaxCategory/Percent"),
    );
    row
}
