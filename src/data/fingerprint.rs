//! What tells a table from another one when a training is taken up again, or networks that were fitted apart are merged: a
//! number for each of its parts.
//!
//! ```text
//! h ← seed          for every word w, in order:   h ← (h ⊕ w) · K,   h ← h ⊕ (h >> 32)
//! ```
//! A word is a number's bits in `f64`, with one pattern for everything missing, or eight bytes of a name. K is odd, so
//! each of these maps is invertible, and two tables that differ in a single number never agree. It is a check against
//! mistakes, not against malice. The same table has the same numbers on any machine, with any number of threads, in
//! `f32` and, if its numbers are exact in it, in `f64`. Columns are taken in the order of their names, because a model
//! finds them by name. It takes about ten nanoseconds a number, once a training.

use super::Dataset;
#[cfg(feature = "persist")]
use super::Names;
use crate::Scalar;

/// The parts of a table, by which it is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    parts: [u64; 5],
}

/// What each of the numbers is of.
const PARTS: [&str; 5] = ["names", "features", "targets", "weights", "groups"];

impl Fingerprint {
    /// The fingerprint as a text without spaces.
    pub(crate) fn to_text(&self) -> String {
        self.parts.map(|part| format!("{part:016x}")).join("-")
    }

    /// The fingerprint that [`to_text`](Self::to_text) wrote; `None` if the text is none.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let parts = text.split('-').map(|part| u64::from_str_radix(part, 16));
        let parts: Vec<u64> = parts.collect::<Result<_, _>>().ok()?;
        Some(Self { parts: parts.try_into().ok()? })
    }

    /// That of rows that are not in memory, by their names and a number for all they hold.
    #[cfg(feature = "persist")]
    pub(crate) fn of_source(names: &Names, rows: u64) -> Self {
        let mut hash = Hash(0);
        names.features.iter().for_each(|name| hash.text(name));
        hash.word(u64::MAX);
        names.targets.iter().for_each(|name| hash.text(name));
        Self { parts: [hash.0, rows, rows, 0, 0] }
    }

    /// One number for all parts.
    pub(crate) fn in_one(&self) -> u64 {
        let mut hash = Hash(0);
        self.parts.iter().for_each(|&part| hash.word(part));
        hash.0
    }

    /// The parts in which the two tables differ; with other names, nothing else is told, since columns are taken in their
    /// order.
    pub(crate) fn differences(&self, other: &Self) -> Vec<&'static str> {
        let pairs = self.parts.iter().zip(&other.parts).zip(PARTS);
        let differ: Vec<&str> =
            pairs.filter(|((own, other), _)| own != other).map(|(_, part)| part).collect();
        if differ.first() == Some(&PARTS[0]) { vec![PARTS[0]] } else { differ }
    }
}

/// A number that every word changes.
#[derive(Clone, Debug)]
pub(super) struct Hash(pub(super) u64);

impl Hash {
    pub(super) fn word(&mut self, word: u64) {
        // 2⁶⁴ divided by the golden ratio, odd.
        let mixed = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn number(&mut self, x: f64) {
        self.word(if x.is_nan() { u64::MAX } else { x.to_bits() });
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Some bytes, and how many there are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|&word| self.word(u64::from_le_bytes(word)));
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.word(u64::from_le_bytes(word));
        }
    }
}

/// A number that tells one text from another, the same on any machine.
pub(crate) fn number_of(text: &str) -> u64 {
    let mut hash = Hash(0);
    hash.text(text);
    hash.0
}

/// A number that tells one list of numbers from another, bit by bit.
pub(crate) fn number_of_bits(numbers: impl Iterator<Item = f64>) -> u64 {
    let mut hash = Hash(0);
    numbers.for_each(|x| hash.word(x.to_bits()));
    hash.0
}

impl<F: Scalar> Dataset<F> {
    /// The numbers by which this table is told from another.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let by_name = |names: &[String]| {
            let mut order: Vec<usize> = (0..names.len()).collect();
            order.sort_by_key(|&column| &names[column]);
            order
        };
        let (features, targets) = (by_name(self.feature_names()), by_name(self.target_names()));
        let hash = |fill: &dyn Fn(&mut Hash)| {
            let mut hash = Hash(self.n_rows() as u64);
            fill(&mut hash);
            hash.0
        };
        let names = |hash: &mut Hash| {
            features.iter().for_each(|&column| hash.text(&self.feature_names()[column]));
            for (column, n) in &self.names().categories {
                hash.word(*n as u64);
                hash.text(column);
            }
            hash.word(u64::MAX);
            targets.iter().for_each(|&column| hash.text(&self.target_names()[column]));
            for (target, classes) in &self.names().classes {
                hash.word(classes.len() as u64);
                hash.text(target);
                classes.iter().for_each(|class| hash.text(class));
            }
        };
        let matrix = |hash: &mut Hash, numbers: &[F], order: &[usize]| {
            for row in numbers.chunks_exact(order.len().max(1)) {
                order.iter().for_each(|&column| hash.number(row[column].to_f64()));
            }
        };
        let weights = |hash: &mut Hash| {
            let own = targets.iter().map(|&target| self.own_weights(target));
            for (column, weights) in std::iter::once(self.weights()).chain(own).enumerate() {
                if let Some(weights) = weights {
                    hash.word(column as u64);
                    weights.iter().for_each(|weight| hash.number(weight.to_f64()));
                }
            }
        };
        let groups =
            |hash: &mut Hash| self.groups().iter().copied().flatten().for_each(|&group| hash.word(group));
        let parts = [
            hash(&names),
            hash(&|hash| matrix(hash, self.flat_features(), &features)),
            hash(&|hash| matrix(hash, self.flat_targets(), &targets)),
            hash(&weights),
            hash(&groups),
        ];
        Fingerprint { parts }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Axis, array};

    use super::*;

    fn table() -> Dataset<f64> {
        Dataset::new(array![[0.5, 1.0], [2.0, 3.0]], array![[1.0, f64::NAN], [0.0, 2.0]])
            .and_then(|data| data.with_feature_names(["width", "height"]))
            .and_then(|data| data.with_target_names(["area", "price"]))
            .expect("a table")
    }

    /// What is different of `other`.
    fn differ(other: &Dataset<f64>) -> Vec<&'static str> {
        let read = Fingerprint::from_text(&table().fingerprint().to_text()).expect("a fingerprint");
        other.fingerprint().differences(&read)
    }

    #[test]
    fn it_names_the_part_that_differs() {
        assert!(differ(&table()).is_empty());
        let with = |x: ndarray::Array2<f64>, y: ndarray::Array2<f64>| {
            Dataset::new(x, y)
                .and_then(|data| data.with_feature_names(["width", "height"]))
                .and_then(|data| data.with_target_names(["area", "price"]))
                .expect("a table")
        };
        let (x, y) = (table().features().to_owned(), table().targets().to_owned());
        let mut other = x.clone();
        other[[1, 1]] = f64::from_bits(3.0_f64.to_bits() + 1);
        assert_eq!(differ(&with(other, y.clone())), ["features"]);
        let mut other = y.clone();
        other[[0, 1]] = 0.0;
        assert_eq!(differ(&with(x.clone(), other)), ["targets"]);
        assert_eq!(
            differ(&with(x.select(Axis(0), &[1, 0]), y.select(Axis(0), &[1, 0]))),
            ["features", "targets"]
        );
        assert_eq!(differ(&table().with_weights(array![1.0, 1.0]).unwrap()), ["weights"]);
        let of = |target| table().with_target_weights(target, array![1.0, 1.0]).unwrap();
        assert_eq!(differ(&of("area")), ["weights"]);
        assert_ne!(of("area").fingerprint(), of("price").fingerprint());
        assert_eq!(differ(&table().with_groups(vec![0, 0]).unwrap()), ["groups"]);
        assert_eq!(differ(&table().with_target_names(["area", "prize"]).unwrap()), ["names"]);
        assert_eq!(differ(&table().with_class_names("area", ["no", "yes"]).unwrap()), ["names"]);
        assert_eq!(Fingerprint::from_text("12-zz"), None);
        assert_eq!(Fingerprint::from_text("12"), None);
    }

    #[test]
    fn a_missing_label_and_a_turned_table_are_what_they_were() {
        let turned = Dataset::new(table().features().select(Axis(1), &[1, 0]), table().targets().mapv(|y| y))
            .and_then(|data| data.with_feature_names(["height", "width"]))
            .and_then(|data| data.with_target_names(["area", "price"]))
            .expect("a table");
        assert!(differ(&turned).is_empty());
        let negative_nan = table().targets().mapv(|y| if y.is_nan() { -f64::NAN } else { y });
        let other = Dataset::new(table().features().to_owned(), negative_nan).expect("a table");
        assert!(differ(&other).iter().all(|part| *part == "names"));
        // Recorded: the same on every machine and in f32.
        let single = table().cast::<f32>().expect("exact in f32").fingerprint();
        assert_eq!(single, table().fingerprint());
    }
}
