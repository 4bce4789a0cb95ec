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
mod tests {
    use proptest::prelude::*;

    use super::classify;
    use pagemill_document::{LinkSafety, LinkTarget};

    fn of(uri: &str) -> LinkSafety {
        classify(&LinkTarget::Uri {
            uri: uri.to_owned(),
        })
    }

    #[track_caller]
    fn all(expected: LinkSafety, uris: &[&str]) {
        for uri in uris {
            assert_eq!(of(uri), expected, "{uri:?}");
        }
    }

    #[test]
    fn public_names_and_addresses_are_ordinary() {
        all(
            LinkSafety::Ordinary,
            &[
                "https://example.com/a)b?q=1&x=<script>",
                "HTTPS://EXAMPLE.COM/%E4%B8%AD",
                "http://example.com./",
                "http://example.com:8080/x?u=javascript:1#@",
                "http://93.184.215.14/",
                "http://[2606:4700::1111]/",
                "https://bücher.example/",
                "ftp://ftp.example.org/pub",
                "mailto:a@example.com?subject=hello&body=one%0D%0Atwo",
                "tel:+49-30-1234",
                "doi:10.1000/182",
                "http:example.com/without-slashes",
                "https:\\\\example.com\\x",
                " https://example.com/trailing ",
            ],
        );
    }

    #[test]
    fn scripts_are_found_under_every_disguise() {
        all(
            LinkSafety::Script,
            &[
                "javascript:alert(1)",
                "JaVaScRiPt:alert(1)",
                "java\tscript:alert(1)",
                "java\nscript\r:alert(1)",
                "\u{1}javascript:alert(1)",
                " java script :alert(1)",
                "java\u{200B}script:alert(1)",
                "java\u{AD}script:alert(1)",
                "%6Aavascript:alert(1)",
                "javascript%3Aalert(1)",
                "javascript%253Aalert(1)",
                "java%0Ascript:alert(1)",
                "vbscript:msgbox",
                "view-source:javascript:alert(1)",
                "feed:feed:javascript:alert(1)",
            ],
        );
    }

    #[test]
    fn shares_are_told_from_local_files() {
        all(
            LinkSafety::NetworkShare,
            &[
                "\\\\attacker\\share",
                "//attacker/share",
                "/\\attacker/share",
                "\\/attacker/share",
                "%5C%5Cattacker%5Cshare",
                "smb://attacker/share",
                "file://attacker/share",
                "file:////attacker/share",
                "file:\\\\attacker\\share",
                "file:%2F%2Fattacker/share",
                "FILE://192.0.2.1/x",
            ],
        );
        all(
            LinkSafety::LocalFile,
            &[
                "file:///etc/passwd",
                "file:/etc/passwd",
                "file:///C:/Windows/win.ini",
                "file://C:/Windows/win.ini",
                "file://localhost/etc/passwd",
                "fi\tle:///etc/passwd",
                "C:\\Windows\\system32\\calc.exe",
                "/etc/passwd",
                "../../secret.pdf",
                "mailto:a@example.com?attach=/etc/passwd",
                "mailto:a@example.com?%61ttach=/etc/passwd",
            ],
        );
    }

    #[test]
    fn private_addresses_are_found_in_every_notation() {
        all(
            LinkSafety::PrivateAddress,
            &[
                "http://169.254.169.254/latest/meta-data/",
                "http://169.254.169.254./",
                "http://2852039166/",
                "http://0xA9FEA9FE/",
                "http://0251.0376.0251.0376/",
                "http://0xa9.254.0xa9fe/",
                "http://%31%36%39.254.169.254/",
                "http://１６９。２５４。１６９。２５４/",
                "http://127.1/",
                "http://0/",
                "http://10.0.0.1/",
                "http://192.168.1.1:8080/",
                "http://172.31.0.1/",
                "http://100.100.100.200/",
                "http://localhost/",
                "http://LOCALHOST./",
                "http://a.localhost/",
                "http://intranet/wiki",
                "http://printer.local/",
                "http://metadata.google.internal/",
                "http://169.254.169.254.nip.io/",
                "http://[::1]/",
                "http://[::]/",
                "http://[::ffff:169.254.169.254]/",
                "http://[::ffff:a9fe:a9fe]/",
                "http://[fd00:ec2::254]/",
                "http://[fe80::1]/",
                "http://[64:ff9b::a9fe:a9fe]/",
                "http://[2002:a9fe:a9fe::]/",
                "http://example.com@127.0.0.1/",
                "http:\\\\127.0.0.1\\",
                "ht\ttp://127.0.0.1/",
                "ftps://127.0.0.1/",
                "ftps://2130706433/",
            ],
        );
    }

    #[test]
    fn the_other_classes() {
        all(
            LinkSafety::Data,
            &[
                "data:text/html;base64,PHNjcmlwdD4=",
                "DATA:,x",
                "blob:https://example.com/1",
            ],
        );
        all(
            LinkSafety::Credentials,
            &[
                "http://user:pass@example.com/",
                "https://user@example.com/",
                "http://:secret@example.com/",
            ],
        );
        all(
            LinkSafety::Program,
            &[
                "ms-msdt:/id PCWDiagnostic",
                "search-ms:query=x",
                "shell:startup",
            ],
        );
        all(
            LinkSafety::Unknown,
            &[
                "",
                "   ",
                "www.example.com",
                "someone@example.com",
                "gopher2:x",
                "about:blank",
                "http://",
                "http://exa mple.com/",
                "http://[::1/",
                "mailto:a@example.com?subject=x%0d%0aBcc:b@example.com",
                "view-source:https://example.com/",
            ],
        );
    }

    #[test]
    fn actions_are_classed_by_what_they_do() {
        let gotor = |file: &str| LinkTarget::GoToR {
            file: file.to_owned(),
            page: None,
            name: None,
        };
        let other = |action: &str, detail: Option<&str>| LinkTarget::Other {
            action: action.to_owned(),
            detail: detail.map(str::to_owned),
        };
        let launch = LinkTarget::Launch {
            file: "calc.exe".to_owned(),
        };
        let goto = LinkTarget::GoTo {
            page: None,
            name: None,
        };
        assert_eq!(classify(&goto), LinkSafety::Ordinary);
        assert_eq!(classify(&launch), LinkSafety::Program);
        assert_eq!(classify(&gotor("other.pdf")), LinkSafety::LocalFile);
        assert_eq!(
            classify(&gotor("\\\\192.0.2.1\\x.pdf")),
            LinkSafety::NetworkShare
        );
        assert_eq!(
            classify(&gotor("http://example.com/x.pdf")),
            LinkSafety::Ordinary
        );
        assert_eq!(
            classify(&other("JavaScript", Some("app.alert(1)"))),
            LinkSafety::Script
        );
        assert_eq!(classify(&other("SubmitForm", None)), LinkSafety::Submission);
        assert_eq!(
            classify(&other("Named", Some("NextPage"))),
            LinkSafety::Ordinary
        );
        assert_eq!(
            classify(&other("Named", Some("Print"))),
            LinkSafety::Unknown
        );
        assert_eq!(classify(&other("Rendition", None)), LinkSafety::Unknown);
    }

    proptest! {
        #[test]
        fn any_text_has_a_class(uri in ".*") {
            of(&uri);
        }

        #[test]
        fn text_that_looks_like_a_uri_has_a_class(uri in "[a-zA-Z%0-9\\t ]{0,12}:[/\\\\]{0,4}[\\[\\]:@%.0-9a-fx?#-]{0,40}") {
            of(&uri);
        }

        #[test]
        fn a_script_stays_a_script_under_case_and_control_characters(
            capitals in proptest::collection::vec(any::<bool>(), 10),
            controls in proptest::collection::vec("[\\x00-\\x20]{0,2}", 10),
            code in ".*",
        ) {
            let scheme: String = "javascript"
                .chars()
                .zip(capitals)
                .zip(controls)
                .map(|((letter, is_capital), control)| {
                    let shown = if is_capital { letter.to_ascii_uppercase() } else { letter };
                    format!("{control}{shown}")
                })
                .collect();
            prop_assert_eq!(of(&format!("{scheme}:{code}")), LinkSafety::Script);
        }

        #[test]
        fn every_private_ipv4_is_found_as_a_number(host in any::<u32>()) {
            let address = 0x0A00_0000 | (host & 0x00FF_FFFF);
            prop_assert_eq!(of(&format!("http://{address}/")), LinkSafety::PrivateAddress);
            prop_assert_eq!(of(&format!("http://0x{address:x}/")), LinkSafety::PrivateAddress);
            prop_assert_eq!(of(&format!("http://0{address:o}/")), LinkSafety::PrivateAddress);
        }
    }
}
