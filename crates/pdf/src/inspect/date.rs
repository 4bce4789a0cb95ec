//! PDF dates (ISO 32000-2 section 7.9.4): `D:YYYYMMDDHHmmSSOHH'mm'`, every part after the year optional.

use jiff::civil;

/// The date in ISO 8601, as precise as it was written and with an offset only where one was; `None` when it is
/// not a date.
pub(crate) fn to_iso8601(text: &str) -> Option<String> {
    let trimmed = text.trim();
    let written = trimmed.strip_prefix("D:").unwrap_or(trimmed);
    if !written.is_ascii() {
        return None;
    }
    let digits_end = written
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(written.len());
    let (digits, offset) = written.split_at(digits_end);
    let part = |from: usize, to: usize| digits.get(from..to)?.parse::<i16>().ok();
    let year = part(0, 4)?;
    let (month, day) = (part(4, 6), part(6, 8));
    let (hour, minute, second) = (part(8, 10), part(10, 12), part(12, 14));
    let is_whole = matches!(digits.len(), 4 | 6 | 8 | 10 | 12 | 14);
    if !is_whole || year == 0 {
        return None;
    }
    civil::Date::new(
        year,
        i8::try_from(month.unwrap_or(1)).ok()?,
        i8::try_from(day.unwrap_or(1)).ok()?,
    )
    .ok()?;
    if hour.unwrap_or(0) > 23 || minute.unwrap_or(0) > 59 || second.unwrap_or(0) > 59 {
        return None;
    }
    let date = match (month, day) {
        (Some(month), Some(day)) => format!("{year:04}-{month:02}-{day:02}"),
        (Some(month), None) => format!("{year:04}-{month:02}"),
        _ => format!("{year:04}"),
    };
    let Some(hour) = hour else {
        return offset.is_empty().then_some(date);
    };
    let minute = minute.unwrap_or(0);
    let seconds = second
        .map(|second| format!(":{second:02}"))
        .unwrap_or_default();
    Some(format!(
        "{date}T{hour:02}:{minute:02}{seconds}{}",
        iso_offset(offset)?
    ))
}

/// `+HH'mm'`, `+HH'mm`, `+HHmm`, `+HH`, `Z`, `Z00'00'` or nothing, as ISO 8601 has it.
fn iso_offset(offset: &str) -> Option<String> {
    let trimmed = offset.trim();
    let Some(sign) = trimmed.chars().next() else {
        return Some(String::new());
    };
    let digits: String = trimmed[sign.len_utf8()..]
        .chars()
        .filter(|&character| character != '\'' && character != ':')
        .collect();
    if digits.chars().any(|character| !character.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize| {
        digits
            .get(from..from + 2)
            .unwrap_or("00")
            .parse::<u8>()
            .ok()
    };
    let (hours, minutes) = (number(0)?, number(2)?);
    let is_whole = matches!(digits.len(), 0 | 2 | 4);
    match sign {
        'Z' | 'z' if is_whole && hours == 0 && minutes == 0 => Some("Z".to_owned()),
        '+' | '-' if is_whole && !digits.is_empty() && hours <= 23 && minutes <= 59 => {
            Some(format!("{sign}{hours:02}:{minutes:02}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::to_iso8601;

    #[test]
    fn dates_are_as_precise_as_written() {
        let cases = [
            ("D:20190512030217-07'00'", "2019-05-12T03:02:17-07:00"),
            ("D:20190512030217-07'00", "2019-05-12T03:02:17-07:00"),
            ("D:20190512094229Z", "2019-05-12T09:42:29Z"),
            ("D:20190512094229Z00'00'", "2019-05-12T09:42:29Z"),
            ("D:20190512094229", "2019-05-12T09:42:29"),
            ("20190512094229+0530", "2019-05-12T09:42:29+05:30"),
            ("D:201905120942", "2019-05-12T09:42"),
            ("D:20190512", "2019-05-12"),
            ("D:201905", "2019-05"),
            ("D:2019", "2019"),
        ];
        for (written, expected) in cases {
            assert_eq!(to_iso8601(written).as_deref(), Some(expected), "{written}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for written in [
            "",
            "D:",
            "yesterday",
            "D:20191312",
            "D:20190230",
            "D:20190512256000",
            "D:191000512094229",
            "D:20190512094229+99'00'",
            "D:20190512094229 PST",
            "D:2019051é",
            "Sun May 12 2019",
        ] {
            assert_eq!(to_iso8601(written), None, "{written}");
        }
    }
}
