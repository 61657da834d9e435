//! What an estimator of any kind can be told.

use super::effort::Effort;
use super::member_kind::{self, MemberKind};
use super::target::Target;
use crate::data::TargetTransform;
use crate::kernel::MOST_THREADS;
use crate::optim::{AdamW, RuleSettings};
use crate::train::callback::Callback;
use crate::{Error, ErrorKind, Result, Sharing, Task};

/// More members are a slip of the pen: each is a network.
pub(super) const MOST_MEMBERS: usize = 10_000;

/// The settings of an estimator of any kind.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) sharing: Option<Sharing>,
    pub(super) hidden: Vec<usize>,
    pub(super) effort: Effort,
    /// The number that was named.
    pub(super) members: Option<usize>,
    /// Those that were named.
    pub(super) kinds: Option<Vec<MemberKind>>,
    pub(super) folds: usize,
    /// The share of the rows that is kept apart.
    pub(super) calibrate: Option<f64>,
    pub(super) learning_rate: f64,
    pub(super) weight_decay: f64,
    /// The number that was named.
    pub(super) batch_size: Option<usize>,
    pub(super) epochs: Option<u64>,
    pub(super) patience: Option<u64>,
    pub(super) seed: u64,
    pub(super) threads: Option<usize>,
    pub(super) extrapolates: bool,
    pub(super) transform: Option<TargetTransform>,
    pub(super) callbacks: Vec<Box<dyn Callback>>,
    /// Those that were declared.
    pub(super) tasks: Vec<Task>,
    /// The target columns that are not learnt.
    pub(super) left_out: Vec<String>,
    /// The folder in which networks are kept.
    #[cfg(feature = "persist")]
    pub(super) keep_in: Option<std::path::PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sharing: None,
            hidden: vec![64, 64],
            effort: Effort::default(),
            members: None,
            kinds: None,
            folds: 5,
            calibrate: None,
            learning_rate: 0.005,
            weight_decay: 0.1,
            batch_size: None,
            epochs: None,
            patience: None,
            seed: 0,
            threads: None,
            extrapolates: false,
            transform: None,
            callbacks: Vec::new(),
            tasks: Vec::new(),
            left_out: Vec::new(),
            #[cfg(feature = "persist")]
            keep_in: None,
        }
    }
}

impl Settings {
    /// The kinds of networks for a table with `n_features` features, if there are enough networks for all of them. With a sharing
    /// form of one's own, or without hidden layers, that is what is wanted.
    pub(super) fn kinds_for(&self, n_features: usize) -> Vec<MemberKind> {
        match &self.kinds {
            Some(kinds) => kinds.clone(),
            None if self.sharing.is_some() || self.hidden.is_empty() => vec![MemberKind::Plain],
            None => member_kind::applicable(self.effort.kinds(), n_features),
        }
    }

    /// How many networks there are.
    pub(super) fn n_members(&self) -> usize {
        self.members.unwrap_or_else(|| self.effort.networks_per_fold().saturating_mul(self.folds))
    }

    /// How many rows a batch has where networks learn from `n_rows`.
    pub(super) fn batch_size_for(&self, n_rows: usize) -> usize {
        self.batch_size.unwrap_or_else(|| self.effort.batch_size(n_rows))
    }

    pub(super) fn rule_of(&self, kind: MemberKind) -> AdamW {
        kind.rule(self.learning_rate, self.weight_decay)
    }

    pub(super) fn sharing_of(&self, kind: MemberKind) -> Sharing {
        kind.sharing(&self.hidden, self.sharing.as_ref())
    }

    /// Checks every setting.
    pub(super) fn check(&self) -> Result<()> {
        let at_least = |least: u64, found: u64, place: &str| match found >= least {
            true => Ok(()),
            false => {
                let place = format!("estimator, {place}");
                Err(Error::new(ErrorKind::Setting, place, format!("at least {least}"), found))
            }
        };
        at_least(1, self.n_members() as u64, "members")?;
        for (found, most, place) in [
            (self.n_members(), MOST_MEMBERS, "members"),
            (self.threads.unwrap_or(1), MOST_THREADS, "threads"),
        ] {
            if found > most {
                let place = format!("estimator, {place}");
                return Err(Error::new(ErrorKind::Setting, place, format!("at most {most}"), found));
            }
        }
        at_least(2, self.folds as u64, "folds")?;
        at_least(1, self.batch_size.unwrap_or(1) as u64, "batch size")?;
        at_least(1, self.epochs.unwrap_or(1), "epochs")?;
        at_least(1, self.patience.unwrap_or(1), "patience")?;
        at_least(1, self.threads.unwrap_or(1) as u64, "threads")?;
        if let Some(share) = self.calibrate.filter(|&share| !(share > 0.0 && share < 1.0)) {
            let (place, expected) =
                ("estimator, share of rows for calibration", "a number between 0 and 1, both excluded");
            return Err(Error::new(ErrorKind::Setting, place, expected, share).advise("use 0.25 if unsure"));
        }
        for &width in &self.hidden {
            at_least(1, width as u64, "width of a hidden layer")?;
        }
        self.transform.map_or(Ok(()), |transform| transform.check())?;
        self.tasks.iter().try_for_each(Task::check)?;
        Target::of_tasks(&self.tasks)?;
        self.kinds.as_ref().map_or(Ok(()), |kinds| member_kind::check(kinds, self.sharing.is_some()))?;
        MemberKind::ALL.into_iter().try_for_each(|kind| self.rule_of(kind).check())?;
        Ok(())
    }

    pub(super) fn hidden_in_words(&self) -> String {
        match &self.sharing {
            None => format!("{:?}", self.hidden),
            Some(_) => "a sharing form of one's own".into(),
        }
    }

    /// What a network is fitted by, for a person; callbacks, threads and the number of networks change none of them.
    pub(super) fn in_words(&self) -> String {
        let or_default =
            |number: Option<u64>| number.map_or("by default".into(), |number| number.to_string());
        let transform = self.transform.map_or("none".into(), |transform| format!("{transform:?}"));
        let kinds = self.kinds.as_ref().map_or("kinds by default".into(), |kinds| {
            let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
            format!("kinds {}", names.join(" "))
        });
        format!(
            "seed {}, folds {}, {kinds}{}, learning rate {:?}, weight decay {:?}, {}, epochs {}, patience {}, \
             transform {transform}, {}{}{}",
            self.seed,
            self.folds,
            if self.effort == Effort::Default {
                String::new()
            } else {
                format!(", effort {:?}", self.effort)
            },
            self.learning_rate,
            self.weight_decay,
            self.batch_size.map_or("batches by default".into(), |rows| format!("batches of {rows}")),
            or_default(self.epochs),
            or_default(self.patience),
            if self.extrapolates { "extrapolates" } else { "within the range of the labels" },
            self.calibrate.map_or(String::new(), |share| format!(", calibrated on {share:?} of the rows")),
            if self.tasks.is_empty() { String::new() } else { format!(", tasks {:?}", self.tasks) },
        )
    }
}
