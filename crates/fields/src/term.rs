//! The business terms of EN 16931 that are extracted, by number and name.

/// A business term, such as `BT-1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(pub(crate) &'static str);

/// What the values of a term are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Date,
    Amount,
    /// An identifier, whose spaces and punctuation say nothing.
    Identifier,
}

macro_rules! terms {
    ($($constant:ident $number:literal $name:literal $kind:ident;)*) => {
        $(pub(crate) const $constant: Term = Term($number);)*
        const ALL: &[(Term, &str, Kind)] = &[$(($constant, $name, Kind::$kind)),*];
    };
}

terms! {
    NUMBER "BT-1" "invoice_number" Text;
    ISSUED "BT-2" "issue_date" Date;
    TYPE "BT-3" "type_code" Text;
    CURRENCY "BT-5" "currency" Text;
    VAT_CURRENCY "BT-6" "vat_currency" Text;
    DUE "BT-9" "due_date" Date;
    BUYER_REFERENCE "BT-10" "buyer_reference" Text;
    CONTRACT "BT-12" "contract_reference" Text;
    ORDER "BT-13" "order_reference" Text;
    PAYMENT_TERMS "BT-20" "payment_terms" Text;
    GUIDELINE "BT-24" "guideline" Text;
    PRECEDING "BT-25" "preceding_invoice" Text;
    SELLER "BT-27" "seller_name" Text;
    SELLER_TRADING "BT-28" "seller_trading_name" Text;
    SELLER_ID "BT-29" "seller_id" Identifier;
    SELLER_REGISTRATION "BT-30" "seller_registration" Identifier;
    SELLER_VAT "BT-31" "seller_vat_id" Identifier;
    SELLER_TAX "BT-32" "seller_tax_number" Identifier;
    SELLER_STREET "BT-35" "seller_street" Text;
    SELLER_CITY "BT-37" "seller_city" Text;
    SELLER_POSTCODE "BT-38" "seller_postcode" Text;
    SELLER_COUNTRY "BT-40" "seller_country" Text;
    BUYER "BT-44" "buyer_name" Text;
    BUYER_ID "BT-46" "buyer_id" Identifier;
    BUYER_REGISTRATION "BT-47" "buyer_registration" Identifier;
    BUYER_VAT "BT-48" "buyer_vat_id" Identifier;
    BUYER_STREET "BT-50" "buyer_street" Text;
    BUYER_CITY "BT-52" "buyer_city" Text;
    BUYER_POSTCODE "BT-53" "buyer_postcode" Text;
    BUYER_COUNTRY "BT-55" "buyer_country" Text;
    DELIVERED "BT-72" "delivery_date" Date;
    PERIOD_START "BT-73" "period_start" Date;
    PERIOD_END "BT-74" "period_end" Date;
    PAYMENT_MEANS "BT-81" "payment_means" Text;
    REMITTANCE "BT-83" "remittance_information" Text;
    IBAN "BT-84" "iban" Identifier;
    BIC "BT-86" "bic" Identifier;
    MANDATE "BT-89" "mandate_reference" Text;
    LINES_NET "BT-106" "line_total" Amount;
    ALLOWANCES "BT-107" "allowance_total" Amount;
    CHARGES "BT-108" "charge_total" Amount;
    NET "BT-109" "net_total" Amount;
    VAT "BT-110" "vat_total" Amount;
    GROSS "BT-112" "gross_total" Amount;
    PAID "BT-113" "paid_amount" Amount;
    ROUNDING "BT-114" "rounding_amount" Amount;
    DUE_AMOUNT "BT-115" "due_amount" Amount;
    VAT_BASE "BT-116" "vat_base" Amount;
    VAT_AMOUNT "BT-117" "vat_amount" Amount;
    VAT_CATEGORY "BT-118" "vat_category" Text;
    VAT_RATE "BT-119" "vat_rate" Amount;
    LINE_ID "BT-126" "line_id" Text;
    QUANTITY "BT-129" "quantity" Amount;
    UNIT "BT-130" "unit" Text;
    LINE_NET "BT-131" "line_net" Amount;
    PRICE "BT-146" "unit_price" Amount;
    PRICE_BASE "BT-149" "price_base_quantity" Amount;
    LINE_VAT_CATEGORY "BT-151" "line_vat_category" Text;
    LINE_VAT_RATE "BT-152" "line_vat_rate" Amount;
    ITEM "BT-153" "item_name" Text;
    ITEM_ID "BT-155" "seller_item_id" Identifier;
}

impl Term {
    /// Its number, such as `BT-1`.
    pub fn number(self) -> &'static str {
        self.0
    }

    /// Its name here, such as `invoice_number`.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    pub(crate) fn kind(self) -> Kind {
        self.row().2
    }

    /// All terms.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.iter().map(|(term, ..)| *term)
    }

    /// The term of this number, such as `BT-84`.
    pub fn of(number: &str) -> Option<Self> {
        Self::all().find(|term| term.number() == number)
    }

    fn row(self) -> &'static (Term, &'static str, Kind) {
        let row = ALL.iter().find(|(term, ..)| *term == self);
        row.expect("every term is made by the table")
    }
}
