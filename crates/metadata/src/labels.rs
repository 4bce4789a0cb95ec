//! Labels before values: a role such as "due date" needs its label in the value's line, or in the line above.

use std::sync::LazyLock;

use regex::Regex;

/// Labels of several roles. Of two at the same place the one that was given first counts.
pub(crate) struct Labels<R> {
    roles: Vec<R>,
    pattern: Regex,
}

/// What may stand between a label and its value.
static FILLER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)^(?:\([^)\n]{0,25}\))?[\s:.#°№|=\-–—/]*(?:(?:is|was|est|ist|è|the|on|am|vom|of|den|der|le|du|el|del|il|la|las|os|op|no|nr|number|nummer|and)\b[\s:.#°№]*){0,2}$")
        .expect("pattern is valid")
});

/// A label's place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct At<R> {
    role: R,
    start: usize,
    end: usize,
}

impl<R: Copy + PartialEq> Labels<R> {
    /// Patterns without capture groups, each with its role.
    pub(crate) fn new(labels: &[(R, &str)]) -> Self {
        let groups: Vec<String> = labels
            .iter()
            .map(|(_, names)| format!("({names})"))
            .collect();
        let pattern = format!(
            r"(?i)(?:^|[^\p{{L}}])(?:{})(?:$|[^\p{{L}}])",
            groups.join("|")
        );
        Self {
            roles: labels.iter().map(|(role, _)| *role).collect(),
            pattern: Regex::new(&pattern).expect("pattern is valid"),
        }
    }

    /// All labels of a text, from left to right.
    fn all(&self, text: &str) -> Vec<At<R>> {
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(captures) = text
            .get(from..)
            .and_then(|rest| self.pattern.captures(rest))
        {
            let group = (1..captures.len()).find_map(|index| Some((index, captures.get(index)?)));
            let Some((index, group)) = group else {
                break;
            };
            let end = from + group.end();
            found.push(At {
                role: self.roles[index - 1],
                start: from + group.start(),
                end,
            });
            // Begin at the label's last character: the bound of the next one may be the one after it.
            from = text.floor_char_boundary(end.max(from + 1));
            if end <= from && group.is_empty() {
                break;
            }
        }
        found
    }

    /// Whether a text has a label of this role.
    #[cfg(feature = "llm")]
    pub(crate) fn has(&self, text: &str, role: R) -> bool {
        self.all(text).iter().any(|label| label.role == role)
    }

    /// The role of the value that begins at `start`: by the label right before it in its line, or, where no words stand before
    /// it in its cell, by the one above.
    pub(crate) fn role_at(&self, text: &str, start: usize) -> Option<R> {
        self.labelled(text, start).map(|(role, _)| role)
    }

    /// The same, and whether the label is the first that its line says.
    pub(crate) fn labelled(&self, text: &str, start: usize) -> Option<(R, bool)> {
        let begin = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let before = &text[begin..start];
        if let Some(last) = self.all(before).last()
            && FILLER.is_match(&before[last.end..])
        {
            let is_first = !before[..last.start].contains(char::is_alphabetic);
            return Some((last.role, is_first));
        }
        let cell = before.rsplit('\t').next().unwrap_or_default();
        let has_words = cell.chars().any(char::is_alphabetic);
        match has_words {
            true => None,
            false => self.above(text, begin, start),
        }
    }

    /// By the line above: the cell above in a table, else the label of the same rank where there are as many as values, else
    /// the only one.
    fn above(&self, text: &str, begin: usize, start: usize) -> Option<(R, bool)> {
        let above = text[..begin].trim_end();
        let gap = text[above.len()..begin].matches('\n').count();
        let above = above.rsplit('\n').next()?;
        if gap > 2 || above.is_empty() {
            return None;
        }
        let end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line = &text[begin..end];
        let column = text[begin..start].matches('\t').count();
        let told = |cell: &str, label: At<R>| {
            let is_first = !cell[..label.start].contains(char::is_alphabetic);
            FILLER
                .is_match(&cell[label.end..])
                .then_some((label.role, is_first))
        };
        if above.contains('\t') {
            let cell = above.split('\t').nth(column)?;
            return told(cell, *self.all(cell).last()?);
        }
        let labels = self.all(above);
        let is_value = |word: &&str| word.contains(|letter: char| letter.is_ascii_digit());
        if labels.len() > 1 {
            let values = line.split_whitespace().filter(is_value).count();
            let before = text[begin..start].split_whitespace();
            let rank = before.filter(is_value).count();
            return (labels.len() == values).then(|| (labels[rank].role, true));
        }
        let is_short = above.split_whitespace().count() <= 6;
        match is_short {
            true => told(above, *labels.first()?),
            false => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(text: &str, value: &str) -> Option<char> {
        let labels = Labels::new(&[('o', "order date"), ('d', "due date|due"), ('i', "date")]);
        labels.role_at(text, text.find(value).expect("it is there"))
    }

    #[test]
    fn a_role_is_that_of_the_label_next_to_the_value() {
        assert_eq!(
            role("Order date 1.2.2020 Date: 3.2.2020", "1.2."),
            Some('o')
        );
        assert_eq!(
            role("Order date 1.2.2020 Date: 3.2.2020", "3.2."),
            Some('i')
        );
        assert_eq!(role("Date of the mill's first turn 1.2.2020", "1.2."), None);
        assert_eq!(role("Due on 1.2.2020", "1.2."), Some('d'));
        assert_eq!(role("1.2.2020", "1.2."), None);
    }

    #[test]
    fn labels_stand_above_too() {
        assert_eq!(role("Date\n\n1.2.2020", "1.2."), Some('i'));
        assert_eq!(
            role("No\tDate\tDue date\n7\t1.2.2020\t3.2.2020", "3.2."),
            Some('d')
        );
        assert_eq!(role("Date Due date\n1.2.2020 3.2.2020", "3.2."), Some('d'));
        assert_eq!(
            role("Date Due date\n1.2.2020", "1.2."),
            None,
            "whose it is can't be told"
        );
        assert_eq!(role("Date\n\n\n\n1.2.2020", "1.2."), None);
    }
}
