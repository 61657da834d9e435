//! What a contender trains in a fold: one model or several, each with its tasks, and how.

use super::{APART, Form, MOST_GROUPINGS, TogetherOrApart};
use crate::layer::Layer;
use crate::{Error, ErrorKind, Model, ModelBuilder, Result, Scalar, Sharing, Trainer};

/// One contender, ready to train.
#[derive(Clone, Debug)]
pub(super) struct Contender<'a> {
    pub(super) name: &'a str,
    /// For each model the places of its tasks among all.
    groups: Vec<Vec<usize>>,
    /// The settings of each model, but for the seed.
    builders: Vec<ModelBuilder>,
    trainer: Trainer,
    form: &'a Form,
}

/// One model to train.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    /// The places of its tasks among all, in the model's order.
    pub(super) tasks: Vec<usize>,
    pub(super) builder: ModelBuilder,
}

impl Contender<'_> {
    pub(super) fn n_models(&self) -> usize {
        self.groups.len()
    }

    /// The models and the trainer of a fold with that seed.
    pub(super) fn of_fold(&self, seed: u64) -> Result<(Vec<Planned>, Trainer)> {
        let plan = |(tasks, builder): (&Vec<usize>, &ModelBuilder)| {
            let builder = builder.clone().seed(seed);
            let Form::Own(change) = self.form else { return Ok(Planned { tasks: tasks.clone(), builder }) };
            let names = |builder: &ModelBuilder| -> Vec<String> {
                builder.tasks().iter().map(|task| task.name().to_owned()).collect()
            };
            let expected = names(&builder);
            let changed =
                change(builder).map_err(|error| error.within(format!("contender {:?}", self.name)))?;
            match names(&changed) == expected {
                true => Ok(Planned { tasks: tasks.clone(), builder: changed }),
                false => {
                    let place = format!("contender {:?}, tasks", self.name);
                    let found = format!("{:?}", names(&changed));
                    Err(Error::new(ErrorKind::Setting, place, format!("{expected:?}"), found))
                }
            }
        };
        let models = self.groups.iter().zip(&self.builders).map(plan).collect::<Result<_>>()?;
        Ok((models, self.trainer.clone().seed(seed).threads(1)))
    }
}

impl TogetherOrApart {
    /// The contenders, whose settings have been checked.
    pub(super) fn contenders<F: Scalar>(&self, n_features: usize) -> Result<Vec<Contender<'_>>> {
        self.check()?;
        let joint = self.builder(n_features, &(0..self.tasks.len()).collect::<Vec<_>>(), &self.hidden);
        let in_all = joint.n_parameters::<F>()?;
        let prepare = |(name, form): &(String, Form)| {
            let groups = self.groups(name, form)?;
            let widths = match self.has_full_width || groups.len() == 1 {
                true => self.hidden.clone(),
                false => self.narrowed::<F>(n_features, &groups, in_all)?,
            };
            let builder = |group: &Vec<usize>| {
                let builder = self.builder(n_features, group, &widths);
                match form {
                    Form::Sharing(sharing) => builder.sharing(sharing.clone()),
                    _ => builder,
                }
            };
            let builders: Vec<ModelBuilder> = groups.iter().map(builder).collect();
            let trainer = self.trainer.clone();
            let trainer = match form {
                Form::Balance(method) => trainer.balance_boxed(method.clone()),
                Form::Aggregate(method) => trainer.aggregate_boxed(method.clone()),
                _ => trainer,
            };
            Ok((groups, builders, trainer))
        };
        let mut contenders = Vec::with_capacity(self.contenders.len());
        for contender in &self.contenders {
            let (name, form) = contender;
            let within = |error: Error| error.within(format!("contender {name:?}"));
            let (groups, builders, trainer) = prepare(contender).map_err(within)?;
            let contender = Contender { name, groups, builders, trainer, form };
            // A setting that no model can have is an error now, and not after the others have been trained for hours.
            let (models, _) = contender.of_fold(0)?;
            models
                .iter()
                .try_for_each(|model| model.builder.n_parameters::<F>().map(|_| ()))
                .map_err(within)?;
            contenders.push(contender);
        }
        Ok(contenders)
    }

    fn check(&self) -> Result<()> {
        let setting = |place: &str, expected: &str, found: String| {
            Err(Error::new(ErrorKind::Setting, format!("together or apart, {place}"), expected, found))
        };
        if self.tasks.len() < 2 {
            return setting("tasks", "at least 2", self.tasks.len().to_string());
        }
        let is_alone = |task: &&crate::Task| task.factors().is_none() && task.has_loss();
        if let Some(task) = self.tasks.iter().find(|task| !is_alone(task)) {
            let expected = "tasks that can be learnt alone";
            return setting("tasks", expected, format!("{:?}, a product or without a loss", task.name()));
        }
        if self.hidden.is_empty() {
            return setting("hidden layers", "at least 1, for tasks to share", "none".into());
        }
        if self.trainer.has_folder() {
            let found = "checkpoints, whose folder belongs to one training";
            return setting("trainer", "one that keeps no checkpoints", found.into());
        }
        if self.trainer.has_ranks() {
            return setting("trainer", "one for one process", "ranks, which share a training".into());
        }
        for (i, (name, _)) in self.contenders.iter().enumerate() {
            if self.contenders[..i].iter().any(|(other, _)| other == name) {
                return setting("names of contenders", "each once", format!("{name:?} twice"));
            }
        }
        let n_groupings =
            self.contenders.iter().filter(|(_, form)| matches!(form, Form::Grouping(_))).count();
        if n_groupings > MOST_GROUPINGS {
            let place = "together or apart, groupings";
            let expected = format!("at most {MOST_GROUPINGS}");
            return Err(Error::new(ErrorKind::Setting, place, expected, n_groupings)
                .advise("compare the few that the affinity of the tasks speaks for"));
        }
        Ok(())
    }

    /// The places of the tasks in each model.
    fn groups(&self, name: &str, form: &Form) -> Result<Vec<Vec<usize>>> {
        let Form::Grouping(groups) = form else {
            let all = 0..self.tasks.len();
            return Ok(if name == APART { all.map(|k| vec![k]).collect() } else { vec![all.collect()] });
        };
        let refuse =
            |found: String| Err(Error::new(ErrorKind::Setting, "groups", "every task in one of them", found));
        let mut n_groups = vec![0; self.tasks.len()];
        let mut places = Vec::with_capacity(groups.len());
        for group in groups {
            let mut of_group = Vec::with_capacity(group.len());
            for name in group {
                let Some(k) = self.tasks.iter().position(|task| task.name() == name) else {
                    return refuse(format!("{name:?}, which is no task"));
                };
                n_groups[k] += 1;
                of_group.push(k);
            }
            if of_group.is_empty() {
                return refuse("a group without tasks".into());
            }
            places.push(of_group);
        }
        match n_groups.iter().position(|&n| n != 1) {
            None => Ok(places),
            Some(k) => refuse(format!("{:?} {} times", self.tasks[k].name(), n_groups[k])),
        }
    }

    fn builder(&self, n_features: usize, tasks: &[usize], widths: &[usize]) -> ModelBuilder {
        let layers = widths.iter().map(|&width| Layer::dense(width, self.activation));
        let builder = Model::builder(n_features).sharing(Sharing::shared_trunk(layers)).standardize();
        tasks.iter().fold(builder, |builder, &k| builder.task(self.tasks[k].clone()))
    }

    /// The widths for which models of these groups have as nearly as can be `in_all` parameters: n units in the widest layer,
    /// the others in proportion.
    fn narrowed<F: Scalar>(
        &self,
        n_features: usize,
        groups: &[Vec<usize>],
        in_all: usize,
    ) -> Result<Vec<usize>> {
        let widest = self.hidden.iter().copied().max().unwrap_or(1);
        let widths = |n: usize| -> Vec<usize> {
            let narrow = |&width: &usize| ((width as f64 * n as f64 / widest as f64).round() as usize).max(1);
            self.hidden.iter().map(narrow).collect()
        };
        let total = |n: usize| -> Result<usize> {
            let counts =
                groups.iter().map(|group| self.builder(n_features, group, &widths(n)).n_parameters::<F>());
            counts.sum()
        };
        // The largest n whose total is not above, by halving: wider layers have more parameters.
        let (mut low, mut high) = (1, widest.max(1));
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            match total(middle)? <= in_all {
                true => low = middle,
                false => high = middle - 1,
            }
        }
        let next = (low + 1).min(widest.max(1));
        let is_nearer = total(next)?.abs_diff(in_all) < total(low)?.abs_diff(in_all);
        Ok(widths(if is_nearer { next } else { low }))
    }
}
