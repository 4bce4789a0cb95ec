//! What following a link could do.
//!
//! Readers and browsers forgive a lot, so this does too, on the side of caution: control characters and invisible
//! characters anywhere, white space in a scheme, percent encoding of a scheme, backslashes for slashes, and every
//! way to write an IPv4 address.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use pagemill_document::{LinkSafety, LinkTarget};

/// Rounds of percent decoding that are tried to find a hidden scheme.
const MAX_DECODING_ROUNDS: usize = 3;

/// Wrappers such as `view-source:` that are taken off one another.
const MAX_WRAPPERS: usize = 4;

/// Suffixes of names that never lead to the public network, or that public resolvers answer with private addresses.
const PRIVATE_SUFFIXES: [&str; 14] = [
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "home.arpa",
    "nip.io",
    "sslip.io",
    "localtest.me",
    "lvh.me",
];

/// Says what following `target` could do. Total: it never panics, and touches neither network nor disk.
pub fn classify(target: &LinkTarget) -> LinkSafety {
    match target {
        LinkTarget::Uri { uri } | LinkTarget::Mailto { uri } => classify_uri(uri),
        LinkTarget::GoTo { .. } => LinkSafety::Ordinary,
        LinkTarget::GoToR { file, .. } => classify_file(file),
        LinkTarget::Launch { .. } => LinkSafety::Program,
        LinkTarget::Other { action, detail } => classify_action(action, detail.as_deref()),
    }
}

fn classify_action(action: &str, detail: Option<&str>) -> LinkSafety {
    match action {
        "JavaScript" => LinkSafety::Script,
        "SubmitForm" => LinkSafety::Submission,
        "GoToE" | "ImportData" => detail.map_or(LinkSafety::LocalFile, classify_file),
        "GoToDp" | "Thread" => LinkSafety::Ordinary,
        "Named"
            if matches!(
                detail,
                Some("NextPage" | "PrevPage" | "FirstPage" | "LastPage")
            ) =>
        {
            LinkSafety::Ordinary
        }
        _ => LinkSafety::Unknown,
    }
}

/// A file specification: a path, or now and then a URI.
fn classify_file(file: &str) -> LinkSafety {
    match classify_uri(file) {
        LinkSafety::Unknown => LinkSafety::LocalFile,
        known => known,
    }
}

fn classify_uri(uri: &str) -> LinkSafety {
    let mut text: Cow<'_, str> = Cow::Owned(without_invisible(uri));
    for _ in 0..=MAX_DECODING_ROUNDS {
        if is_share(&text) {
            return LinkSafety::NetworkShare;
        }
        if let Some((scheme, rest)) = split_scheme(&text) {
            return classify_scheme(&scheme, rest);
        }
        // Without a scheme: perhaps it is hidden by percent encoding.
        let Some(decoded) = percent_decoded(&text) else {
            break;
        };
        text = Cow::Owned(without_invisible(&decoded));
    }
    let is_path = text.starts_with(['/', '\\', '~', '.']);
    if is_path {
        LinkSafety::LocalFile
    } else {
        LinkSafety::Unknown
    }
}

/// Takes out what readers skip: control and invisible characters anywhere, white space around.
fn without_invisible(text: &str) -> String {
    let visible: String = text
        .chars()
        .filter(|&character| !is_invisible(character))
        .collect();
    visible.trim().to_owned()
}

fn is_invisible(character: char) -> bool {
    let is_format = matches!(
        character,
        '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
    );
    is_format || character.is_control()
}

/// `\\host\share`, `//host/share` and mixtures.
fn is_share(text: &str) -> bool {
    let mut characters = text.chars();
    let is_slash = |character: Option<char>| matches!(character, Some('/' | '\\'));
    is_slash(characters.next()) && is_slash(characters.next())
}

/// The scheme in lower case, without the white space that some readers skip, and what follows its colon.
fn split_scheme(text: &str) -> Option<(String, &str)> {
    let (before, rest) = text.split_once(':')?;
    let scheme: String = before
        .chars()
        .filter(|character| !character.is_whitespace())
        .map(|character| character.to_ascii_lowercase())
        .collect();
    let is_valid = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|character| {
            character.is_ascii_alphanumeric() || matches!(character, '+' | '-' | '.')
        });
    is_valid.then_some((scheme, rest))
}

/// The text with its percent encoding taken off once; `None` when there is none.
fn percent_decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut position = 0;
    let mut found = false;
    while let Some(&byte) = bytes.get(position) {
        let digit = |offset: usize| char::from(*bytes.get(position + offset)?).to_digit(16);
        let escaped = (byte == b'%')
            .then(|| Some(digit(1)? * 16 + digit(2)?))
            .flatten();
        if let Some(value) = escaped.and_then(|value| u8::try_from(value).ok()) {
            decoded.push(value);
            found = true;
            position += 3;
        } else {
            decoded.push(byte);
            position += 1;
        }
    }
    found.then(|| String::from_utf8_lossy(&decoded).into_owned())
}

fn classify_scheme(first_scheme: &str, first_rest: &str) -> LinkSafety {
    let mut scheme = Cow::Borrowed(first_scheme);
    let mut rest = first_rest;
    let mut is_wrapped = false;
    for _ in 0..MAX_WRAPPERS {
        if !matches!(
            scheme.as_ref(),
            "view-source" | "feed" | "jar" | "url" | "wyciwyg"
        ) {
            break;
        }
        is_wrapped = true;
        let Some((inner, inner_rest)) = split_scheme(rest) else {
            return LinkSafety::Unknown;
        };
        scheme = Cow::Owned(inner);
        rest = inner_rest;
    }
    let safety = match scheme.as_ref() {
        "javascript" | "vbscript" | "livescript" | "jscript" | "mocha" => LinkSafety::Script,
        "data" | "blob" | "filesystem" | "mhtml" => LinkSafety::Data,
        "file" => classify_file_uri(rest),
        "smb" | "cifs" | "afp" | "nfs" | "dav" | "davs" | "webdav" | "webdavs" => {
            LinkSafety::NetworkShare
        }
        "http" | "https" | "ftp" | "ftps" | "ws" | "wss" => classify_web(&scheme, rest),
        "mailto" => classify_mailto(rest),
        "tel" | "sms" | "fax" | "callto" | "urn" | "doi" | "news" | "geo" => LinkSafety::Ordinary,
        "shell" | "search" | "search-ms" | "hcp" | "mk" | "res" | "ldap" | "vscode" | "steam" => {
            LinkSafety::Program
        }
        handler if handler.starts_with("ms-") => LinkSafety::Program,
        drive if drive.len() == 1 => LinkSafety::LocalFile,
        _ => LinkSafety::Unknown,
    };
    if is_wrapped && safety == LinkSafety::Ordinary {
        LinkSafety::Unknown
    } else {
        safety
    }
}

/// What follows `file:`. A host that is not this machine makes it a share.
fn classify_file_uri(rest: &str) -> LinkSafety {
    let decoded = percent_decoded(rest).map_or(Cow::Borrowed(rest), Cow::Owned);
    let path = without_invisible(&decoded).replace('\\', "/");
    let after_slashes = path.trim_start_matches('/');
    let slashes = path.len() - after_slashes.len();
    let host = after_slashes.split('/').next().unwrap_or_default();
    let is_drive = host.len() == 2 && host.ends_with([':', '|']);
    let is_this_machine =
        host.is_empty() || is_drive || host == "." || host.eq_ignore_ascii_case("localhost");
    match slashes {
        0 | 1 | 3 => LinkSafety::LocalFile,
        2 if is_this_machine => LinkSafety::LocalFile,
        _ => LinkSafety::NetworkShare,
    }
}

/// An address with header fields (RFC 6068). Some mail programs attach what `attach` names; a line break in a
/// header field smuggles in another.
fn classify_mailto(rest: &str) -> LinkSafety {
    let Some((_, fields)) = rest.split_once('?') else {
        return LinkSafety::Ordinary;
    };
    for field in fields.split('&') {
        let (encoded_name, encoded_value) = field.split_once('=').unwrap_or((field, ""));
        let name = percent_decoded(encoded_name)
            .unwrap_or_else(|| encoded_name.to_owned())
            .to_ascii_lowercase();
        let value = percent_decoded(encoded_value).unwrap_or_default();
        if matches!(name.trim(), "attach" | "attachment") {
            return LinkSafety::LocalFile;
        }
        if name.trim() != "body" && value.contains(['\r', '\n']) {
            return LinkSafety::Unknown;
        }
    }
    LinkSafety::Ordinary
}

/// A URI with a host. Where it goes counts before who it goes as.
fn classify_web(scheme: &str, rest: &str) -> LinkSafety {
    let Ok(url) = Url::parse(&format!("{scheme}:{rest}")) else {
        return LinkSafety::Unknown;
    };
    let is_private = match url.host() {
        Some(Host::Domain(name)) => is_private_name(name),
        Some(Host::Ipv4(address)) => is_private_ipv4(address),
        Some(Host::Ipv6(address)) => is_private_ipv6(address),
        None => return LinkSafety::Unknown,
    };
    if is_private {
        return LinkSafety::PrivateAddress;
    }
    if !url.username().is_empty() || url.password().is_some() {
        return LinkSafety::Credentials;
    }
    LinkSafety::Ordinary
}

/// A name without a dot, one that is never public, or an address in disguise.
fn is_private_name(name: &str) -> bool {
    // Of the schemes only ftps is not one of those whose host the URL standard reads as an address.
    let decoded = percent_decoded(name)
        .unwrap_or_else(|| name.to_owned())
        .to_ascii_lowercase();
    let bare = decoded.trim_end_matches('.');
    if let Ok(address) = bare.parse::<Ipv4Addr>() {
        return is_private_ipv4(address);
    }
    let is_under = |suffix: &str| {
        bare.strip_suffix(suffix)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let last_label = bare.rsplit('.').next().unwrap_or_default();
    let is_number = last_label
        .chars()
        .all(|character| character.is_ascii_digit())
        || last_label.starts_with("0x");
    !bare.contains('.') || is_number || PRIVATE_SUFFIXES.iter().any(|suffix| is_under(suffix))
}

/// Addresses that are not on the public network (the special-purpose registry of RFC 6890).
fn is_private_ipv4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || first == 0
        || first >= 240
        || (first == 100 && (64..128).contains(&second))
        || (first == 192 && second == 0 && third == 0)
        || (first == 198 && (18..20).contains(&second))
}

/// The same for IPv6, and for the IPv4 addresses that mapping, translation and tunnels put inside.
fn is_private_ipv6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_private_ipv4(Ipv4Addr::new(a, b, c, d))
    };
    let is_embedded_private = match segments {
        [0, 0, 0, 0, 0, 0xFFFF, high, low]
        | [0, 0, 0, 0, 0xFFFF, 0, high, low]
        | [0, 0, 0, 0, 0, 0, high, low]
        | [0x64, 0xFF9B, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => embedded(high, low),
        [0x2001, 0, .., high, low] => embedded(!high, !low),
        _ => false,
    };
    is_embedded_private
        || address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || segments[0] & 0xFFC0 == 0xFEC0
        || segments[..3] == [0x64, 0xFF9B, 1]
}

#[cfg(test)]
mod tests;
