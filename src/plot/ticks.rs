//! Where the ticks of an axis stand, and what is written beside them: all the digits that tell them apart.
//!
//! ```text
//! 0.2  0.4  0.6             plain, with the decimals of the step
//! 2e7  2.5e7  3e7           where plain numbers would be long, a power of ten with as many digits as the step needs
//! 0  2  4  (x − 1.7e9)      where those would be long too, the distance from a round number in the name of the axis
//! ```

/// What fits to the left of the vertical axis, in characters.
const LONGEST: usize = 7;

/// Ticks in the measure of the axis, and what has to be added to its name.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Ticks {
    pub marks: Vec<(f64, String)>,
    /// ` − 1.7e9`, if the numbers are distances from 1.7e9.
    pub from: String,
}

/// Two to seven round numbers.
pub(super) fn linear(low: f64, high: f64) -> Ticks {
    let rough = (high - low) / 6.0;
    // Of the smallest numbers there is no power of ten below.
    let power = rough.log10().floor().max(-300.0);
    let steps = [1.0, 2.0, 5.0, 10.0].map(|m| m * 10_f64.powf(power));
    let step = steps.into_iter().find(|step| *step >= rough).unwrap_or(rough);
    let first = (low / step).ceil();
    let mut at: Vec<f64> = (0..12)
        .map(|i| (first + f64::from(i)) * step)
        .map(|x| if x.abs() < 1e-9 * step { 0.0 } else { x })
        .take_while(|x| *x <= high + 1e-9 * step)
        .collect();
    // In a range of a few roundings two ticks may be the same number.
    at.dedup();
    // The place of the last digit that a tick may have.
    let last = (step.log10() + 1e-9).floor() as i32;
    let (names, from) = names(&at, last);
    Ticks { marks: at.into_iter().zip(names).collect(), from }
}

/// Powers of ten, and twos and fives between if there are few; `low` and `high` are the logarithms.
pub(super) fn log(low: f64, high: f64) -> Ticks {
    let every = ((high - low) / 6.0).ceil().max(1.0);
    let between: &[f64] = if high - low < 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let mut marks = Vec::new();
    let mut exponent = (low / every).floor() * every;
    while exponent <= high {
        for m in between {
            let at = exponent + m.log10();
            if (low..=high).contains(&at) {
                marks.push((at, one_digit(*m, exponent as i32)));
            }
        }
        exponent += every;
    }
    if marks.len() >= 2 {
        return Ticks { marks, from: String::new() };
    }
    // Less than a factor of ten: ticks as on a linear axis.
    let Ticks { marks, from } = linear(10_f64.powf(low), 10_f64.powf(high));
    let marks = marks.into_iter().filter(|(x, _)| *x > 0.0).map(|(x, name)| (x.log10(), name));
    Ticks { marks: marks.collect(), from }
}

/// A count, in full: what is counted is exact. Sums of weights have six digits.
pub(super) fn count(x: f64) -> String {
    match x.abs() {
        a if a.fract() == 0.0 && a < 1e15 => format!("{x:.0}"),
        a if (1e-3..1e15).contains(&a) => {
            let decimals = (5 - a.log10().floor() as i32).max(0) as usize;
            trimmed(&format!("{x:.decimals$}"))
        }
        _ => scientific(x, 5),
    }
}

/// The names of numbers whose last digit is that of 10^`last`, and what was taken from them.
fn names(at: &[f64], last: i32) -> (Vec<String>, String) {
    let fits = |names: &[String]| names.iter().all(|name| name.chars().count() <= LONGEST);
    let (plain, by_power) = (plain(at, last), by_power(at, last));
    // A long number with many zeros is read better as a power of ten.
    if at.iter().all(|x| x.abs() < 1e6) && fits(&plain) {
        return (plain, String::new());
    }
    let (Some(first), Some(end)) = (at.first(), at.last()) else { return (plain, String::new()) };
    let unit = exponent(end - first) + 1;
    let base = (first / 10_f64.powi(unit)).floor() * 10_f64.powi(unit);
    if fits(&by_power) || base == 0.0 || !base.is_finite() {
        return (by_power, String::new());
    }
    let distances: Vec<f64> = at.iter().map(|x| x - base).collect();
    let (names, _) = names(&distances, last);
    let size = scientific(base.abs(), (exponent(base) - unit).max(0) as usize);
    (names, format!(" {} {size}", if base > 0.0 { '−' } else { '+' }))
}

fn plain(at: &[f64], last: i32) -> Vec<String> {
    let decimals = (-last).max(0) as usize;
    at.iter().map(|x| format!("{x:.decimals$}")).collect()
}

fn by_power(at: &[f64], last: i32) -> Vec<String> {
    at.iter().map(|&x| scientific(x, (exponent(x) - last).max(0) as usize)).collect()
}

/// The power of ten of the first digit; 0 of 0.
fn exponent(x: f64) -> i32 {
    if x == 0.0 { 0 } else { (x.abs().log10() + 1e-12).floor() as i32 }
}

/// A number as a power of ten with that many decimals, without zeros at their end; zero is 0.
fn scientific(x: f64, decimals: usize) -> String {
    if x == 0.0 {
        return "0".to_owned();
    }
    let text = format!("{x:.decimals$e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{}e{power}", trimmed(digits))
}

/// `m · 10^exponent`: as it is read, or as a power of ten.
fn one_digit(m: f64, exponent: i32) -> String {
    match exponent {
        -3..=4 => trimmed(&format!("{:.3}", m * 10_f64.powi(exponent))),
        _ => format!("{m}e{exponent}"),
    }
}

/// Without zeros at the end of the decimals.
fn trimmed(digits: &str) -> String {
    match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number that is written, with what was taken from it.
    fn read(ticks: &Ticks) -> Vec<f64> {
        let base = match ticks.from.split_once(['−', '+']) {
            None => 0.0,
            Some((_, size)) => {
                let size: f64 = size.trim().parse().expect("a number");
                if ticks.from.contains('−') { size } else { -size }
            }
        };
        ticks.marks.iter().map(|(_, name)| base + name.parse::<f64>().expect("a number")).collect()
    }

    fn names(ticks: &Ticks) -> Vec<&str> {
        ticks.marks.iter().map(|(_, name)| name.as_str()).collect()
    }

    #[test]
    fn what_is_written_is_where_the_tick_stands() {
        let centres = [0.0, 1e-9, 0.012, 1.0, -3.5, 1_005_000.0, 1_250_000.0, -8.4e7, 1.7e9, 1e15, -3e200];
        let widths = [1e-12, 3e-6, 0.04, 0.7, 10.0, 1e4, 2.5e6, 3e9, 1e200];
        for centre in centres {
            for width in widths {
                let (low, high) = (centre - 0.37 * width, centre + 0.63 * width);
                // An axis that f64 can tell apart.
                if high - low < 1e-11 * f64::abs(centre) {
                    continue;
                }
                let ticks = linear(low, high);
                let said = read(&ticks);
                assert!((2..=7).contains(&said.len()), "{low} to {high}: {ticks:?}");
                let step = ticks.marks[1].0 - ticks.marks[0].0;
                for (said, (at, name)) in said.iter().zip(&ticks.marks) {
                    let error = (said - at).abs();
                    assert!(error < 1e-3 * step + 1e-15 * at.abs(), "{name} at {at}: {ticks:?}");
                    assert!(name.chars().count() <= 8, "{ticks:?}");
                }
            }
        }
    }

    #[test]
    fn ticks_are_read_at_a_glance() {
        assert_eq!(names(&linear(0.0, 1.0)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(names(&linear(0.0, 5e7)), ["0", "1e7", "2e7", "3e7", "4e7", "5e7"]);
        let million = linear(1_000_000.0, 1_010_000.0);
        assert_eq!(names(&million), ["1e6", "1.002e6", "1.004e6", "1.006e6", "1.008e6", "1.01e6"]);
        assert!(names(&linear(1_000_000.0, 1_500_000.0)).contains(&"1.2e6"));
        assert!(names(&linear(1_200_000.0, 1_300_000.0)).contains(&"1.22e6"));
        let seconds = linear(1_700_000_000.0, 1_700_000_010.0);
        assert_eq!((names(&seconds), &*seconds.from), (vec!["0", "2", "4", "6", "8", "10"], " − 1.7e9"));
        let below = linear(-1_700_000_010.0, -1_700_000_000.0);
        assert_eq!((names(&below)[0], &*below.from), ("90", " + 1.7000001e9"));
    }

    /// A loss that hardly moves, on the logarithmic axis of the learning curves.
    #[test]
    fn a_plateau_has_ticks_that_differ() {
        for (low, high) in [(0.012340, 0.012345), (2.5e6, 2.500_01e6), (0.31, 0.32), (3.0, 4.0), (2e-9, 4e-9)]
        {
            let ticks = log(f64::log10(low), f64::log10(high));
            let said = read(&ticks);
            assert!(said.len() >= 2, "{ticks:?}");
            assert!(said.windows(2).all(|pair| pair[0] < pair[1]), "{ticks:?}");
            for (said, (at, _)) in said.iter().zip(&ticks.marks) {
                assert!((said.log10() - at).abs() < 1e-3 * (high / low).log10(), "{ticks:?}");
            }
        }
        assert_eq!(names(&log(-3.0, 3.0)), ["0.001", "0.01", "0.1", "1", "10", "100", "1000"]);
        assert_eq!(names(&log(5.0, 6.0)), ["1e5", "2e5", "5e5", "1e6"]);
    }

    #[test]
    fn counts_are_exact() {
        let written = [0.0, 7.0, 1_250_000.0, 123_456_789.0, 0.5, 1234.5678, 1e-5, 2.5e17].map(count);
        assert_eq!(written, ["0", "7", "1250000", "123456789", "0.5", "1234.57", "1e-5", "2.5e17"]);
    }
}
