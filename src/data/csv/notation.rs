//! How the numbers of a column are written: decimal marks, thousands, units, dates.

use std::fmt;

/// How the numbers of a column are written.
///
/// ```
/// use polytask::data::csv::CsvReader;
///
/// let file = "area;sold;price\n1,5;31.12.2023;3 €\n2,25;01.02.2024;4 €\n";
/// let (data, encoding) = CsvReader::new().read_from::<f64>(file.as_bytes(), "houses.csv")?;
/// let notations: Vec<String> = encoding.columns().iter().map(|column| column.notation.to_string()).collect();
/// assert_eq!(notations, ["decimal comma", "dates as day.month.year, in days since 1970", "in €"]);
/// assert_eq!(data.feature_row(0), [1.5, 19_722.0, 3.0]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Notation {
    /// Whether a comma stands before the decimals.
    pub decimal_comma: bool,
    /// What stands between groups of three digits.
    pub thousands: Option<char>,
    /// What stands before or behind every number, such as `%` or `$`.
    pub unit: Option<String>,
    /// If the column holds dates, which become days since 1970: the order of their parts.
    pub date: Option<DateOrder>,
}

/// In which order the parts of a date stand.
///
/// ```
/// use polytask::data::csv::{CsvReader, DateOrder};
///
/// let file = "day\n12/31/2023\n02/01/2024\n"; // there is no month 31
/// let (_, encoding) = CsvReader::new().read_from::<f64>(file.as_bytes(), "houses.csv")?;
/// assert_eq!(encoding.columns()[0].notation.date, Some(DateOrder::MonthDayYear));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case"))]
pub enum DateOrder {
    /// 2024-12-31
    YearMonthDay,
    /// 31.12.2024
    DayMonthYear,
    /// 12/31/2024
    MonthDayYear,
}

const UNITS: [&str; 10] = ["%", "$", "€", "£", "¥", "₹", "USD", "EUR", "CHF", "GBP"];
const SPACES: [char; 3] = [' ', '\u{a0}', '\u{202f}'];

impl Notation {
    /// The number that `text` stands for, if it is written in this way.
    pub(super) fn parse(&self, text: &str) -> Option<f64> {
        if let Some(order) = self.date {
            return order.days(text);
        }
        let text = match &self.unit {
            Some(unit) => &*without(text, unit)?,
            None => text,
        };
        if !self.decimal_comma && self.thousands.is_none() {
            return text.parse().ok();
        }
        let mark = if self.decimal_comma { ',' } else { '.' };
        let (whole, decimals) =
            text.split_once(mark).map_or((text, ""), |(whole, decimals)| (whole, decimals));
        let whole = match self.thousands {
            Some(separator) => ungrouped(whole, separator)?,
            None => whole.to_owned(),
        };
        if self.decimal_comma && (whole.contains('.') || decimals.contains('.')) {
            return None;
        }
        if text.contains(mark) { format!("{whole}.{decimals}").parse().ok() } else { whole.parse().ok() }
    }

    pub(super) fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Notation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.decimal_comma {
            parts.push("decimal comma".to_owned());
        }
        if let Some(separator) = self.thousands {
            parts.push(format!("`{separator}` between thousands"));
        }
        if let Some(unit) = &self.unit {
            parts.push(format!("in {unit}"));
        }
        if let Some(order) = self.date {
            parts.push(format!("dates as {order}, in days since 1970"));
        }
        write!(f, "{}", parts.join(", "))
    }
}

impl fmt::Display for DateOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::YearMonthDay => "year-month-day",
            Self::DayMonthYear => "day.month.year",
            Self::MonthDayYear => "month/day/year",
        })
    }
}

/// The number without its unit: `-$5` is -5. The unit must be there, and only once.
fn without(text: &str, unit: &str) -> Option<String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) if rest.trim_start().starts_with(unit) => ("-", rest.trim_start()),
        _ => ("", text),
    };
    let rest = rest.strip_prefix(unit).or_else(|| rest.strip_suffix(unit))?.trim();
    (!rest.starts_with(['-', '+']) || sign.is_empty()).then(|| format!("{sign}{rest}"))
}

/// The unit of a number, if it has one that is known.
fn unit_of(text: &str) -> Option<&'static str> {
    UNITS.into_iter().find(|unit| without(text, unit).is_some_and(|rest| !rest.is_empty()))
}

/// `1,234,567` without its separators, if they stand between groups of three digits.
fn ungrouped(whole: &str, separator: char) -> Option<String> {
    let is_space = SPACES.contains(&separator);
    let mut groups = whole.split(|c: char| if is_space { SPACES.contains(&c) } else { c == separator });
    let first = groups.next().unwrap_or_default();
    let rest: Vec<&str> = groups.collect();
    if rest.is_empty() {
        return Some(first.to_owned());
    }
    let digits = first.strip_prefix(['-', '+']).unwrap_or(first);
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_group = |text: &&str| text.len() == 3 && is_digits(text);
    let begins = matches!(digits.len(), 1..=3) && is_digits(digits) && !digits.starts_with('0');
    (begins && rest.iter().all(is_group)).then(|| format!("{first}{}", rest.concat()))
}

/// Whether a text is a number in some notation, or a date.
pub(super) fn looks_like_number(text: &str) -> bool {
    text.parse::<f64>().is_ok()
        || candidates(unit_of(text), None, None).iter().any(|n| n.parse(text).is_some())
}

impl DateOrder {
    const ALL: [Self; 3] = [Self::YearMonthDay, Self::DayMonthYear, Self::MonthDayYear];

    /// Days since 1970, with the time of day as a fraction.
    fn days(self, text: &str) -> Option<f64> {
        let (date, time) = match text.split_once([' ', 'T']) {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let separator = date.chars().find(|c| !c.is_ascii_digit()).filter(|c| "-/.".contains(*c))?;
        let parts: Vec<&str> = date.split(separator).collect();
        let [a, b, c] = parts[..] else { return None };
        let (year, month, day) = match self {
            Self::YearMonthDay => (a, b, c),
            Self::DayMonthYear => (c, b, a),
            // Points are written by those who begin with the day.
            Self::MonthDayYear if separator == '.' => return None,
            Self::MonthDayYear => (c, a, b),
        };
        let number = |text: &str, widths: &[usize]| {
            let fits = widths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<i64>().ok().filter(|_| fits)
        };
        let (year, month, day) = (number(year, &[4])?, number(month, &[1, 2])?, number(day, &[1, 2])?);
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = [31, 28 + i64::from(is_leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        if !(1..=12).contains(&month) || !(1..=days[month as usize - 1]).contains(&day) {
            return None;
        }
        // Leap days up to the end of the year before.
        let before = year - 1;
        let leap_days = before / 4 - before / 100 + before / 400;
        let since_1970 = (year - 1970) * 365 + leap_days - 477;
        let in_year: i64 = days[..month as usize - 1].iter().sum();
        Some((since_1970 + in_year + day - 1) as f64 + time.map_or(Some(0.0), day_fraction)?)
    }
}

/// `hours:minutes` or `hours:minutes:seconds` as a part of a day.
fn day_fraction(time: &str) -> Option<f64> {
    let mut parts = time.trim().trim_end_matches('Z').split(':');
    let part = |text: Option<&str>, most: f64| {
        let text = text?;
        let starts = text.starts_with(|c: char| c.is_ascii_digit());
        text.parse::<f64>().ok().filter(|&x| starts && x <= most)
    };
    let (hours, minutes) = (part(parts.next(), 24.0)?, part(parts.next(), 59.0)?);
    let seconds = match parts.next() {
        None => 0.0,
        seconds => part(seconds, 60.0)?,
    };
    parts.next().is_none().then_some((hours + (minutes + seconds / 60.0) / 60.0) / 24.0)
}

/// Ways to write a number, the plainest first, that settings leave open.
fn candidates(unit: Option<&str>, decimal_comma: Option<bool>, thousands: Option<char>) -> Vec<Notation> {
    let unit = unit.map(str::to_owned);
    let mut all = Vec::new();
    let commas = [false, true].into_iter().filter(|&comma| decimal_comma.is_none_or(|told| told == comma));
    let is_decimal_mark = |comma: bool| thousands == Some(if comma { ',' } else { '.' });
    for comma in commas.clone().filter(|&comma| !is_decimal_mark(comma)) {
        all.push(Notation { decimal_comma: comma, thousands, unit: unit.clone(), date: None });
    }
    if thousands.is_none() {
        for comma in commas {
            for separator in [if comma { '.' } else { ',' }, ' ', '\'', '’'] {
                let thousands = Some(separator);
                all.push(Notation { decimal_comma: comma, thousands, unit: unit.clone(), date: None });
            }
        }
    }
    if unit.is_none() {
        all.extend(DateOrder::ALL.map(|order| Notation { date: Some(order), ..Notation::default() }));
    }
    all
}

/// What a person said about the notation of numbers, and what other columns of the file say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hints {
    pub(super) decimal_comma: Option<bool>,
    pub(super) thousands: Option<char>,
    pub(super) day_first: Option<bool>,
    /// Whether other columns have a decimal comma that can be nothing else.
    pub(super) sees_decimal_comma: bool,
    /// Whether other columns have a decimal point that can be nothing else.
    pub(super) sees_decimal_point: bool,
}

/// How the texts of a column can be read as numbers.
#[derive(Debug)]
pub(super) enum Reading {
    /// All are numbers, written in this way.
    Numbers(Notation),
    /// All are numbers in two ways, which differ at this index.
    Unclear { index: usize, advice: &'static str },
    /// Not all are numbers. Most of them are in this way.
    Texts(Notation),
}

/// Finds how the texts of a column are written, if they are numbers.
pub(super) fn find(texts: &[&str], hints: Hints) -> Reading {
    let unit = texts.first().and_then(|text| unit_of(text));
    let candidates = candidates(unit, hints.decimal_comma, hints.thousands);
    let reads_all = |notation: &&Notation| texts.iter().all(|text| notation.parse(text).is_some());
    let plainest = &candidates[0];
    if plainest.is_plain() && !hints.sees_decimal_comma && reads_all(&plainest) {
        return Reading::Numbers(plainest.clone());
    }
    let mut fitting = candidates.iter().filter(reads_all);
    let Some(first) = fitting.next() else {
        let n_read =
            |notation: &&Notation| texts.iter().filter(|text| notation.parse(text).is_some()).count();
        // The first of those that read most.
        let best = candidates.iter().rev().max_by_key(n_read).expect("there are candidates");
        return Reading::Texts(best.clone());
    };
    let others: Vec<&Notation> = fitting.collect();
    let differ = |a: &Notation, b: &Notation| texts.iter().position(|text| a.parse(text) != b.parse(text));
    let rival = others.iter().find_map(|other| Some((*other, differ(first, other)?)));
    let Some((other, index)) = rival else { return Reading::Numbers(first.clone()) };
    if first.date.is_some() {
        let advice = "say with `CsvReader::day_first` whether the day or the month comes first";
        return match hints.day_first {
            Some(true) => Reading::Numbers(first.clone()),
            Some(false) => Reading::Numbers(other.clone()),
            None => Reading::Unclear { index, advice },
        };
    }
    // The first of two rivals has no thousands, the other has. `1.234` is what it looks like, unless other columns have decimal commas; `1,234` is either.
    let has_comma = first.decimal_comma || first.thousands == Some(',');
    match (has_comma, hints.sees_decimal_comma, hints.sees_decimal_point) {
        (false, false, _) => Reading::Numbers(first.clone()),
        (true, true, false) | (true, false, true) => {
            let wanted = hints.sees_decimal_comma;
            Reading::Numbers(if first.decimal_comma == wanted { first } else { other }.clone())
        }
        _ => Reading::Unclear {
            index,
            advice: "set `CsvReader::decimal_comma`, or `CsvReader::thousands` if the mark stands between thousands",
        },
    }
}

/// Whether the texts are numbers that can only have a decimal comma, or only a decimal point.
pub(super) fn evidence(texts: &[&str], hints: Hints) -> (bool, bool) {
    let reading = find(texts, Hints { sees_decimal_comma: false, sees_decimal_point: false, ..hints });
    let Reading::Numbers(notation) = reading else { return (false, false) };
    let has = |mark: char| texts.iter().any(|text| text.contains(mark));
    let is_number = notation.date.is_none();
    let is_point = is_number && !notation.decimal_comma && has('.');
    // Three decimals after one point in every cell could be thousands.
    let rival =
        Notation { decimal_comma: true, thousands: Some('.'), unit: notation.unit.clone(), date: None };
    let only_point = is_point && texts.iter().any(|text| rival.parse(text).is_none());
    (is_number && notation.decimal_comma && has(','), only_point)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Option<Vec<f64>> {
        match find(texts, Hints::default()) {
            Reading::Numbers(notation) => texts.iter().map(|text| notation.parse(text)).collect(),
            _ => None,
        }
    }

    #[test]
    fn numbers_are_read_in_the_only_way_there_is() {
        let cases: [(&[&str], &[f64]); 13] = [
            (&["1", "2.5", "-3e2"], &[1.0, 2.5, -300.0]),
            (&["1,5", "2", "-0,25"], &[1.5, 2.0, -0.25]),
            (&["1,234,567", "1,234"], &[1_234_567.0, 1_234.0]),
            (&["1,234.5", "7"], &[1_234.5, 7.0]),
            (&["1.234,5", "1.234"], &[1_234.5, 1_234.0]),
            (&["1'234.5", "12"], &[1_234.5, 12.0]),
            (&["1 234,5", "12"], &[1_234.5, 12.0]),
            (&["1\u{202f}234", "12"], &[1_234.0, 12.0]),
            (&["12 %", "7.5%"], &[12.0, 7.5]),
            (&["$1,200.50", "-$3.00"], &[1_200.5, -3.0]),
            (&["1.200,50 €", "3 €"], &[1_200.5, 3.0]),
            (&["1970-01-01", "1970-01-02 12:00"], &[0.0, 1.5]),
            (&["1.234", "5.678"], &[1.234, 5.678]),
        ];
        for (texts, expected) in cases {
            assert_eq!(read(texts).as_deref(), Some(expected), "{texts:?}");
        }
        for texts in
            [&["1,5", "2.5"][..], &["a", "1"], &["12%", "7"], &["1,23,456"], &["$5", "€5"], &["079 123"]]
        {
            assert!(matches!(find(texts, Hints::default()), Reading::Texts(_)), "{texts:?}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_not_read() {
        for texts in [&["1,234"][..], &["1", "12,345"], &["03/04/2024"]] {
            assert!(matches!(find(texts, Hints::default()), Reading::Unclear { .. }), "{texts:?}");
        }
        let with = |texts: &[&str], hints: Hints| match find(texts, hints) {
            Reading::Numbers(notation) => notation.parse(texts[0]),
            _ => None,
        };
        let hints = Hints::default();
        assert_eq!(with(&["1,234"], Hints { decimal_comma: Some(true), ..hints }), Some(1.234));
        assert_eq!(with(&["1,234"], Hints { thousands: Some(','), ..hints }), Some(1_234.0));
        assert_eq!(with(&["1,234"], Hints { sees_decimal_comma: true, ..hints }), Some(1.234));
        assert_eq!(with(&["1,234"], Hints { sees_decimal_point: true, ..hints }), Some(1_234.0));
        assert_eq!(with(&["1.234"], Hints { sees_decimal_comma: true, ..hints }), None);
        assert_eq!(with(&["02/01/1970"], Hints { day_first: Some(true), ..hints }), Some(1.0));
        assert_eq!(with(&["02/01/1970"], Hints { day_first: Some(false), ..hints }), Some(31.0));
    }

    /// Against the count of days, one by one.
    #[test]
    fn days_are_counted() {
        let mut count = -25_567.0; // 1900-01-01
        for year in 1900..2101 {
            for month in 1..13 {
                for day in 1..32 {
                    let text = format!("{year}-{month:02}-{day:02}");
                    if let Some(days) = DateOrder::YearMonthDay.days(&text) {
                        assert_eq!(days, count, "{text}");
                        count += 1.0;
                    }
                }
            }
        }
        assert_eq!(count, 47_847.0, "2101-01-01");
        assert_eq!(DateOrder::YearMonthDay.days("2023-02-29"), None);
    }
}
