//! Rows of a group stay together where a loss compares them: in batches. Without such a loss groups are for splits alone.

use ndarray::{ArrayView2, ArrayViewMut2};
use polytask::loss::{Labels, LossFunction, MeanSquaredError, check_parts};
use polytask::prelude::*;
use polytask::{ErrorKind, ModelBuilder, Scalar};

/// Sixty rows of three patients, of whom the first has forty, in rows that are not next to each other.
fn patients() -> Dataset<f64> {
    let groups = (0..60_u64).map(|row| if row % 3 == 0 { 1 + row % 2 } else { 0 }).collect();
    let data = datasets::robot_arm::<f64>(60, 0.05, 1);
    data.with_groups(groups).expect("a group for each row")
}

fn builder() -> ModelBuilder {
    let trunk = [Layer::dense(6, Activation::Tanh)];
    Model::builder(10).trunk(trunk).task(Task::regression("shoulder")).task(Task::regression("elbow"))
}

/// Compares rows of a group, though its labels are quantities.
#[derive(Debug)]
struct WithinGroups;

impl<F: Scalar> LossFunction<F> for WithinGroups {
    fn value_and_delta(
        &self,
        y: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        delta: ArrayViewMut2<'_, F>,
    ) -> F {
        MeanSquaredError.value_and_delta(y, labels, delta)
    }

    fn compares_rows(&self) -> bool {
        true
    }
}

#[test]
fn groups_that_no_task_ranks_do_not_force_the_batch_size() {
    let grouped = patients();
    let plain = datasets::robot_arm::<f64>(60, 0.05, 1);
    let train = |data: &Dataset<f64>, trainer: Trainer| {
        let mut model = builder().build::<f64>().expect("valid settings");
        let history =
            trainer.batch_size(8).epochs(2).fit_validated(&mut model, data, data).expect("a training");
        (model.parameters().to_vec(), history.losses().to_owned(), history.validations().to_vec())
    };
    for trainer in [
        Trainer::new(Adam::new(0.01)),
        Trainer::new(Adam::new(0.01)).in_order(),
        Trainer::new(Adam::new(0.01)).accumulate(3),
    ] {
        let (one, other) = (train(&grouped, trainer.clone()), train(&plain, trainer));
        assert_eq!(one, other, "groups change nothing, to the bit");
    }
    let regressor = MultiTaskRegressor::new().hidden([4]).members(2).folds(2).epochs(2).batch_size(8);
    let model = regressor.fit_table(&grouped).expect("groups larger than a batch");
    assert_eq!(model.members().len(), 2);
}

#[test]
fn a_loss_that_compares_rows_keeps_groups_whole() {
    let data = datasets::mixed_tasks::<f64>(60, 0.0, 3).with_groups(vec![5; 60]).expect("one query");
    let trainer = Trainer::new(Adam::new(0.01)).batch_size(8).steps(2);
    let fit = |builder: ModelBuilder, trainer: &Trainer| {
        let mut model = builder.build::<f64>()?;
        trainer.fit(&mut model, &data)
    };
    let plain = || Model::builder(8).task(Task::regression("value"));
    assert!(fit(plain(), &trainer).is_ok());
    // It has no loss, so nothing is compared.
    assert!(
        fit(plain().task(Task::ranking("relevance").without_loss()), &trainer).is_err(),
        "neither loss nor product"
    );
    let own = Task::new("second", Loss::custom(WithinGroups)).columns(["value"]);
    for builder in [plain().task(Task::ranking("relevance")), plain().task(own)] {
        for trainer in [trainer.clone(), trainer.clone().accumulate(10)] {
            let error = fit(builder.clone(), &trainer).expect_err("a group of 60 in batches of 8");
            assert_eq!(error.kind(), ErrorKind::Setting, "{error}");
            assert!(error.to_string().contains("batch size: expected at least 60"), "{error}");
        }
        let history = fit(builder, &trainer.clone().batch_size(60)).expect("a batch of the whole group");
        assert_eq!(history.n_steps(), 2);
    }
}

/// More rows in a group than are evaluated at once.
#[test]
fn evaluation_divides_groups_that_nobody_ranks() {
    let data = datasets::robot_arm::<f64>(2500, 0.05, 1);
    let grouped = data.clone().with_groups(vec![3; 2500]).expect("one group");
    let model = builder().build::<f64>().expect("valid settings");
    let (one, other) = (model.evaluate(&grouped).expect("a table"), model.evaluate(&data).expect("a table"));
    assert_eq!(one, other, "to the bit, so in the same batches");
}

#[test]
fn the_check_of_parts_cuts_where_rows_are_not_compared() {
    let (outputs, targets) = (ndarray::array![[0.5], [2.0], [1.0]], ndarray::array![[0.0], [1.0], [3.0]]);
    let labels = Labels { groups: Some(&[4, 4, 4]), ..Labels::new(targets.view()) };
    /// The mean over rows, and a constant for a batch of more than one.
    #[derive(Debug)]
    struct OfManyRows(bool);
    impl<F: Scalar> LossFunction<F> for OfManyRows {
        fn value_and_delta(
            &self,
            y: ArrayView2<'_, F>,
            labels: &Labels<'_, F>,
            delta: ArrayViewMut2<'_, F>,
        ) -> F {
            let extra = F::from_f64(f64::from(u8::from(y.nrows() > 1)));
            MeanSquaredError.value_and_delta(y, labels, delta) + extra
        }
        fn compares_rows(&self) -> bool {
            self.0
        }
    }
    assert!(check_parts(&OfManyRows(true), outputs.view(), &labels).is_ok());
    assert!(check_parts(&OfManyRows(false), outputs.view(), &labels).is_err());
}
