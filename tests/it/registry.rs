//! Files of models with parts of a person's own, which a registry makes again.

use std::sync::Arc;

use ndarray::{ArrayView2, ArrayViewMut2};
use polytask::layer::{BuildContext, BuildLayer, BuiltLayer, Dense};
use polytask::loss::{Labels, LossFunction};
use polytask::metric::{Direction, MetricFunction};
use polytask::penalty::{BuildPenalty, Penalty, PenaltyFunction};
use polytask::prelude::*;
use polytask::sharing::{BuildSharing, BuiltSharing};
use polytask::train::Checkpoints;
use polytask::{Error, ErrorKind, Layout, Registry, Result, SavedAs, Scalar};

/// A dense layer under another name.
#[derive(Debug)]
pub struct Squash(pub usize);

impl<F: Scalar> BuildLayer<F> for Squash {
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        Dense::new(self.0, Activation::Tanh).build(context)
    }

    fn saved_as(&self) -> Option<SavedAs> {
        Some(SavedAs::new("squash", self.0.to_string()))
    }
}

/// A sharing form that is one trunk of two layers.
#[derive(Debug)]
struct TwoDeep;

impl<F: Scalar> BuildSharing<F> for TwoDeep {
    fn build(&self, tasks: &[&str], context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltSharing<F>>> {
        let layers = [Layer::dense(4, Activation::Relu), Layer::dense(3, Activation::Relu)];
        Sharing::shared_trunk(layers).build(tasks, context)
    }

    fn saved_as(&self) -> Option<SavedAs> {
        Some(SavedAs::new("two_deep", ""))
    }
}

/// a/n · Σ (y − t)⁴, for labels that are never missing.
#[derive(Debug)]
struct Quartic(f64);

impl<F: Scalar> LossFunction<F> for Quartic {
    fn value_and_delta(
        &self,
        y: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        mut delta: ArrayViewMut2<'_, F>,
    ) -> F {
        let residual = &y - &labels.targets;
        let factor = F::from_f64(self.0 / labels.total_weight());
        delta.assign(&residual.mapv(|r| F::from_f64(4.0) * factor * r.powi(3)));
        residual.mapv(|r| r.powi(4)).sum() * factor
    }

    fn saved_as(&self) -> Option<SavedAs> {
        Some(SavedAs::new("quartic", format!("{:?}", self.0)))
    }
}

/// The largest prediction.
#[derive(Debug)]
struct Largest;

impl MetricFunction for Largest {
    fn name(&self) -> String {
        "largest".into()
    }
    fn direction(&self) -> Direction {
        Direction::LowerIsBetter
    }
    fn evaluate(&self, predictions: ArrayView2<'_, f64>, _: &Labels<'_, f64>) -> Option<f64> {
        predictions.iter().copied().reduce(f64::max)
    }
    fn saved_as(&self) -> Option<SavedAs> {
        Some(SavedAs::new("largest", ""))
    }
}

/// ½ λ Σ θ² over everything.
#[derive(Debug)]
struct Small(f64);

#[derive(Debug)]
struct BuiltSmall(f64);

impl<F: Scalar> BuildPenalty<F> for Small {
    fn build(&self, _: &Layout) -> Result<Box<dyn PenaltyFunction<F>>> {
        Ok(Box::new(BuiltSmall(self.0)))
    }

    fn saved_as(&self) -> Option<SavedAs> {
        Some(SavedAs::new("small", format!("{:?}", self.0)))
    }
}

impl<F: Scalar> PenaltyFunction<F> for BuiltSmall {
    fn name(&self) -> &str {
        "small"
    }
    fn value(&self, theta: &[F]) -> f64 {
        theta.iter().map(|x| 0.5 * self.0 * x.to_f64() * x.to_f64()).sum()
    }
    fn add_gradient(&self, theta: &[F], gradient: &mut [F]) {
        gradient.iter_mut().zip(theta).for_each(|(g, &x)| *g += F::from_f64(self.0) * x);
    }
}

fn number<T: std::str::FromStr>(settings: &str) -> Result<T> {
    settings.parse().map_err(|_| Error::new(ErrorKind::File, "settings", "a number", settings))
}

/// All the kinds above.
pub fn registry() -> Registry {
    Registry::new()
        .layer("squash", |settings| number(settings).map(Squash))
        .sharing("two_deep", |_| Ok(TwoDeep))
        .loss("quartic", |settings| number(settings).map(Quartic))
        .metric("largest", |_| Ok(Largest))
        .penalty("small", |settings| number(settings).map(Small))
}

/// A part of each sort, a layer inside a block inside an expert.
fn builders() -> [polytask::ModelBuilder; 3] {
    let tasks = |builder: polytask::ModelBuilder| {
        let own = Task::new("shoulder", Loss::custom(Quartic(0.5))).metric(Metric::Custom(Arc::new(Largest)));
        builder
            .task(own)
            .task(Task::regression("elbow").head([Layer::custom(Squash(3))]))
            .penalty(Penalty::custom(Small(1e-3)))
            .standardize()
    };
    let block = || [Layer::dense(5, Activation::Relu), Layer::residual([Layer::custom(Squash(5))])];
    [
        tasks(Model::builder(10).trunk(block())),
        tasks(Model::builder(10).sharing(Sharing::mmoe(2, block()))),
        tasks(Model::builder(10).sharing(Sharing::custom(TwoDeep))),
    ]
}

#[test]
fn models_with_parts_of_ones_own_are_loaded_with_a_registry() -> Result<()> {
    fn check<F: Scalar>() -> Result<()> {
        let data = datasets::robot_arm::<F>(40, 0.05, 1);
        for builder in builders() {
            let mut model = builder.build::<F>()?;
            Trainer::new(Adam::new(0.01)).epochs(2).fit(&mut model, &data)?;
            let bytes = model.to_bytes()?;
            let loaded = Model::<F>::from_bytes_with(&bytes, &registry())?;
            assert_eq!(loaded.to_bytes()?, bytes);
            assert_eq!(loaded.evaluate(&data)?.to_string(), model.evaluate(&data)?.to_string());
            // Its parts are the person's, not placeholders: it learns on, and becomes the other precision.
            let mut both = [model, loaded];
            for model in &mut both {
                Trainer::new(Adam::new(0.01)).epochs(1).fit(model, &data)?;
            }
            assert_eq!(both[0].parameters(), both[1].parameters());
            both[1].cast::<f64>()?;
        }
        Ok(())
    }
    check::<f32>()?;
    check::<f64>()
}

#[test]
fn a_checkpoint_resumes_on_a_model_that_a_registry_made() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("polytask-registry-{}", std::process::id()));
    let data = datasets::robot_arm::<f32>(40, 0.05, 1);
    let trainer = |epochs| Trainer::new(Adam::new(0.01)).epochs(epochs);
    let mut whole = builders()[1].build::<f32>()?;
    trainer(4).fit(&mut whole, &data)?;

    let mut first = builders()[1].build::<f32>()?;
    trainer(2).checkpoint(Checkpoints::new(&folder)).fit(&mut first, &data)?;
    let path = folder.join("start");
    builders()[1].build::<f32>()?.save(&path)?;
    let mut resumed = Model::<f32>::load_with(&path, &registry())?;
    trainer(4).resume_from(&folder).fit(&mut resumed, &data)?;
    assert_eq!(resumed.parameters(), whole.parameters());
    std::fs::remove_dir_all(folder).unwrap();
    Ok(())
}

#[test]
fn estimators_with_a_layer_of_ones_own_are_loaded_with_a_registry() -> Result<()> {
    let x = ndarray::Array2::from_shape_fn((40, 2), |(i, j)| ((i * (j + 3)) % 17) as f32);
    let own = Sharing::shared_trunk([Layer::custom(Squash(4))]);
    let model = MultiTaskRegressor::new().sharing(own).members(2).epochs(2).fit(&x, &x)?;
    let bytes = model.to_bytes()?;
    let loaded = MultiTaskRegressor::from_bytes_with::<f32>(&bytes, &registry())?;
    assert_eq!(loaded.predict(&x)?, model.predict(&x)?);
    let error = MultiTaskRegressor::from_bytes::<f32>(&bytes).unwrap_err().to_string();
    assert!(error.contains("layer of the kind \"squash\""), "{error}");
    Ok(())
}

#[test]
fn what_a_registry_cannot_make_is_an_error_that_says_what_to_do() -> Result<()> {
    let error = |registry: Registry| {
        let bytes = builders()[2].build::<f64>()?.to_bytes()?;
        Ok(Model::<f64>::from_bytes_with(&bytes, &registry).unwrap_err().to_string())
    };
    let full = registry();
    let without = Registry::new().layer("squash", |settings| number(settings).map(Squash));
    let text = error(without.clone())?;
    assert!(text.contains("sharing of the kind \"two_deep\": expected one that is registered"), "{text}");
    assert!(text.contains("register it with Registry::sharing and read the file with Model::load_with"));

    let renamed = without.clone().sharing("three_deep", |_| Ok(TwoDeep));
    let text = error(renamed)?;
    assert!(
        text.contains("expected a registered kind, one of three_deep, found none of that name"),
        "{text}"
    );

    // A kind of another sort is not taken for it.
    let text = error(Registry::new().layer("two_deep", |settings| number(settings).map(Squash)))?;
    assert!(text.contains("sharing of the kind \"two_deep\": expected one that is registered"), "{text}");

    let refuses = full.clone().loss("quartic", |settings| -> Result<Quartic> {
        Err(Error::new(ErrorKind::File, "power", "below 4", settings))
    });
    let text = error(refuses)?;
    assert!(
        text.contains("loss of the kind \"quartic\"") && text.contains("power: expected below 4, found 0.5")
    );

    // A function that does not look at the settings.
    let text = error(full.loss("quartic", |_| Ok(Quartic(0.25))))?;
    let says = "expected a part that is saved as \"quartic\" \"0.5\" again, found \"quartic\" \"0.25\"";
    assert!(text.contains(says), "{text}");
    Ok(())
}

#[test]
fn a_registry_is_known_to_no_file_but_the_one_it_was_given_for() -> Result<()> {
    let bytes = builders()[0].build::<f32>()?.to_bytes()?;
    Model::<f32>::from_bytes_with(&bytes, &registry())?;
    assert!(Model::<f32>::from_bytes(&bytes).is_err());
    // A function that reads a file itself, with kinds of its own, in the middle of another.
    let inner = bytes.clone();
    let nested = registry().layer("squash", move |settings| {
        Model::<f32>::from_bytes_with(&inner, &registry())?;
        assert!(Model::<f32>::from_bytes(&inner).is_err());
        number(settings).map(Squash)
    });
    Model::<f32>::from_bytes_with(&bytes, &nested)?;
    Ok(())
}
