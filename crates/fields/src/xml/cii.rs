//! Cross Industry Invoice: Factur-X, ZUGFeRD 1.0 to 2.x and XRechnung.

use super::tree::{Element, XmlError};
use super::{MAX_ROWS, Syntax, Values, XmlInvoice, set};
use crate::amounts::plain;
use crate::dates::iso_of_xml;
use crate::term::{self, Term};

pub(super) fn read(root: &Element) -> Result<XmlInvoice, XmlError> {
    let part = |element: &'static str, in_v1: &'static str, of: &'static str| {
        let found = root.at(element).or_else(|| root.at(in_v1));
        found.ok_or(XmlError::Missing { element: of })
    };
    let document = part(
        "ExchangedDocument",
        "HeaderExchangedDocument",
        "ExchangedDocument",
    )?;
    let trade = part(
        "SupplyChainTradeTransaction",
        "SpecifiedSupplyChainTradeTransaction",
        "SupplyChainTradeTransaction",
    )?;
    let header = |now: &str, in_v1: &str, of: &'static str| {
        let found = trade.at(now).or_else(|| trade.at(in_v1));
        found.ok_or(XmlError::Missing { element: of })
    };
    let agreement = header(
        "ApplicableHeaderTradeAgreement",
        "ApplicableSupplyChainTradeAgreement",
        "ApplicableHeaderTradeAgreement",
    )?;
    let settlement = header(
        "ApplicableHeaderTradeSettlement",
        "ApplicableSupplyChainTradeSettlement",
        "ApplicableHeaderTradeSettlement",
    )?;
    let delivery = header(
        "ApplicableHeaderTradeDelivery",
        "ApplicableSupplyChainTradeDelivery",
        "ApplicableHeaderTradeDelivery",
    );
    let mut values = Values::new();
    let guideline = [
        "ExchangedDocumentContext",
        "SpecifiedExchangedDocumentContext",
    ];
    let guideline = guideline.iter().find_map(|context| {
        root.text(&format!(
            "{context}/GuidelineSpecifiedDocumentContextParameter/ID"
        ))
    });
    set(&mut values, term::GUIDELINE, guideline);
    set(&mut values, term::NUMBER, document.text("ID"));
    set(&mut values, term::TYPE, document.text("TypeCode"));
    set(
        &mut values,
        term::ISSUED,
        date(document, "IssueDateTime/DateTimeString"),
    );
    of_agreement(&mut values, agreement);
    if let Ok(delivery) = delivery {
        let delivered = "ActualDeliverySupplyChainEvent/OccurrenceDateTime/DateTimeString";
        set(&mut values, term::DELIVERED, date(delivery, delivered));
    }
    of_settlement(&mut values, settlement);
    Ok(XmlInvoice {
        syntax: Syntax::Cii,
        vat: settlement
            .all("ApplicableTradeTax")
            .take(MAX_ROWS)
            .map(vat_row)
            .collect(),
        lines: trade
            .all("IncludedSupplyChainTradeLineItem")
            .filter(|line| !is_group(line))
            .take(MAX_ROWS)
            .map(line)
            .collect(),
        values,
    })
}

fn date(element: &Element, path: &str) -> Option<String> {
    iso_of_xml(&element.text(path)?)
}

fn amount(element: &Element, path: &str) -> Option<String> {
    plain(&element.text(path)?)
}

fn of_agreement(values: &mut Values, agreement: &Element) {
    set(
        values,
        term::BUYER_REFERENCE,
        agreement.text("BuyerReference"),
    );
    let referenced = |of: &str| {
        let id = agreement.text(&format!("{of}/IssuerAssignedID"));
        id.or_else(|| agreement.text(&format!("{of}/ID")))
    };
    set(
        values,
        term::ORDER,
        referenced("BuyerOrderReferencedDocument"),
    );
    set(
        values,
        term::CONTRACT,
        referenced("ContractReferencedDocument"),
    );
    if let Some(seller) = agreement.at("SellerTradeParty") {
        party(values, seller, &SELLER);
        let numbers = seller
            .all("SpecifiedTaxRegistration")
            .filter_map(|tax| tax.at("ID"));
        let number = numbers
            .into_iter()
            .find(|id| id.attribute("schemeID") == Some("FC"));
        set(values, term::SELLER_TAX, number.map(Element::own_text));
    }
    if let Some(buyer) = agreement.at("BuyerTradeParty") {
        party(values, buyer, &BUYER);
    }
}

/// The terms of a party.
struct PartyTerms {
    name: Term,
    id: Term,
    registration: Term,
    vat: Term,
    street: Term,
    city: Term,
    postcode: Term,
    country: Term,
}

const SELLER: PartyTerms = PartyTerms {
    name: term::SELLER,
    id: term::SELLER_ID,
    registration: term::SELLER_REGISTRATION,
    vat: term::SELLER_VAT,
    street: term::SELLER_STREET,
    city: term::SELLER_CITY,
    postcode: term::SELLER_POSTCODE,
    country: term::SELLER_COUNTRY,
};

const BUYER: PartyTerms = PartyTerms {
    name: term::BUYER,
    id: term::BUYER_ID,
    registration: term::BUYER_REGISTRATION,
    vat: term::BUYER_VAT,
    street: term::BUYER_STREET,
    city: term::BUYER_CITY,
    postcode: term::BUYER_POSTCODE,
    country: term::BUYER_COUNTRY,
};

fn party(values: &mut Values, party: &Element, terms: &PartyTerms) {
    set(values, terms.name, party.text("Name"));
    set(
        values,
        terms.id,
        party.text("GlobalID").or_else(|| party.text("ID")),
    );
    set(
        values,
        terms.registration,
        party.text("SpecifiedLegalOrganization/ID"),
    );
    let mut taxes = party
        .all("SpecifiedTaxRegistration")
        .filter_map(|tax| tax.at("ID"));
    let vat = taxes.find(|id| id.attribute("schemeID") == Some("VA"));
    set(values, terms.vat, vat.map(Element::own_text));
    set(
        values,
        terms.street,
        party.text("PostalTradeAddress/LineOne"),
    );
    set(
        values,
        terms.city,
        party.text("PostalTradeAddress/CityName"),
    );
    set(
        values,
        terms.postcode,
        party.text("PostalTradeAddress/PostcodeCode"),
    );
    set(
        values,
        terms.country,
        party.text("PostalTradeAddress/CountryID"),
    );
}

fn of_settlement(values: &mut Values, settlement: &Element) {
    set(
        values,
        term::CURRENCY,
        settlement.text("InvoiceCurrencyCode"),
    );
    set(
        values,
        term::VAT_CURRENCY,
        settlement.text("TaxCurrencyCode"),
    );
    set(
        values,
        term::REMITTANCE,
        settlement.text("PaymentReference"),
    );
    for means in settlement.all("SpecifiedTradeSettlementPaymentMeans") {
        set(values, term::PAYMENT_MEANS, means.text("TypeCode"));
        let account = means.text("PayeePartyCreditorFinancialAccount/IBANID");
        let account =
            account.or_else(|| means.text("PayeePartyCreditorFinancialAccount/ProprietaryID"));
        set(values, term::IBAN, account);
        let bank = "PayeeSpecifiedCreditorFinancialInstitution/BICID";
        set(values, term::BIC, means.text(bank));
    }
    let period = "BillingSpecifiedPeriod";
    set(
        values,
        term::PERIOD_START,
        date(
            settlement,
            &format!("{period}/StartDateTime/DateTimeString"),
        ),
    );
    set(
        values,
        term::PERIOD_END,
        date(settlement, &format!("{period}/EndDateTime/DateTimeString")),
    );
    for terms in settlement.all("SpecifiedTradePaymentTerms") {
        set(
            values,
            term::DUE,
            date(terms, "DueDateDateTime/DateTimeString"),
        );
        set(values, term::PAYMENT_TERMS, terms.text("Description"));
        set(values, term::MANDATE, terms.text("DirectDebitMandateID"));
    }
    let preceding = settlement.text("InvoiceReferencedDocument/IssuerAssignedID");
    set(values, term::PRECEDING, preceding);
    let sums = settlement.at("SpecifiedTradeSettlementHeaderMonetarySummation");
    let Some(sums) = sums.or_else(|| settlement.at("SpecifiedTradeSettlementMonetarySummation"))
    else {
        return;
    };
    for (term, element) in [
        (term::LINES_NET, "LineTotalAmount"),
        (term::ALLOWANCES, "AllowanceTotalAmount"),
        (term::CHARGES, "ChargeTotalAmount"),
        (term::NET, "TaxBasisTotalAmount"),
        (term::GROSS, "GrandTotalAmount"),
        (term::PAID, "TotalPrepaidAmount"),
        (term::ROUNDING, "RoundingAmount"),
        (term::DUE_AMOUNT, "DuePayableAmount"),
    ] {
        set(values, term, amount(sums, element));
    }
    // There may be a second one, in the currency of the VAT.
    let currency = values.get(&term::CURRENCY).cloned();
    let mut taxes = sums.all("TaxTotalAmount");
    let tax = taxes.find(|tax| {
        tax.attribute("currencyID")
            .is_none_or(|code| Some(code) == currency.as_deref())
    });
    set(
        values,
        term::VAT,
        tax.and_then(|tax| plain(&tax.own_text())),
    );
}

fn vat_row(tax: &Element) -> Values {
    let mut row = Values::new();
    set(&mut row, term::VAT_BASE, amount(tax, "BasisAmount"));
    set(&mut row, term::VAT_AMOUNT, amount(tax, "CalculatedAmount"));
    set(&mut row, term::VAT_CATEGORY, tax.text("CategoryCode"));
    let rate = amount(tax, "RateApplicablePercent").or_else(|| amount(tax, "ApplicablePercent"));
    set(&mut row, term::VAT_RATE, rate);
    row
}

/// Whether a line of the profile EXTENDED is a heading or a text: its amount is that of others.
fn is_group(line: &Element) -> bool {
    let reason = line.text("AssociatedDocumentLineDocument/LineStatusReasonCode");
    reason.is_some_and(|reason| matches!(reason.as_str(), "GROUP" | "INFORMATION"))
}

fn line(line: &Element) -> Values {
    let mut row = Values::new();
    set(
        &mut row,
        term::LINE_ID,
        line.text("AssociatedDocumentLineDocument/LineID"),
    );
    set(
        &mut row,
        term::ITEM,
        line.text("SpecifiedTradeProduct/Name"),
    );
    set(
        &mut row,
        term::ITEM_ID,
        line.text("SpecifiedTradeProduct/SellerAssignedID"),
    );
    let parts = [
        (
            "SpecifiedLineTradeAgreement",
            "SpecifiedLineTradeDelivery",
            "SpecifiedLineTradeSettlement",
        ),
        (
            "SpecifiedSupplyChainTradeAgreement",
            "SpecifiedSupplyChainTradeDelivery",
            "SpecifiedSupplyChainTradeSettlement",
        ),
    ];
    for (agreement, delivery, settlement) in parts {
        let price = format!("{agreement}/NetPriceProductTradePrice");
        set(
            &mut row,
            term::PRICE,
            amount(line, &format!("{price}/ChargeAmount")),
        );
        set(
            &mut row,
            term::PRICE_BASE,
            amount(line, &format!("{price}/BasisQuantity")),
        );
        let quantity = format!("{delivery}/BilledQuantity");
        set(&mut row, term::QUANTITY, amount(line, &quantity));
        let unit = line
            .at(&quantity)
            .and_then(|quantity| quantity.attribute("unitCode"));
        set(&mut row, term::UNIT, unit.map(str::to_owned));
        let tax = format!("{settlement}/ApplicableTradeTax");
        set(
            &mut row,
            term::LINE_VAT_CATEGORY,
            line.text(&format!("{tax}/CategoryCode")),
        );
        let rate = amount(line, &format!("{tax}/RateApplicablePercent"));
        let rate = rate.or_else(|| amount(line, &format!("{tax}/ApplicablePercent")));
        set(&mut row, term::LINE_VAT_RATE, rate);
        for sums in [
            "SpecifiedTradeSettlementLineMonetarySummation",
            "SpecifiedTradeSettlementMonetarySummation",
        ] {
            let net = format!("{settlement}/{sums}/LineTotalAmount");
            set(&mut row, term::LINE_NET, amount(line, &net));
        }
    }
    row
}
