//! Which label makes a value what it is said to be.

use std::sync::LazyLock;

use crate::document::{IdentifierKind, PartyRole};
use crate::labels::Labels;

/// What an identifier's label says it is. Kinds that their form tells (DOI, ORCID, IBAN ...) need none.
pub(crate) static IDENTIFIERS: LazyLock<Labels<IdentifierKind>> = LazyLock::new(|| {
    use IdentifierKind as K;
    let number = r"[ -]?(?:no|num(?:ber|éro|ero|mer)?|nr|n°|nº|nummer|id|code|#)";
    let numbered = |names: &str| format!("(?:{names}){number}");
    let invoice = format!(
        "{}|invoice|rechnung|facture|factura|fattura|factuur",
        numbered(
            "(?:tax )?invoice|bill|rechnungs?|facture|factura|fattura|factuur|credit note|gutschrifts?|beleg"
        )
    );
    let order = numbered(
        r"(?:purchase |sales )?order|p\.?o\.?|bestell|auftrags?|commande|pedido|ordine|order",
    );
    let contract = numbered("contract|vertrags?|contrat|contrato|agreement|policy|policen?");
    let customer = numbered("customer|kunden|client|cliente|klant|account|konto");
    let report = numbered("report|bericht|rapport|technical report|document");
    Labels::new(&[
        (K::InvoiceNumber, &invoice),
        (K::OrderNumber, &order),
        (K::ContractNumber, &contract),
        (K::CustomerNumber, &customer),
        (K::ReportNumber, &report),
        (K::Isbn, r"isbn(?:[- ]?1[03])?"),
        (K::Issn, r"e?-?issn(?:[- ]l)?"),
        (K::Pmid, "pmid"),
        (
            K::VatId,
            r"vat(?: reg(?:istration)?)?(?: (?:id|no|number))?|ust\.?-? ?id(?:-?nr|ent-?nr)?|umsatzsteuer-?id(?:entifikationsnummer)?|tva(?: intracom\w*)?|btw(?:-?(?:nr|nummer|id))?|n\.?i\.?f|p\.? ?iva|partita iva|uid(?:-?nr)?|tax id",
        ),
        (
            K::Reference,
            r"(?:our |your |file )?ref(?:erence)?(?: no)?|file no|aktenzeichen|az|(?:unser|ihr) zeichen|geschäftszeichen|(?:n|v)/réf|référence|referencia|riferimento|kenmerk|docket no|case no",
        ),
    ])
});

/// What an organisation's label says it is.
pub(crate) static PARTIES: LazyLock<Labels<PartyRole>> = LazyLock::new(|| {
    Labels::new(&[
        (
            PartyRole::Buyer,
            r"buyer|bill(?:ed)? to|sold to|invoiced? to|customer|client|purchaser|käufer(?:in)?|rechnungsempfänger(?:in)?|rechnung an|kunde|kundin|auftraggeber(?:in)?|leistungsempfänger(?:in)?|acheteur|facturé à|destinataire|comprador(?:a)?|facturar a|cliente|acquirente|destinatario|koper|factuur aan|klant",
        ),
        (
            PartyRole::Seller,
            r"seller|sold by|vendor|supplier|invoice from|issued by|verkäufer(?:in)?|lieferant(?:in)?|rechnungssteller(?:in)?|auftragnehmer(?:in)?|vendeur|fournisseur|émetteur|vendedor(?:a)?|proveedor(?:a)?|venditore|fornitore|cedente|verkoper|leverancier",
        ),
        (
            PartyRole::Publisher,
            r"publish(?:er|ed by)|herausgeber(?:in)?|herausgegeben von|verlag|éditeur|publié par|editor(?:ial)?|editore|uitgever",
        ),
    ])
});

/// Whether somebody's label says that they wrote it, or did something else with it.
#[cfg(feature = "llm")]
pub(crate) static WRITERS: LazyLock<Labels<bool>> = LazyLock::new(|| {
    Labels::new(&[
        (
            false,
            r"(?:edited|reviewed|translated|approved|signed|illustrated|sold|issued|checked|supervised|photographed|foreword|published|commissioned|sponsored|funded|presented) by|prepared for|herausgegeben von|geprüft von|übersetzt von|genehmigt von|édité par|traduit par|editado por|traducido por|a cura di|tradotto da",
        ),
        (
            true,
            r"(?:written |prepared )?by|authors?|author\(s\)|verfasser(?:in)?|verfasst von|autor(?:in|en|innen)?|von|auteurs?|écrit par|par|autora?|autores|escrito por|por|autori|scritto da|door",
        ),
    ])
});
