//! Links out of hand-made annotations.

use crate::inspect::hand_made::{one_page, open, pdf};
use pagemill_document::{Link, LinkSafety, LinkTarget, PageNumber, Rect};

fn links_of(file: &[u8]) -> Vec<Link> {
    open(file).unwrap().links(PageNumber(1), 1_000).0
}

fn link(action: &str) -> String {
    format!("<</Type/Annot/Subtype/Link/Rect[10 20 30 40]{action}>>")
}

fn targets(actions: &[&str], catalog: &str, more: &[&str]) -> Vec<LinkTarget> {
    let annotations: Vec<String> = actions.iter().map(|action| link(action)).collect();
    let annotations: Vec<&str> = annotations.iter().map(String::as_str).collect();
    links_of(&one_page(catalog, "", &annotations, more))
        .into_iter()
        .map(|found| found.target)
        .collect()
}

fn uri(text: &str) -> LinkTarget {
    LinkTarget::Uri {
        uri: text.to_owned(),
    }
}

fn goto(page: Option<u32>, name: Option<&str>) -> LinkTarget {
    LinkTarget::GoTo {
        page: page.map(PageNumber),
        name: name.map(str::to_owned),
    }
}

#[test]
fn uris_are_verbatim_in_every_encoding() {
    let found = targets(
        &[
            "/A<</S/URI/URI(http://a.example/\\(x\\)?q=%20)>>",
            "/A<</S/URI/URI<FEFF0068007400740070003A002F002F00E4>>>",
            "/A<</S/URI/URI 4 0 R>>",
            "/A 5 0 R",
            "/A<</S/URI/URI(MailTo:a@b.example)>>",
            "/A<</S/URI/URI(java\\tscript:x)>>",
        ],
        "",
        &[
            "(http://indirect.example)",
            "<</S/URI/URI(http://action.example)>>",
        ],
    );
    let mailto = LinkTarget::Mailto {
        uri: "MailTo:a@b.example".to_owned(),
    };
    let expected = [
        uri("http://a.example/(x)?q=%20"),
        uri("http://ä"),
        uri("http://indirect.example"),
        uri("http://action.example"),
        mailto,
        uri("java\tscript:x"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn destinations_are_found_direct_and_by_name() {
    let found = targets(
        &[
            "/Dest[3 0 R/Fit]",
            "/Dest[0/Fit]",
            "/Dest[7/Fit]",
            "/Dest/Old",
            "/Dest(New)",
            "/A<</S/GoTo/D(Wrapped)>>",
            "/A<</S/GoTo/D(Missing)>>",
            "/A<</S/GoTo>>",
            "/Dest[99 0 R/Fit]",
        ],
        "/Dests<</Old[3 0 R/Fit]>>/Names<</Dests 4 0 R>>",
        &[
            "<</Kids[4 0 R 5 0 R]>>",
            "<</Names[(New)[3 0 R/XYZ 0 0 0](Wrapped)<</D[3 0 R/Fit]>>(Odd)]>>",
        ],
    );
    let expected = [
        goto(Some(1), None),
        goto(Some(1), None),
        goto(None, None),
        goto(Some(1), Some("Old")),
        goto(Some(1), Some("New")),
        goto(Some(1), Some("Wrapped")),
        goto(None, Some("Missing")),
        goto(None, None),
        goto(None, None),
    ];
    assert_eq!(found, expected);
}

#[test]
fn every_action_has_its_kind_and_class() {
    let annotations = [
        "/A<</S/GoToR/F(other.pdf)/D[4/Fit]>>",
        "/A<</S/GoToR/F<</UF(\\\\\\\\host\\\\x.pdf)>>/D(chapter)>>",
        "/A<</S/Launch/F(calc.exe)>>",
        "/A<</S/Launch/Win<</F(cmd.exe)/P(/c dir)>>>>",
        "/A<</S/SubmitForm/F<</FS/URL/F(http://192.0.2.1/steal)>>>>",
        "/A<</S/JavaScript/JS(app.alert\\(1\\))>>",
        "/A<</S/Named/N/NextPage>>",
        "/A<</S/Rendition>>",
    ]
    .map(link);
    let annotations: Vec<&str> = annotations.iter().map(String::as_str).collect();
    let found = links_of(&one_page("", "", &annotations, &[]));
    let other = |action: &str, detail: Option<&str>| LinkTarget::Other {
        action: action.to_owned(),
        detail: detail.map(str::to_owned),
    };
    let gotor = |file: &str, page: Option<u32>, name: Option<&str>| LinkTarget::GoToR {
        file: file.to_owned(),
        page: page.map(PageNumber),
        name: name.map(str::to_owned),
    };
    let launch = |file: &str| LinkTarget::Launch {
        file: file.to_owned(),
    };
    let expected = [
        (gotor("other.pdf", Some(5), None), LinkSafety::LocalFile),
        (
            gotor("\\\\host\\x.pdf", None, Some("chapter")),
            LinkSafety::NetworkShare,
        ),
        (launch("calc.exe"), LinkSafety::Program),
        (launch("cmd.exe /c dir"), LinkSafety::Program),
        (
            other("SubmitForm", Some("http://192.0.2.1/steal")),
            LinkSafety::Submission,
        ),
        (
            other("JavaScript", Some("app.alert(1)")),
            LinkSafety::Script,
        ),
        (other("Named", Some("NextPage")), LinkSafety::Ordinary),
        (other("Rendition", None), LinkSafety::Unknown),
    ];
    let found: Vec<_> = found
        .into_iter()
        .map(|link| (link.target, link.safety))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_script_may_be_a_stream_of_any_length() {
    for padding in [0, 5_000] {
        let script = format!("app.alert(2){}", " ".repeat(padding));
        let stream = format!("<</Length {}>>\nstream\n{script}\nendstream", script.len());
        let annotation = link("/A<</S/JavaScript/JS 4 0 R>>");
        let found = links_of(&one_page("", "", &[&annotation], &[&stream]));
        let LinkTarget::Other { detail, .. } = &found[0].target else {
            panic!("{found:?}");
        };
        let detail = detail.as_deref().map(str::trim);
        assert_eq!(detail, Some("app.alert(2)"), "{padding}");
    }
}

#[test]
fn chained_actions_are_links_too_and_circles_end() {
    let found = targets(
        &["/A 4 0 R"],
        "",
        &[
            "<</S/GoTo/D[3 0 R/Fit]/Next[5 0 R 4 0 R]>>",
            "<</S/URI/URI(http://next.example)/Next 4 0 R>>",
        ],
    );
    assert_eq!(found, [goto(Some(1), None), uri("http://next.example")]);
}

#[test]
fn broken_annotations_are_skipped_and_the_order_is_kept() {
    let good = |name: &str| link(&format!("/A<</S/URI/URI({name})>>"));
    let (first, second, third) = (good("http://1"), good("http://2"), good("http://3"));
    let no_rectangle = "<</Subtype/Link/A<</S/URI/URI(http://4)>>>>";
    let annotations = [
        first.as_str(),
        "null",
        "99 0 R",
        "42",
        "(text)",
        "<</Subtype/Link>>",
        "<</Subtype/Link/A<</S/URI>>>>",
        "<</Subtype/Link/A<</S/URI/URI 5>>>>",
        "<</Subtype/Text/A<</S/URI/URI(http://no-link)>>>>",
        second.as_str(),
        "4 0 R",
        no_rectangle,
    ];
    let found = links_of(&one_page("", "", &annotations, &[&third]));
    let targets: Vec<LinkTarget> = found.iter().map(|link| link.target.clone()).collect();
    assert_eq!(
        targets,
        [
            uri("http://1"),
            uri("http://2"),
            uri("http://3"),
            uri("http://4")
        ]
    );
    assert_eq!(found[3].bbox, Rect::default());
}

#[test]
fn links_over_the_limit_are_counted() {
    let annotations = vec!["<</Subtype/Link/A<</S/URI/URI(http://a)>>>>"; 25];
    let parsed = open(&one_page("", "", &annotations, &[])).unwrap();
    let (kept, dropped) = parsed.links(PageNumber(1), 10);
    assert_eq!((kept.len(), dropped), (10, 15));
    assert_eq!(parsed.links(PageNumber(0), 10), (Vec::new(), 0));
    assert_eq!(parsed.links(PageNumber(2), 10), (Vec::new(), 0));
}

/// The box of a link at `[10 20 30 40]` on a page that inherits `above` and has `own`.
fn bbox(above: &str, own: &str) -> Rect {
    let pages = format!("<</Type/Pages/Kids[3 0 R]/Count 1{above}>>");
    let page = format!(
        "<</Type/Page/Parent 2 0 R{own}/Annots[{}]>>",
        link("/Dest[3 0 R/Fit]")
    );
    links_of(&pdf(&["<</Type/Catalog/Pages 2 0 R>>", &pages, &page]))[0].bbox
}

#[test]
fn boxes_are_on_the_page_as_seen() {
    let rect = |x0: f32, y0: f32, x1: f32, y1: f32| Rect { x0, y0, x1, y1 };
    // A page of 200 by 100; the link's corners are (10, 20) and (30, 40) from the bottom left.
    assert_eq!(
        bbox("", "/MediaBox[0 0 200 100]"),
        rect(10.0, 60.0, 30.0, 80.0)
    );
    assert_eq!(
        bbox("", "/MediaBox[0 0 200 100]/Rotate 90"),
        rect(20.0, 10.0, 40.0, 30.0)
    );
    assert_eq!(
        bbox("", "/MediaBox[0 0 200 100]/Rotate 180"),
        rect(170.0, 20.0, 190.0, 40.0)
    );
    assert_eq!(
        bbox("", "/MediaBox[0 0 200 100]/Rotate 270"),
        rect(60.0, 170.0, 80.0, 190.0)
    );
    assert_eq!(
        bbox("", "/MediaBox[0 0 200 100]/Rotate -270"),
        rect(20.0, 10.0, 40.0, 30.0)
    );
    // Inherited, with corners the wrong way round, cropped, and cropped beyond the media box.
    assert_eq!(
        bbox("/MediaBox[200 100 0 0]/Rotate 180", ""),
        rect(170.0, 20.0, 190.0, 40.0)
    );
    assert_eq!(
        bbox("/CropBox[5 10 100 90]", "/MediaBox[0 0 200 100]"),
        rect(5.0, 50.0, 25.0, 70.0)
    );
    assert_eq!(
        bbox("", "/MediaBox[0 0 200 100]/CropBox[-50 -50 900 900]"),
        rect(10.0, 60.0, 30.0, 80.0)
    );
    // Without a usable media box the page is US letter.
    assert_eq!(
        bbox("", "/MediaBox[0 0 0 0]"),
        rect(10.0, 752.0, 30.0, 772.0)
    );
}
