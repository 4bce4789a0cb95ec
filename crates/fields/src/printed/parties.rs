//! Who sells and who buys: by labels, by the sender's line, by what stands with registrations, and by where addresses stand.

use std::sync::LazyLock;

use regex::Regex;

use super::set;
use crate::field::Fields;
use crate::rows::{Rows, Spot};
use crate::term;

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("pattern is valid")
}

static SELLER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:verkäufer|seller|sold by|rechnungs(?:er)?steller|lieferant|émetteur|emetteur|vendeur|fournisseur|vendor|supplier|leverancier|verkoper|issued by|from|vendedor|venditore)\b\s*:?",
    )
});
static BUYER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:käufer(?:/leistungsempfänger)?|(?:rechnungs|leistungs)empfänger|rechnung an|kunde|auftraggeber|buyer|purchaser|bill(?:ed)? to|invoice(?:d)? to|sold to|customer|destinataire|client|acheteur|facturé à|adresse de facturation|billing address|koper|klant|factuuradres|factuur aan|comprador|cliente|acquirente|firma)\s*(?::|$)\s*",
    )
});
/// Words of labels and headings: a text that begins with one is no name.
static NO_NAME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)^(?:n°|nr\b|no\b|nummer|globale|number|gln|ust|vat|tva|btw|tax|steuer|datum|date|belegn|beleg\b|kunden-?\ ?(?:nr|nummer)|customer\b|client\b|réf|ref|votre|your|ihre|unsere|iban|bic|tel|fon|phone|fax|e-?mail|siret|zahl|konditionen|conditions
        |payment|terms|pos\b|position|menge|description|bezeichnung|désignation|quantit|qty|invoice\b|rechnung|facture\b|factuur|avoir\b|order|bestell|auftrags?-?(?:nr|nummer|datum|best)|seite|page|lieferschein|handelsname|ansprechpartner|anschrift|name\b|adresse|address|contact|bank|volksbank|sparkasse|kreissparkasse
        |währung|currency|summe|total|betrag|amount|information|firma$|herrn?$|frau$|kontakt|leistung|handelsreg|registergericht|geschäftsf|vorstand|kto|blz|swift|www|http|price|preis|taxe?s?\b|artikel|article|reference|product|produkt|qualifizierung|anwendung|bonjour|dear|sehr\ geehrte)",
    )
});
static COUNTRY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:deutschland|germany|france|frankreich|nederland|netherlands|niederlande|belgique|belgium|belgien|österreich|austria|schweiz|suisse|switzerland|spain|españa|spanien|italia|italy|italien|united states|usa|united kingdom|uk|luxembourg|hong kong|india)(?:\s?/.*)?$",
    )
});
static OTHER_PARTY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)liefer(?:adresse|anschrift)|warenempfänger|deliver|shipping|ship to|livraison|contact|ansprechpartner|zahlungsempfänger|payee|bearbeiter|afleveradres",
    )
});
static NAME_LABEL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)^(?:name|nom|naam|firma|company|société|raison sociale)\s*:\s*")
});
static LEGAL_FORM: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?:^|[\s,])(?:GmbH(?:\s&\sCo\.?(?:\sKG)?)?|GMBH|AG|KGaA|KG|OHG|UG|GbR|e\.\s?K\.|e\.\s?V\.|a\.\s?G\.|SARL|S\.A\.R\.L\.|SAS|SASU|S\.A\.S\.|S\.A\.|SA|EURL|SNC|SCI|Ltd\.?|LTD\.?|Limited|LLC|LLP|PLC|plc|Inc\.?|INC\.?|Corp\.?|B\.V\.|BV|N\.V\.|NV|V\.O\.F\.|S\.L\.|S\.r\.l\.|SRL|S\.p\.A\.|SpA|Oy|AB|A/S|ApS|Sp\. z o\.o\.|s\.r\.o\.)(?:$|[\s,.)])",
    )
});
static TOWN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:(?:[A-Z]{1,3}[-\s])?\d{4,5}\s+\p{Lu}[\p{L}.'/-]+|\d{4}\s?[A-Z]{2}\s+\p{Lu}|[\p{L}. ]+,?\s+[A-Z]{2}\s+\d{5}(?:-\d{4})?$|\p{Lu}[\p{L} ]+ [A-Z]{1,2}\d[A-Z0-9]? \d[A-Z]{2}$|\p{Lu}\p{L}+ \d{6}\b)",
    )
});
static REGISTERED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)siège social|\bcapital\b|\bsiret\b|\bsiren\b|\bR\.?C\.?S\.?\b|\bHR[AB]\b|handelsregister|registergericht|\bkvk\b|ust-?\.?\s?id|\bvat\b|\btva\b|geschäftsführer|vorstand|\btin\b",
    )
});
static SEGMENTS: LazyLock<Regex> = LazyLock::new(|| pattern(r"\s+[-–—●•·|∙,]\s+|\s*[●•·|∙]\s*"));
static POSTCODE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:^|[^\d])\d{4,6}(?:$|[^\d])"));
static DOMAIN: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)(?:www\.|https?://(?:www\.)?|@)([a-z0-9-]{3,})\.[a-z]{2,}"));

pub(super) fn find(rows: &Rows<'_>, fields: &mut Fields) {
    let seller = labelled(rows, &SELLER, false).map(|spot| (spot, "party.label"));
    let buyer = labelled(rows, &BUYER, true).map(|spot| (spot, "party.label"));
    let (addresses, of_others) = addresses(rows);
    let buyer_name = buyer.map(|(spot, _)| folded(rows.text_at(spot)));
    let is_buyer = |spot: Spot| {
        buyer_name
            .as_ref()
            .is_some_and(|name| *name == folded(rows.text_at(spot)))
    };
    let seller = seller
        .or_else(|| sender_line(rows, true).map(|spot| (spot, "party.sender")))
        .or_else(|| by_domain(rows, &addresses).map(|spot| (spot, "party.domain")))
        .or_else(|| sender_line(rows, false).map(|spot| (spot, "party.foot")))
        .or_else(|| {
            registered(rows)
                .filter(|spot| !is_buyer(*spot))
                .map(|spot| (spot, "party.registered"))
        })
        .or_else(|| {
            first_company(rows, &addresses)
                .filter(|spot| !is_buyer(*spot))
                .map(|spot| (spot, "party.first"))
        })
        .or_else(|| {
            let mut names = addresses.iter().copied().filter(|spot| !is_buyer(*spot));
            // One address alone is more often that of the window.
            let first = names.next()?;
            (addresses.len() > 1).then_some((first, "party.place"))
        });
    if let Some((spot, rule)) = seller {
        set(
            fields,
            rows,
            term::SELLER,
            rows.text_at(spot).to_owned(),
            spot,
            rule,
        );
    }
    let seller_name = seller.map(|(spot, _)| without_form(rows.text_at(spot)));
    let is_seller = |spot: Spot| {
        let name = without_form(rows.text_at(spot));
        seller_name.as_ref().is_some_and(|seller| {
            name.starts_with(seller.as_str()) || seller.starts_with(name.as_str())
        })
    };
    let buyer = buyer.filter(|(spot, _)| !is_seller(*spot)).or_else(|| {
        let mut all = addresses.iter().chain(&of_others).copied();
        let other = all.find(|spot| !is_seller(*spot));
        other.map(|spot| (spot, "party.address"))
    });
    let buyer = buyer.or_else(|| {
        let companies = rows
            .pieces()
            .take(40)
            .filter(|(_, text)| LEGAL_FORM.is_match(text) && text.chars().count() < 60);
        let mut others = companies
            .filter_map(|(spot, _)| named(rows, spot))
            .filter(|spot| !is_seller(*spot));
        seller
            .and(others.next())
            .map(|spot| (spot, "party.company"))
    });
    if let Some((spot, rule)) = buyer {
        set(
            fields,
            rows,
            term::BUYER,
            rows.text_at(spot).to_owned(),
            spot,
            rule,
        );
    }
}

fn folded(name: &str) -> String {
    let plain = name.chars().filter(|c| c.is_alphanumeric());
    plain.flat_map(char::to_lowercase).collect()
}

/// A name without its legal form, folded: one place may leave it out.
pub(crate) fn without_form(name: &str) -> String {
    folded(&LEGAL_FORM.replace_all(name, " "))
}

/// What may be a name: letters, no label, no number, no sentence.
fn name_in(text: &str) -> Option<(usize, usize)> {
    let start = text.len()
        - text
            .trim_start_matches(|c: char| !c.is_alphanumeric())
            .len();
    let text = &text[start..];
    let end = text
        .trim_end_matches([' ', ',', ':', ';', '-', '|', '\u{a0}'])
        .len();
    let name = &text[..end];
    let letters = name.chars().filter(|c| c.is_alphabetic()).count();
    let digits = name.chars().filter(|c| c.is_ascii_digit()).count();
    let is_name = (2..=70).contains(&name.chars().count())
        && letters >= 2
        && digits * 2 < letters
        && !name.contains(':')
        && !name.contains('@')
        && !OTHER_PARTY.is_match(name)
        && !NO_NAME.is_match(name)
        && !COUNTRY.is_match(name)
        && name.split_whitespace().count() <= 9;
    is_name.then_some((start, start + end))
}

fn whole(rows: &Rows<'_>, row: usize, piece: usize) -> Spot {
    Spot {
        row,
        piece,
        start: 0,
        end: rows.rows[row].pieces[piece].text.len(),
    }
}

fn named(rows: &Rows<'_>, spot: Spot) -> Option<Spot> {
    let (start, end) = name_in(rows.text_at(spot))?;
    Some(Spot {
        start: spot.start + start,
        end: spot.start + end,
        ..spot
    })
}

/// The name behind or below a label.
fn labelled(rows: &Rows<'_>, labels: &Regex, is_buyer: bool) -> Option<Spot> {
    rows.pieces().find_map(|(spot, text)| {
        let label = labels.find(text)?;
        // A label ends the piece, or has a mark behind it: "From" begins sentences too.
        let ends = label.as_str().trim_end().ends_with(':')
            || text[label.end()..].trim().is_empty()
            || text[label.end()..].trim_start().starts_with(':');
        if !ends {
            return None;
        }
        let rest = Spot {
            start: label.end(),
            end: text.len(),
            ..spot
        };
        let own = named(rows, rest).filter(|name| !is_address(rows.text_at(*name)));
        let is_alone = rows.text_at(rest).chars().all(|c| !c.is_alphanumeric());
        own.or_else(|| below(rows, spot, is_buyer).filter(|_| is_alone))
    })
}

fn is_address(text: &str) -> bool {
    TOWN.is_match(text) || text.chars().any(|c| c.is_ascii_digit()) && !LEGAL_FORM.is_match(text)
}

/// The name in the rows under a heading: behind `Name:`, else the first that may be one.
fn below(rows: &Rows<'_>, label: Spot, is_buyer: bool) -> Option<Spot> {
    let page = rows.rows[label.row].page;
    let mut first = None;
    let same_row = rows.rows[label.row].pieces.len();
    for row in label.row + 1..(label.row + 7).min(rows.rows.len()) {
        let of_row = &rows.rows[row];
        if of_row.page != page {
            break;
        }
        let head = of_row.pieces[0].text.as_str();
        let stops = if is_buyer { &SELLER } else { &BUYER };
        if stops.is_match(head) && of_row.pieces.len() == 1 {
            break;
        }
        if NAME_LABEL.is_match(head) {
            let value = match of_row.pieces.len() {
                1 => Spot {
                    start: NAME_LABEL.find(head)?.end(),
                    ..whole(rows, row, 0)
                },
                _ => whole(rows, row, 1),
            };
            if let Some(name) = named(rows, value) {
                return Some(name);
            }
        }
        let piece = label.piece.min(of_row.pieces.len() - 1);
        let has_label = of_row.pieces.len() == 2
            && (of_row.pieces[0].text.ends_with(':') || of_row.pieces[1].text.starts_with(':'));
        if first.is_none()
            && !has_label
            && !head.starts_with(':')
            && (same_row == 1 || of_row.pieces.len() > 1 || label.piece == 0)
        {
            let text = of_row.pieces[piece].text.as_str();
            let is_salutation = matches!(
                text.to_lowercase().as_str(),
                "herrn" | "herr" | "frau" | "firma" | "information" | "m." | "mme"
            );
            first = named(rows, whole(rows, row, piece))
                .filter(|_| !is_address(text) && !is_salutation);
        }
    }
    first
}

/// The line above a window, or at the foot: a name, a street and a town in one line.
fn sender_line(rows: &Rows<'_>, is_on_top: bool) -> Option<Spot> {
    let lines = rows.pieces().filter_map(|(spot, text)| {
        if is_on_top != (spot.row < 20) || (!is_on_top && !REGISTERED.is_match(text)) {
            return None;
        }
        let parts: Vec<&str> = SEGMENTS
            .split(text)
            .filter(|part| !part.trim().is_empty())
            .collect();
        let is_line =
            (3..=9).contains(&parts.len()) && text.chars().count() < 260 && POSTCODE.is_match(text);
        let first = parts.first()?.trim();
        let has_street = parts
            .iter()
            .skip(1)
            .take(2)
            .any(|part| part.chars().any(|c| c.is_ascii_digit()));
        let end = text.find(first)? + first.len();
        let is_name =
            !first.chars().any(|c| c.is_ascii_digit()) && (has_street || REGISTERED.is_match(text));
        let name = named(rows, Spot { end, ..spot })?;
        (is_line && is_name && !LABELS_A_PLACE.is_match(first)).then_some(name)
    });
    let lines: Vec<Spot> = lines.collect();
    // Of several, the one on top.
    lines.first().copied()
}

static LABELS_A_PLACE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)^(?:warehouse|address|adresse|anschrift|tel|fax|bank|pos|art|iban|postfach)\b")
});

/// The names above addresses: in the rows over a town, in the same column.
fn addresses(rows: &Rows<'_>) -> (Vec<Spot>, Vec<Spot>) {
    let (mut found, mut of_others): (Vec<Spot>, Vec<Spot>) = (Vec::new(), Vec::new());
    for (town, text) in rows.pieces() {
        if !TOWN.is_match(text) {
            continue;
        }
        let row = &rows.rows[town.row];
        let mut lines = Vec::new();
        let mut last_block = row.block;
        for above in (town.row.saturating_sub(6)..town.row).rev() {
            let of_row = &rows.rows[above];
            let Some(piece) = of_row
                .pieces
                .get(town.piece)
                .filter(|_| of_row.page == row.page)
            else {
                break;
            };
            let text = piece.text.as_str();
            // A block of its own above a name and a street is something else.
            if of_row.block != last_block && lines.len() >= 2 {
                break;
            }
            last_block = of_row.block;
            let ends = text.contains(':')
                || COUNTRY.is_match(text)
                || (NO_NAME.is_match(text) && !OTHER_PARTY.is_match(text))
                || TOWN.is_match(text)
                || SEGMENTS.split(text).count() > 2
                || text.chars().count() > 60;
            if ends || lines.len() == 4 {
                break;
            }
            lines.push(whole(rows, above, town.piece));
        }
        // From the top: a heading over an address is none of it.
        lines.reverse();
        let is_heading = |spot: &Spot| {
            HEADING.is_match(rows.text_at(*spot)) || OTHER_PARTY.is_match(rows.text_at(*spot))
        };
        let begin = lines.iter().rposition(is_heading).map_or(0, |at| at + 1);
        let is_of_other = begin > 0 && OTHER_PARTY.is_match(rows.text_at(lines[begin - 1]));
        let lines = &lines[begin..];
        let company = lines
            .iter()
            .copied()
            .filter(|line| LEGAL_FORM.is_match(rows.text_at(*line)))
            .find_map(|line| named(rows, line));
        let first = || {
            lines
                .iter()
                .copied()
                .find_map(|line| named(rows, line).filter(|_| !is_address(rows.text_at(line))))
        };
        let name = company.or_else(first);
        let Some(name) = name else {
            continue;
        };
        let kind = if is_of_other {
            &mut of_others
        } else {
            &mut found
        };
        if !kind.contains(&name) {
            kind.push(name);
        }
    }
    (found, of_others)
}

static HEADING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:\p{L}*rechnung|invoice|facture|factuur|avoir|gutschrift|bonjour|credit note|seite|page|tel|fax|datum|date|information|herrn?|frau)\b.{0,30}$",
    )
});

/// A name that the document's own addresses on the web spell.
fn by_domain(rows: &Rows<'_>, addresses: &[Spot]) -> Option<Spot> {
    let domains: Vec<String> = rows
        .texts()
        .flat_map(|text| DOMAIN.captures_iter(text))
        .map(|found| folded(&found[1]))
        .filter(|domain| {
            !matches!(
                domain.as_str(),
                "gmail"
                    | "gmx"
                    | "web"
                    | "example"
                    | "outlook"
                    | "hotmail"
                    | "yahoo"
                    | "localhost"
                    | "tcpdf"
            )
        })
        .collect();
    let spells = |spot: &Spot| {
        let name = folded(LEGAL_FORM.replace(rows.text_at(*spot), " ").trim());
        name.chars().count() >= 4
            && domains
                .iter()
                .any(|domain| *domain == name || (name.len() >= 6 && domain.contains(&name)))
    };
    let lines = rows.pieces().take(80).filter_map(|(spot, text)| {
        let is_short = text.chars().count() <= 60;
        named(rows, spot).filter(|_| is_short)
    });
    addresses
        .iter()
        .copied()
        .find(spells)
        .or_else(|| lines.into_iter().find(|spot| spells(spot)))
}

/// The first line of a block that names a registration, a capital or who manages.
fn registered(rows: &Rows<'_>) -> Option<Spot> {
    rows.pieces().find_map(|(spot, text)| {
        if !REGISTERED.is_match(text) {
            return None;
        }
        let of = &rows.rows[spot.row];
        let in_block =
            |row: &usize| rows.rows[*row].block == of.block && rows.rows[*row].page == of.page;
        let first = (0..=spot.row).rev().take_while(in_block).last()?;
        let name = named(
            rows,
            whole(
                rows,
                first,
                spot.piece.min(rows.rows[first].pieces.len() - 1),
            ),
        );
        let above = || {
            let above = spot
                .row
                .checked_sub(1)
                .filter(|above| rows.rows[*above].page == of.page)?;
            named(rows, whole(rows, above, 0))
        };
        let is_company = |spot: &Spot| {
            LEGAL_FORM.is_match(rows.text_at(*spot)) || is_shouted(rows.text_at(*spot))
        };
        let name = name.filter(|name| name.row != spot.row);
        name.filter(is_company)
            .or_else(|| above().filter(is_company))
    })
}

fn is_shouted(text: &str) -> bool {
    text.chars()
        .filter(|c| c.is_alphabetic())
        .all(char::is_uppercase)
        && text.split_whitespace().count() <= 4
        && text.chars().count() > 3
}

/// The first company in the upper part of the first page, before the first address that is another's.
fn first_company(rows: &Rows<'_>, addresses: &[Spot]) -> Option<Spot> {
    let company = |spot: &Spot| LEGAL_FORM.is_match(rows.text_at(*spot));
    let first = rows
        .pieces()
        .take(12)
        .filter_map(|(spot, _)| named(rows, spot))
        .find(company);
    let first_address = addresses.first().copied();
    match (first, first_address) {
        // The address on top may be the sender's without a legal form in its name.
        (Some(first), Some(address)) if address.row < first.row && addresses.len() > 1 => {
            Some(address)
        }
        (first, _) => first,
    }
}
