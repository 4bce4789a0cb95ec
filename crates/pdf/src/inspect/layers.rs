//! Layers, and which of them are off (ISO 32000-2 section 8.11).
//!
//! The renderer has its own view of what is on when a page is drawn for a screen (`CPDF_OCContext`), and gives no word of
//! it. What is off here is what it does not draw: the text of a page is to be what its image shows.

use std::collections::HashSet;

use lopdf::{Dictionary, Object, ObjectId};

use super::objects::Objects;

/// Nested expressions of visibility are followed this deep.
const DEEPEST_EXPRESSION: usize = 32;

/// Annotations that are hidden, or not shown on the screen (ISO 32000-2 table 167).
const HIDDEN: i64 = 1 << 1;
const NO_VIEW: i64 = 1 << 5;

/// The layers of a document.
#[derive(Clone, Copy)]
pub(crate) struct Layers<'a> {
    objects: Objects<'a>,
    /// Those that are off, unless they say something else themselves.
    off: &'a HashSet<ObjectId>,
}

impl<'a> Layers<'a> {
    /// The layers of which [`off_by_default`] has told which are off.
    pub(crate) fn new(objects: Objects<'a>, off: &'a HashSet<ObjectId>) -> Self {
        Self { objects, off }
    }

    /// Whether any layer is off.
    pub(crate) fn any_is_off(self) -> bool {
        let listed = listed(self.objects).map_or(&[][..], |(groups, _)| groups);
        listed
            .iter()
            .any(|group| self.objects.as_dictionary(group).is_some() && !self.group_is_on(group))
    }

    /// Whether a layer, or what stands for some (`/Type /OCMD`), is off.
    pub(crate) fn hides(self, layer: &'a Object) -> bool {
        let Some(dictionary) = self.objects.as_dictionary(layer) else {
            return false;
        };
        match self.objects.name(dictionary, b"Type") {
            Some(b"OCG") | None => !self.group_is_on(layer),
            Some(_) => !self.membership_is_on(dictionary),
        }
    }

    /// Whether something is on a layer that is off, by its entry `/OC`.
    pub(crate) fn hide(self, dictionary: &'a Dictionary) -> bool {
        dictionary.get(b"OC").is_ok_and(|layer| self.hides(layer))
    }

    /// Whether an annotation is to be seen on a screen, by its flags and its layer.
    pub(crate) fn show_annotation(self, annotation: &'a Dictionary) -> bool {
        let flags = self.objects.integer(annotation, b"F").unwrap_or(0);
        flags & (HIDDEN | NO_VIEW) == 0 && !self.hide(annotation)
    }

    fn group_is_on(self, group: &'a Object) -> bool {
        let Some((id, Object::Dictionary(dictionary))) = self.objects.resolve(group) else {
            return true;
        };
        if !has_intent(self.objects, dictionary, "View") {
            return true;
        }
        let own = self
            .objects
            .dictionary(dictionary, b"Usage")
            .and_then(|usage| self.objects.dictionary(usage, b"View"))
            .and_then(|view| word(self.objects, view, b"ViewState"));
        match own {
            Some(state) => state != b"OFF",
            None => id.is_none_or(|id| !self.off.contains(&id)),
        }
    }

    fn membership_is_on(self, membership: &'a Dictionary) -> bool {
        if let Some(expression) = self.objects.array(membership, b"VE") {
            return self.holds(expression, 0);
        }
        let policy = word(self.objects, membership, b"P").unwrap_or(b"AnyOn");
        let groups = match self.objects.get(membership, b"OCGs") {
            Some(Object::Array(groups)) => groups.as_slice(),
            Some(Object::Dictionary(_)) => {
                return membership
                    .get(b"OCGs")
                    .is_ok_and(|group| self.group_is_on(group));
            }
            _ => return true,
        };
        let mut states = groups
            .iter()
            .filter(|group| self.objects.as_dictionary(group).is_some())
            .map(|group| self.group_is_on(group))
            .peekable();
        states.peek().is_none()
            || match policy {
                b"AllOn" => states.all(|is_on| is_on),
                b"AllOff" => states.all(|is_on| !is_on),
                b"AnyOff" => states.any(|is_on| !is_on),
                _ => states.any(|is_on| is_on),
            }
    }

    /// Whether an expression of visibility holds (ISO 32000-2 table 97, `VE`).
    fn holds(self, expression: &'a [Object], depth: usize) -> bool {
        let Some((operator, operands)) = expression.split_first() else {
            return false;
        };
        if depth > DEEPEST_EXPRESSION {
            return false;
        }
        let operator = self.objects.resolve(operator);
        let operator = operator.and_then(|(_, operator)| operator.as_name().ok());
        let mut holds = operands
            .iter()
            .map(|operand| match self.objects.resolve(operand) {
                Some((_, Object::Array(inner))) => self.holds(inner, depth + 1),
                Some((_, Object::Dictionary(_))) => self.group_is_on(operand),
                _ => false,
            });
        match operator {
            Some(b"Not") => holds.next() == Some(false),
            Some(b"Or") => holds.any(|holds| holds),
            Some(b"And") => !operands.is_empty() && holds.all(|holds| holds),
            _ => false,
        }
    }
}

/// The list of all layers, and how they are shown on a screen; `None` for a document without.
fn listed(objects: Objects<'_>) -> Option<(&[Object], &Dictionary)> {
    let properties = objects.dictionary(objects.catalog()?, b"OCProperties")?;
    let groups = objects.array(properties, b"OCGs")?;
    let configurations = objects.array(properties, b"Configs").unwrap_or_default();
    let of_the_screen = configurations
        .iter()
        .filter_map(|shown| objects.as_dictionary(shown))
        .find(|shown| has_intent(objects, shown, ""));
    let shown = of_the_screen.or_else(|| objects.dictionary(properties, b"D"))?;
    Some((groups, shown))
}

/// The layers that the catalog has off.
pub(crate) fn off_by_default(objects: Objects<'_>) -> HashSet<ObjectId> {
    let Some((groups, shown)) = listed(objects) else {
        return HashSet::new();
    };
    let ids = |list: &[Object]| -> HashSet<ObjectId> {
        let groups = list.iter().filter_map(|group| objects.resolve(group));
        groups.filter_map(|(id, _)| id).collect()
    };
    let named = |key: &[u8]| ids(objects.array(shown, key).unwrap_or_default());
    let listed = ids(groups);
    let mut off = match word(objects, shown, b"BaseState") {
        Some(b"OFF") => &listed - &named(b"ON"),
        _ => HashSet::new(),
    };
    off.extend(named(b"OFF"));
    let usages = objects.array(shown, b"AS").unwrap_or_default();
    for usage in usages
        .iter()
        .filter_map(|usage| objects.as_dictionary(usage))
    {
        let event = word(objects, usage, b"Event").unwrap_or(b"View");
        let view = objects.dictionary(usage, b"View");
        if let Some(view) = view.filter(|_| event == b"View") {
            let is_off = word(objects, view, b"ViewState") == Some(b"OFF");
            for group in ids(objects.array(usage, b"OCGs").unwrap_or_default()) {
                match is_off {
                    true => off.insert(group),
                    false => off.remove(&group),
                };
            }
        }
    }
    off.retain(|group| listed.contains(group));
    off
}

/// Whether a layer, or a way of showing layers, is meant for looking at; `default` is what it is meant for when it says
/// nothing.
fn has_intent<'a>(objects: Objects<'a>, dictionary: &'a Dictionary, default: &str) -> bool {
    let fits = |intent: &Object| matches!(intent.as_name(), Ok(b"All" | b"View"));
    match objects.get(dictionary, b"Intent") {
        None => default == "View",
        Some(Object::Array(intents)) => intents
            .iter()
            .filter_map(|intent| objects.resolve(intent))
            .any(|(_, intent)| fits(intent)),
        Some(intent) => fits(intent),
    }
}

/// An entry that is a name, or a string in place of it.
fn word<'a>(objects: Objects<'a>, dictionary: &'a Dictionary, key: &[u8]) -> Option<&'a [u8]> {
    match objects.get(dictionary, key)? {
        Object::Name(word) | Object::String(word, _) => Some(word),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use lopdf::Document;

    use super::*;
    use crate::inspect::hand_made::one_page;

    /// Which of these are hidden, in a file with layers 4 to 6, shown as told: `/OC` entries by their place. Layer 6 says
    /// itself that it is off on the screen.
    fn hidden(shown: &str, layers: &[&str]) -> Vec<bool> {
        let catalog = format!("/OCProperties<</OCGs[4 0 R 5 0 R 6 0 R]{shown}>>");
        let items: Vec<String> = layers
            .iter()
            .map(|layer| format!("<</OC {layer}>>"))
            .collect();
        let items: Vec<&str> = items.iter().map(String::as_str).collect();
        let groups = [
            "<</Type/OCG/Name(a)>>",
            "<</Type/OCG/Name(b)/Intent/Design>>",
            "<</Type/OCG/Name(c)/Usage<</View<</ViewState/OFF>>>>>>",
            "<</Type/OCG/Name(of no list)>>",
        ];
        let file = one_page(&catalog, "", &items, &groups);
        let document = Document::load_mem(&file).expect("it loads");
        let objects = Objects {
            document: &document,
            file: &[],
        };
        let off = off_by_default(objects);
        let layers = Layers::new(objects, &off);
        let page = document.get_dictionary((3, 0)).expect("a page");
        let items = objects.array(page, b"Annots").expect("items");
        items
            .iter()
            .filter_map(|item| objects.as_dictionary(item))
            .map(|item| layers.hide(item))
            .collect()
    }

    #[test]
    fn a_layer_is_off_as_the_renderer_has_it() {
        let all = ["4 0 R", "5 0 R", "6 0 R", "7 0 R", "9 0 R"];
        for (shown, expected) in [
            ("/D<<>>", [false, false, true, false, false]),
            ("/D<</OFF[4 0 R 7 0 R]>>", [true, false, true, false, false]),
            ("/D<</BaseState/OFF>>", [true, false, true, false, false]),
            (
                "/D<</BaseState/OFF/ON[4 0 R]>>",
                [false, false, true, false, false],
            ),
            ("/D<</OFF[4 0 R 5 0 R]>>", [true, false, true, false, false]),
            (
                "/D<</OFF[4 0 R]>>/Configs[<<>> <</Intent/View/ON[4 0 R]>>]",
                [false, false, true, false, false],
            ),
            (
                "/D<</AS[<</Event/View/OCGs[4 0 R]/View<</ViewState/OFF>>>>]>>",
                [true, false, true, false, false],
            ),
        ] {
            assert_eq!(hidden(shown, &all), expected, "{shown}");
        }
    }

    #[test]
    fn what_stands_for_several_layers_follows_its_policy() {
        let of = |policy: &str| {
            let membership = format!("<</Type/OCMD/OCGs[4 0 R 7 0 R]{policy}>>");
            hidden("/D<</OFF[4 0 R]>>", &[&membership])
        };
        assert_eq!(of(""), [false]);
        assert_eq!(of("/P/AnyOn"), [false]);
        assert_eq!(of("/P/AllOn"), [true]);
        assert_eq!(of("/P/AnyOff"), [false]);
        assert_eq!(of("/P/AllOff"), [true]);
        assert_eq!(of("/VE[/Not 4 0 R]"), [false]);
        assert_eq!(of("/VE[/And 4 0 R 7 0 R]"), [true]);
        assert_eq!(of("/VE[/Or 4 0 R [/Not [/Not 7 0 R]]]"), [false]);
        assert_eq!(of("/VE[]"), [true]);
        let alone = [
            "<</Type/OCMD/OCGs 4 0 R>>",
            "<</Type/OCMD>>",
            "<</Type/OCMD/OCGs[]>>",
        ];
        assert_eq!(hidden("/D<</OFF[4 0 R]>>", &alone), [true, false, false]);
    }

    #[test]
    fn without_layers_nothing_is_hidden() {
        let file = one_page("", "", &[], &["<</Type/OCG/Name(a)>>"]);
        let document = Document::load_mem(&file).expect("it loads");
        let objects = Objects {
            document: &document,
            file: &[],
        };
        let off = off_by_default(objects);
        assert!(!Layers::new(objects, &off).any_is_off());
    }
}
