//! Links as people hide them: each is told for what it is.

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
