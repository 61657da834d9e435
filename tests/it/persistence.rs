//! A model that was saved and loaded is the same model, to the bit; a file that does not fit says all that is wrong.

use std::fs;
use std::path::PathBuf;

use polytask::layer::{
    BatchNorm, Dense, Gated, LayerNorm, ParametricActivation, Periodic, PiecewiseLinear, Scale,
};
use polytask::loss::{ListTarget, Loss};
use polytask::metric::{Average, Gain, Metric};
use polytask::ndarray::Array2;
use polytask::prelude::*;
use polytask::sharing::{AdaTt, DSelectK, MixtureOfExperts, ProgressiveExtraction};
use polytask::{ErrorKind, ModelBuilder, Result, Scalar};

use crate::gradients::table::{behind_stems, mixtures};

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("polytask-persistence-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn activations() -> Vec<Activation> {
    use Activation::*;
    let (slope, alpha) = (0.1 + 0.2, 1.0 / 3.0);
    vec![Identity, Relu, LeakyRelu { slope }, Elu { alpha }, Gelu, Silu, Mish, Selu, Tanh, Sigmoid, Softplus]
}

fn inits() -> Vec<Init> {
    use Init::*;
    let constant = Constant(-0.1);
    vec![
        GlorotUniform,
        GlorotNormal,
        HeUniform,
        HeNormal,
        LeCunUniform,
        LeCunNormal,
        Zeros,
        constant,
        Constant(5e-324),
        Uniform(1.0 / 3.0),
        Normal(0.1),
    ]
}

fn losses() -> Vec<Loss> {
    vec![
        Loss::mean_squared_error(),
        Loss::mean_absolute_error(),
        Loss::huber(0.1 + 0.2),
        Loss::smooth_l1(1e-300),
        Loss::log_cosh(),
        Loss::quantiles([0.1, 0.5, 1.0 - f64::EPSILON]),
        Loss::poisson(),
        Loss::gaussian(),
        Loss::BinaryCrossEntropy { positive_weights: vec![1.0 / 3.0], label_smoothing: 0.0 },
        Loss::binary_focal(),
        Loss::CrossEntropy { classes: 3, class_weights: vec![0.1, 2.0, 0.7], label_smoothing: 0.1 },
        Loss::Focal { classes: 2, class_weights: vec![], gamma: 1.5, label_smoothing: 0.0 },
        Loss::ordinal(4),
        Loss::rank_net(),
        Loss::lambda_rank(),
        Loss::ListNet { target: ListTarget::Proportion },
        Loss::list_net(),
        Loss::list_mle(),
        Loss::approx_ndcg(),
        Loss::BinaryCrossEntropy { positive_weights: vec![], label_smoothing: 0.1 + 0.2 },
        Loss::BinaryFocal { gamma: 2.0, alpha: 0.25, label_smoothing: 1.0 / 3.0 },
        Loss::Focal { classes: 3, class_weights: vec![], gamma: 2.0, label_smoothing: 0.1 },
        Loss::Ordinal { classes: 3, label_smoothing: 0.7 },
    ]
}

fn metrics() -> Vec<Metric> {
    vec![
        Metric::R2,
        Metric::RelativeRootMeanSquaredError { training_mean: vec![0.1 + 0.2] },
        Metric::Pinball { quantile: 0.9 },
        Metric::MaxError,
    ]
}

/// Every layer but the dense one, `width` wide at the end.
fn other_layers(width: usize) -> Vec<Layer> {
    let dense = Layer::dense(width, Activation::Mish);
    vec![
        BatchNorm::new().epsilon(0.1 + 0.2).momentum(1.0 / 3.0).per_part().into(),
        Gated::new(width, Activation::Elu { alpha: 1.0 / 3.0 }).bias_init(Init::Constant(0.1)).into(),
        Layer::dropout(0.1 + 0.2),
        LayerNorm::new().epsilon(0.1 + 0.2).into(),
        ParametricActivation::new(Activation::Selu).init(Init::Constant(1.0 / 3.0)).into(),
        Periodic::new(2, 1).deviation(0.1 + 0.2).into(),
        PiecewiseLinear::with_edges([-1.0 / 3.0, 0.1, 0.1 + 0.2], 1).into(),
        Layer::residual([Layer::residual([Layer::layer_norm()]), dense]),
        Scale::new().init(Init::Constant(0.7)).into(),
    ]
}

/// Every setting that a file can hold; names as people write them.
fn everything(sharing: Sharing) -> ModelBuilder {
    let layers = |width: usize| {
        let kinds = activations().into_iter().zip(inits().into_iter().cycle());
        let dense = kinds.map(move |(activation, init)| {
            Dense::new(width, activation).init(init).bias_init(Init::Constant(0.1)).into()
        });
        other_layers(width).into_iter().chain(dense).collect::<Vec<Layer>>()
    };
    let sharing = match sharing {
        Sharing::Independent(_) => Sharing::independent(layers(3)),
        Sharing::CrossStitch(_) => Sharing::cross_stitch(layers(3)),
        Sharing::DSelectK(_) => DSelectK::new(3, 2, layers(3)).width(0.1 + 0.2).entropy(0.7).into(),
        Sharing::AdaTt(_) => AdaTt::new(2, other_layers(3)).level(1, layers(2)).into(),
        Sharing::SoftSharing(_) => Sharing::soft(0.1 + 0.2, layers(3)),
        Sharing::MixtureOfExperts(_) => MixtureOfExperts::new(2, layers(3)).gate(other_layers(2)).into(),
        Sharing::ProgressiveExtraction(_) => {
            let level = || [Layer::dense(2, Activation::Mish)];
            ProgressiveExtraction::new(1, 1, other_layers(3)).level(2, 1, level()).into()
        }
        Sharing::Stem(_) => Sharing::mmoe(2, layers(3)).with_stem(other_layers(4)),
        _ => Sharing::shared_trunk(layers(5)),
    };
    let mut builder = Model::builder(4).sharing(sharing).seed(u64::MAX).standardize();
    for (k, loss) in losses().into_iter().enumerate() {
        let mut task = Task::new(format!("task {k}, “größe” \"{}\" \\ \n", loss.name()), loss).columns(["a"]);
        if k == 0 {
            task = metrics().into_iter().fold(task, Task::metric).weight(0.1 + 0.2);
        }
        if k % 3 == 0 {
            task = task.head([Layer::dense(2, Activation::Tanh)]);
        }
        builder = builder.task(task);
    }
    builder
        .task(Task::multi_label("two labels", ["b", "c"]).metric(Metric::F1(Average::Macro)))
        .task(Task::binary("clicked").columns(["b"]))
        .task(Task::binary("bought if clicked").without_loss())
        .task(Task::product("bought", ["clicked", "bought if clicked"]).columns(["c"]))
        .task(Task::ranking("rank").columns(["a"]).metric(Metric::Ndcg { k: Some(3), gain: Gain::Linear }))
}

/// Labels 0 and 1 fit every loss.
fn data<F: Scalar>() -> Dataset<F> {
    let features = Array2::from_shape_fn((30, 4), |(i, j)| F::from_f64(((i * 7 + j * 3) % 11) as f64 * 0.3));
    let targets = Array2::from_shape_fn((30, 3), |(i, j)| F::from_f64(((i / (j + 1)) % 2) as f64));
    let data = Dataset::new(features, targets).expect("a table");
    let data = data.with_groups((0..30).map(|row| row / 5).collect::<Vec<_>>()).unwrap();
    data.with_feature_names(["w", "x=red", "y", "z"]).unwrap().with_target_names(["a", "b", "c"]).unwrap()
}

fn bits<F: Scalar>(numbers: impl IntoIterator<Item = F>) -> Vec<u64> {
    numbers.into_iter().map(|x| x.to_f64().to_bits()).collect()
}

fn round_trip<F: Scalar>(sharing: Sharing) -> Result<()> {
    let mut model = everything(sharing).build::<F>()?;
    Trainer::new(Adam::new(1e-3)).batch_size(7).steps(3).fit(&mut model, &data())?;
    model.parameters_mut()[0] = F::from_f64(-0.0);
    // The smallest number above 0 of the type, and one that needs all digits.
    model.parameters_mut()[1] = F::from_f64(if F::NAME == "f32" { 1e-45 } else { 5e-324 });
    model.parameters_mut()[2] = F::from_f64(1.0) / F::from_f64(3.0);

    let folder = folder(&format!("round-trip-{}", F::NAME));
    let path = folder.join("model.safetensors");
    model.save(&path)?;
    let loaded = Model::<F>::load(&path)?;
    assert_eq!(bits(loaded.parameters().iter().copied()), bits(model.parameters().iter().copied()));
    assert_eq!(bits(loaded.state().iter().copied()), bits(model.state().iter().copied()));
    let data = data::<F>();
    let (then, now) = (model.predict(data.features())?, loaded.predict(data.features())?);
    for ((task, then), (_, now)) in then.iter().zip(now.iter()) {
        assert_eq!(bits(then.iter().copied()), bits(now.iter().copied()), "{task}");
    }
    assert_eq!(loaded.names(), Some(&**data.names()));
    assert_eq!(format!("{:?}", model.tasks()), format!("{:?}", loaded.tasks()));
    assert_eq!(format!("{}", model.evaluate(&data)?), format!("{}", loaded.evaluate(&data)?));
    // Nothing was lost that a file holds: the file of the loaded model is the same file.
    assert!(loaded.to_bytes()? == fs::read(&path).unwrap());

    // Training goes on from there as it would have.
    let (mut on, mut on_loaded) = (model.clone(), loaded);
    let trainer = Trainer::new(Adam::new(1e-3)).batch_size(7).steps(5);
    trainer.fit(&mut on, &data)?;
    trainer.fit(&mut on_loaded, &data)?;
    assert_eq!(bits(on.parameters().iter().copied()), bits(on_loaded.parameters().iter().copied()));
    fs::remove_dir_all(folder).unwrap();
    Ok(())
}

#[test]
fn a_loaded_model_is_the_saved_one_to_the_bit() -> Result<()> {
    let none = Vec::<Layer>::new;
    for sharing in [
        Sharing::shared_trunk(none()),
        Sharing::independent(none()),
        Sharing::cross_stitch(none()),
        Sharing::soft(0.0, none()),
        Sharing::dselect_k(0, 0, none()),
        Sharing::adatt(0, none()),
        Sharing::mmoe(0, none()),
        Sharing::cgc(0, 0, none()),
        Sharing::shared_trunk(none()).with_stem(none()),
    ] {
        round_trip::<f32>(sharing.clone())?;
        round_trip::<f64>(sharing)?;
    }
    Ok(())
}

fn small() -> ModelBuilder {
    Model::builder(3)
        .trunk([Layer::dense(4, Activation::Relu), Layer::dense(2, Activation::Tanh)])
        .task(Task::regression("price"))
        .task(Task::classes("kind", 3))
}

#[test]
fn a_mismatch_lists_all_that_is_wrong() -> Result<()> {
    let folder = folder("mismatch");
    let path = folder.join("model.safetensors");
    small().build::<f32>()?.save(&path)?;
    let other = Model::builder(3)
        .trunk([Layer::dense(5, Activation::Relu)])
        .task(Task::regression("price"))
        .task(Task::regression("rent"));
    let mut other = other.build::<f32>()?;
    let before = other.parameters().to_vec();
    let error = other.load_weights(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape);
    let said = error.to_string();
    for part in [
        "model.safetensors, tensors: expected the 6 blocks of the model",
        "missing: head.rent.0.weight f32 [5, 1], head.rent.0.bias f32 [1, 1]",
        "too many: head.kind.0.bias f32 [1, 3], head.kind.0.weight f32 [2, 3], trunk.1.bias f32 [1, 2], \
         trunk.1.weight f32 [4, 2]",
        "misshapen: trunk.0.weight f32 [3, 4] instead of f32 [3, 5], trunk.0.bias f32 [1, 4] instead of f32 [1, 5], \
         head.price.0.weight f32 [2, 1] instead of f32 [5, 1]",
    ] {
        assert!(said.contains(part), "{part}\n in \n{said}");
    }
    assert_eq!(other.parameters(), before);

    // The same shapes are enough.
    let mut twin = small().seed(9).build::<f32>()?;
    twin.load_weights(&path)?;
    assert_eq!(twin.parameters(), Model::<f32>::load(&path)?.parameters());
    fs::remove_dir_all(folder).unwrap();
    Ok(())
}

#[test]
fn the_other_precision_is_refused_and_cast() -> Result<()> {
    let folder = folder("precision");
    let path = folder.join("model.safetensors");
    let mut double = small().standardize().build::<f64>()?;
    let x = Array2::from_shape_fn((20, 3), |(i, j)| (i * 5 + j) as f64 * 0.1);
    let y = Array2::from_shape_fn((20, 2), |(i, j)| (i % (j + 2)) as f64);
    let data = Dataset::new(x, y)?.with_target_names(["price", "kind"])?;
    Trainer::new(Adam::new(0.01)).steps(5).fit(&mut double, &data)?;
    double.save(&path)?;
    let error = Model::<f32>::load(&path).unwrap_err().to_string();
    assert!(
        error.ends_with("precision: expected f32, found f64 (load it as Model::<f64> and cast it)"),
        "{error}"
    );
    assert!(small().build::<f32>()?.load_weights(&path).is_err());

    let single = Model::<f64>::load(&path)?.cast::<f32>()?;
    let x32 = data.features().mapv(|x| x as f32);
    let (a, b) = (double.predict(data.features())?, single.predict(x32.view())?);
    for (task, a) in a.iter() {
        let distance = a.iter().zip(&b[task]).map(|(a, b)| (a - f64::from(*b)).abs()).fold(0.0, f64::max);
        // A hundred roundings of numbers of size 1, each by 6e-8 at most.
        assert!(distance < 6e-6, "{task}: {distance:e}");
    }
    // Upwards nothing is rounded.
    assert_eq!(single.cast::<f64>()?.cast::<f32>()?.parameters(), single.parameters());
    double.parameters_mut()[0] = 1e300;
    let error = double.cast::<f32>().unwrap_err().to_string();
    assert_eq!(error, "trunk.0.weight[0, 0]: expected a finite number, found inf");
    fs::remove_dir_all(folder).unwrap();
    Ok(())
}

/// Predictions of every layer and sharing form in the other precision, there and back.
#[test]
fn every_layer_and_sharing_form_is_cast() -> Result<()> {
    let dense = || Layer::dense(3, Activation::Tanh);
    let layers = other_layers(3).into_iter().map(|layer| Sharing::shared_trunk([dense(), layer]));
    let forms = [Sharing::independent([dense()])];
    let forms = forms.into_iter().chain(mixtures().into_iter().chain(behind_stems()).map(|(_, form)| form));
    for sharing in layers.chain(forms) {
        let builder = Model::builder(4).sharing(sharing.clone()).task(Task::regression("y"));
        let double = builder.task(Task::regression("z")).build::<f64>()?;
        let single = double.cast::<f32>()?;
        assert_eq!(single.cast::<f64>()?.cast::<f32>()?.parameters(), single.parameters());
        let x = Array2::from_shape_fn((9, 4), |(i, j)| ((i * 7 + j * 3) % 11) as f64 * 0.3 - 1.0);
        let (a, b) = (double.predict(x.view())?, single.predict(x.mapv(|x| x as f32).view())?);
        let apart = a["y"].iter().zip(&b["y"]).map(|(a, b)| (a - f64::from(*b)).abs()).fold(0.0, f64::max);
        // As above: a hundred roundings, of numbers of size 1.
        assert!(apart > 0.0 && apart < 6e-6, "{sharing:?}: {apart:e}");
    }
    Ok(())
}

/// A file of a later version, whose layer this one does not know.
#[test]
fn an_unknown_kind_says_which_version_wrote_the_file() -> Result<()> {
    let file = small().build::<f32>()?.to_bytes()?;
    let text = String::from_utf8_lossy(&file).into_owned();
    assert!(text.contains("{\\\"dense\\\""), "{text}");
    let changed: Vec<u8> = {
        // As long as before, so that the lengths in the file stay true.
        let (old, new) = (b"{\\\"dense\\\"", b"{\\\"newer\\\"");
        let at = file.windows(old.len()).position(|window| window == old).expect("it is there");
        [&file[..at], new, &file[at + old.len()..]].concat()
    };
    let error = Model::<f32>::from_bytes(&changed).unwrap_err().to_string();
    for part in ["newer", concat!("written by version ", env!("CARGO_PKG_VERSION"))] {
        assert!(error.contains(part), "{part} in {error}");
    }
    Ok(())
}

/// A layer of one's own that computes what the crate's does.
#[derive(Debug)]
struct MyDense;

impl<F: Scalar> polytask::layer::BuildLayer<F> for MyDense {
    fn build(
        &self,
        context: &mut polytask::layer::BuildContext<'_>,
    ) -> Result<Box<dyn polytask::layer::BuiltLayer<F>>> {
        Dense::new(4, Activation::Tanh).build(context)
    }
}

#[test]
fn what_is_ones_own_must_be_supplied() -> Result<()> {
    let folder = folder("own");
    let path = folder.join("model.safetensors");
    let build = |seed| {
        let builder = Model::builder(3).trunk([Layer::custom(MyDense)]).task(Task::regression("y"));
        builder.seed(seed).build::<f64>()
    };
    let model = build(1)?;
    model.save(&path)?;
    let error = Model::<f64>::load(&path).unwrap_err().to_string();
    let says = "architecture: expected layers, sharing forms, losses and metrics of the crate, found Layer::Custom \
                (build the model as it was built, and take the parameters with load_weights)";
    assert!(error.ends_with(says), "{error}");
    let mut again = build(2)?;
    again.load_weights(&path)?;
    assert_eq!(again.parameters(), model.parameters());
    fs::remove_dir_all(folder).unwrap();
    Ok(())
}

#[test]
fn a_save_that_fails_leaves_the_old_file() -> Result<()> {
    let folder = folder("fails");
    let path = folder.join("model.safetensors");
    let mut model = small().build::<f32>()?;
    model.save(&path)?;
    let old = fs::read(&path).unwrap();
    model.parameters_mut()[3] = f32::NAN;
    let error = model.save(&path).unwrap_err();
    assert_eq!(error.to_string(), "trunk.0.weight[0, 3]: expected a finite number, found NaN");
    assert!(fs::read(&path).unwrap() == old);

    // A folder cannot be replaced by a file; what was written beside it is gone again.
    model.parameters_mut()[3] = 0.0;
    let taken = folder.join("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("inside"), "something").unwrap();
    assert_eq!(model.save(&taken).unwrap_err().kind(), ErrorKind::File);
    assert_eq!(model.save(folder.join("nowhere/model")).unwrap_err().kind(), ErrorKind::File);
    assert_eq!(model.save("..").unwrap_err().kind(), ErrorKind::File);
    let mut left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["model.safetensors", "taken"]);
    fs::remove_dir_all(folder).unwrap();
    Ok(())
}
