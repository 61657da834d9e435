//! Checkpoints of every optimiser, which of them are kept, and the errors when they do not fit.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use polytask::ndarray::{Array2, s};
use polytask::optim::{LazyAdam, ParameterGroups, Plateau, Rule};
use polytask::prelude::*;
use polytask::train::callback::{EarlyStopping, FreezeConverged, ReduceOnPlateau, TaskSchedule, each_step};
use polytask::train::{Checkpoints, History};
use polytask::{ErrorKind, Result, Scalar};

use crate::gradients::table::{behind_stems, each_layer, mixtures};

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("polytask-checkpoints-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn build<F: Scalar>() -> Model<F> {
    let builder = Model::builder(10)
        .trunk([Layer::dense(12, Activation::Silu)])
        .task(Task::regression("shoulder"))
        .task(Task::regression("elbow").weight(0.5))
        .standardize();
    builder.build().expect("valid settings")
}

fn arm<F: Scalar>() -> Dataset<F> {
    datasets::robot_arm(150, 0.05, 42)
}

/// A batch of 32 of 150 rows: an epoch is 5 steps.
fn trainer(rule: impl Rule + 'static) -> Trainer {
    Trainer::new(rule).batch_size(32).seed(3).steps(13)
}

fn bits<F: Scalar>(model: &Model<F>, history: &History) -> Vec<u64> {
    let theta = model.parameters().iter().map(|x| x.to_f64().to_bits());
    let losses =
        history.losses().into_iter().chain(history.weights()).copied().map(f64::to_bits).collect::<Vec<_>>();
    let validations =
        history.validations().iter().flat_map(|v| v.losses.iter().map(|x| x.map_or(0, f64::to_bits)));
    theta.chain(losses).chain(validations).collect()
}

/// Trains straight through with a checkpoint after every step; then goes on from each of them with fresh objects.
fn goes_on<F: Scalar>(name: &str, trainer: &Trainer, data: &Dataset<F>) -> Result<()> {
    let folder = folder(name);
    let validation = arm::<F>();
    let mut straight = build::<F>();
    let kept = trainer.clone().checkpoint(Checkpoints::new(&folder).every_steps(1).keep_last(100));
    let history = kept.fit_validated(&mut straight, data, &validation)?;
    let straight = bits(&straight, &history);
    assert_eq!(history.validations().len(), 2);
    for step in 1..=history.n_steps() {
        let only = folder.join(format!("from-{step}"));
        fs::create_dir(&only).unwrap();
        let file = format!("step-{step:012}.safetensors");
        fs::copy(folder.join(&file), only.join(&file)).unwrap();
        let mut resumed = build::<F>();
        let resuming = trainer.clone().resume_from(&only).threads(2);
        let history = resuming.fit_validated(&mut resumed, data, &validation)?;
        assert!(bits(&resumed, &history) == straight, "{trainer:?} after {step} steps");
    }
    fs::remove_dir_all(folder).unwrap();
    Ok(())
}

#[test]
fn every_optimiser_goes_on_bit_for_bit() -> Result<()> {
    let rules = [
        trainer(Adam::new(0.01)),
        trainer(Adam::new(0.01).epsilon_hat()),
        trainer(AdamW::new(0.01).weight_decay(0.1)),
        trainer(LazyAdam::new(0.01).weight_decay(0.1)),
        trainer(Sgd::new(0.05)),
        trainer(Sgd::new(0.05).momentum(0.9)),
        trainer(Sgd::new(0.05).nesterov(0.9)),
        trainer(Adam::new(0.01)).schedule(Schedule::cosine(10, 0.1).warm_up(4)).clip_norm(0.5),
        trainer(Adam::new(0.01)).schedule(Schedule::one_cycle(13)),
        trainer(Adam::new(0.01)).in_order(),
        trainer(AdamW::new(0.01).weight_decay(0.1))
            .parameter_groups(ParameterGroups::new().no_decay_of_biases().rate("head.elbow.*", 0.25)),
        trainer(Adam::new(0.01)).epochs(2),
    ];
    for (i, trainer) in rules.iter().enumerate() {
        goes_on::<f32>(&format!("single-{i}"), trainer, &arm())?;
    }
    goes_on::<f64>("double", &rules[0], &arm())?;
    let groups = (0..150).map(|row| row / 7).collect();
    goes_on::<f64>("groups", &rules[0], &arm().with_groups(groups)?)
}

/// Each layer and sharing form, killed after three of seven steps.
#[test]
fn every_layer_and_sharing_form_goes_on_bit_for_bit() -> Result<()> {
    let dense = || Layer::dense(4, Activation::Tanh);
    let layers =
        each_layer().into_iter().map(|(name, layer)| (name, Sharing::shared_trunk([dense(), layer])));
    let forms = [("Independent", Sharing::independent([dense()]))].into_iter().chain(mixtures());
    let (data, folder) = (arm::<f32>(), folder("parts"));
    let indexed = |form: Sharing| form.with_stem([Layer::embedding([(0, 9)], 3)]);
    let embedded = [
        ("Embedding", indexed(Sharing::shared_trunk([dense()]))),
        ("Embedding before CGC", indexed(Sharing::cgc(1, 1, [dense()]))),
    ];
    for (name, sharing) in layers.chain(forms).chain(behind_stems()).chain(embedded) {
        let mut data = data.clone();
        if name.starts_with("Embedding") {
            let mut x = data.features().to_owned();
            x.column_mut(0).iter_mut().enumerate().for_each(|(i, x)| *x = (i % 10) as f32);
            data = Dataset::new(x, data.targets().to_owned())?.with_target_names(["shoulder", "elbow"])?;
            data = data.with_index_columns([("x0", 9)])?;
        }
        let builder = Model::builder(10).sharing(sharing).task(Task::regression("shoulder"));
        let builder = builder.task(Task::regression("elbow").weight(0.5)).standardize();
        let (mut straight, mut killed) = (builder.build::<f32>()?, builder.build::<f32>()?);
        let mut resumed = builder.build::<f32>()?;
        resumed.parameters_mut().fill(0.5);
        let trainer = trainer(Adam::new(0.01)).steps(7);
        let history = trainer.fit(&mut straight, &data)?;
        let kept = trainer.checkpoint(Checkpoints::new(&folder)).resume_from(&folder);
        kept.clone().steps(3).fit(&mut killed, &data)?;
        let resumed_history = kept.fit(&mut resumed, &data)?;
        assert!(bits(&resumed, &resumed_history) == bits(&straight, &history), "{name}");
        assert!(resumed.state() == straight.state(), "{name}");
        fs::remove_dir_all(&folder).unwrap();
    }
    Ok(())
}

#[test]
fn every_callback_goes_on_bit_for_bit() -> Result<()> {
    // At every validation: no improvement is large enough for any of them.
    let settings = [
        trainer(Adam::new(0.01)).callback(EarlyStopping::new().patience(100)),
        trainer(Adam::new(0.01))
            .callback(ReduceOnPlateau::new(Plateau::new().factor(0.5).patience(0).threshold(0.9))),
        trainer(Adam::new(0.01)).callback(FreezeConverged::new().patience(1).min_delta(1e9)),
        trainer(Adam::new(0.01)).callback(TaskSchedule::new("elbow", Schedule::exponential(0.9))),
        trainer(Adam::new(0.01)).batch_size(16).accumulate(2),
    ];
    let plain = {
        let mut model = build::<f32>();
        trainer(Adam::new(0.01)).fit_validated(&mut model, &arm(), &arm())?;
        model
    };
    for (i, trainer) in settings.iter().enumerate() {
        goes_on::<f32>(&format!("callback-{i}"), trainer, &arm())?;
        let mut model = build::<f32>();
        trainer.fit_validated(&mut model, &arm(), &arm())?;
        assert_ne!(model.parameters(), plain.parameters(), "{trainer:?} does something");
    }
    Ok(())
}

#[test]
fn a_scale_of_the_learning_rate_goes_on() -> Result<()> {
    let folder = folder("scale");
    let path = folder.join("run.safetensors");
    fs::create_dir(&folder).unwrap();
    let (data, trainer) = (arm::<f32>(), trainer(Sgd::new(0.01)));
    let mut model = build::<f32>();
    model.fit_scaling(&data)?;
    let mut run = trainer.start(&model, &data)?;
    let mut workspace = run.workspace(&model, None);
    run.step(&mut model, &data, &mut workspace)?;
    run.optimizer_mut().scale_learning_rate(0.3);
    run.save(&model, &path)?;
    let resumed = trainer.resume(&mut build::<f32>(), &data, &path)?;
    assert_eq!(resumed.optimizer().learning_rate(), 0.3 * 0.01);
    // A checkpoint is a model too.
    assert_eq!(Model::<f32>::load(&path)?.parameters(), model.parameters());
    fs::remove_dir_all(folder).unwrap();
    Ok(())
}

/// The files in a folder, but for the mark that a training is, or was, at work there.
fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name != ".lock").collect();
    names.sort();
    names
}

#[test]
fn the_last_and_the_best_are_kept() -> Result<()> {
    let folder = folder("kept");
    let (data, validation) = (arm::<f32>(), datasets::robot_arm(100, 0.05, 7));
    let trainer = trainer(Sgd::new(0.9).momentum(0.9)).epochs(6).clip_norm(3.0);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("step-000000000003.safetensors.17-0.unfinished"), "half").unwrap();
    fs::write(folder.join("notes.txt"), "mine").unwrap();
    let mut model = build::<f32>();
    let kept = trainer.checkpoint(Checkpoints::new(&folder).keep_last(2).keep_best());
    let history = kept.fit_validated(&mut model, &data, &validation)?;
    assert_eq!(
        files(&folder),
        ["best.safetensors", "notes.txt", "step-000000000025.safetensors", "step-000000000030.safetensors"]
    );
    let totals: Vec<f64> = history.validations().iter().map(|v| v.total.expect("labels")).collect();
    let least = totals.iter().copied().fold(f64::INFINITY, f64::min);
    // A learning rate this large makes the best epoch another than the last.
    assert!(least < totals[5], "{totals:?}");
    let best = Model::<f32>::load(folder.join("best.safetensors"))?.evaluate(&validation)?;
    let found = best["shoulder"].loss + 0.5 * best["elbow"].loss;
    // The same losses, on one thread or several, in f64 sums of f32 rows.
    assert!((found - least).abs() < 1e-6 * least, "{found} and {least}");
    assert_eq!(
        Model::<f32>::load(folder.join("step-000000000030.safetensors"))?.parameters(),
        model.parameters()
    );
    fs::remove_dir_all(folder).unwrap();
    Ok(())
}

/// The files in a folder with what is in them.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    files(folder).into_iter().map(|name| (name.clone(), fs::read(folder.join(name)).unwrap())).collect()
}

#[test]
fn a_folder_of_another_training_is_refused_and_stays() -> Result<()> {
    let folder = folder("another");
    let (data, keep) = (arm::<f32>(), || Checkpoints::new(&folder).every_steps(1).keep_last(2));
    let first = trainer(Adam::new(0.01)).steps(9).checkpoint(keep());
    first.fit(&mut build::<f32>(), &data)?;
    let before = contents(&folder);
    assert_eq!(files(&folder), ["step-000000000008.safetensors", "step-000000000009.safetensors"]);
    // Its checkpoints of steps 1, 2, … are older than those that are there.
    let other = trainer(Sgd::new(0.01)).checkpoint(keep());
    let elsewhere = folder.join("elsewhere");
    let says = "expected a folder without checkpoints of another training, found `step-000000000008.safetensors` \
                (Trainer::resume_from this folder goes on with that training; for a new one choose another folder, or \
                remove the files)";
    for trainer in [first.clone(), other.clone(), other.clone().resume_from(&elsewhere)] {
        let mut model = build::<f32>();
        let error = trainer.fit(&mut model, &data).unwrap_err().to_string();
        assert!(error.ends_with(says), "{error}");
        assert_eq!(model.parameters(), build::<f32>().parameters());
    }
    // Resumed with other settings it is an error that names them.
    let error = other.resume_from(&folder).fit(&mut build::<f32>(), &data).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Setting);
    assert!(contents(&folder) == before);

    // Resumed it is the same training, by whatever name the folder is called.
    let same = folder.join("..").join(folder.file_name().unwrap());
    let history = first.resume_from(same).steps(10).fit(&mut build::<f32>(), &data)?;
    assert_eq!(history.n_steps(), 10);
    assert_eq!(files(&folder), ["step-000000000009.safetensors", "step-000000000010.safetensors"]);

    // The best of another training is one of its files too.
    for step in [9, 10] {
        fs::remove_file(folder.join(format!("step-{step:012}.safetensors"))).unwrap();
    }
    build::<f32>().save(folder.join("best.safetensors"))?;
    let kept = trainer(Adam::new(0.01)).checkpoint(keep().keep_best());
    let error = kept.fit_validated(&mut build::<f32>(), &data, &data).unwrap_err().to_string();
    assert!(error.contains("found `best.safetensors`"), "{error}");
    fs::remove_dir_all(folder).unwrap();
    Ok(())
}

#[test]
fn two_trainings_at_once_have_not_the_same_folder() -> Result<()> {
    let folder = folder("at-once");
    let data = arm::<f32>();
    let keep = Checkpoints::new(&folder).every_steps(1).keep_last(2);
    // Another training begins while this one takes its steps, the first before anything is saved.
    let others = {
        let (data, keep, folder) = (data.clone(), keep.clone(), folder.clone());
        each_step(move |at| {
            let other = trainer(Sgd::new(0.01)).steps(20).checkpoint(keep.clone());
            for other in [other.clone(), other.resume_from(&folder)] {
                let before = contents(&folder);
                let error = other.fit(&mut build::<f32>(), &data).unwrap_err().to_string();
                let says = "expected a folder for this training alone, found one that another training saves to \
                            (give every training its own)";
                assert!(error.ends_with(says), "step {}: {error}", at.step);
                assert!(contents(&folder) == before);
            }
            ControlFlow::Continue(())
        })
    };
    let trainer = trainer(Adam::new(0.01));
    let (mut alone, mut model) = (build::<f32>(), build::<f32>());
    trainer.fit(&mut alone, &data)?;
    trainer.clone().checkpoint(keep.clone()).callback(others).fit(&mut model, &data)?;
    assert_eq!(model.parameters(), alone.parameters());
    assert_eq!(files(&folder), ["step-000000000012.safetensors", "step-000000000013.safetensors"]);

    // Nobody is at work there any more, also after one that ended with an error.
    for file in files(&folder) {
        fs::remove_file(folder.join(file)).unwrap();
    }
    trainer.clone().batch_size(0).checkpoint(keep.clone()).fit(&mut build::<f32>(), &data).unwrap_err();
    trainer.checkpoint(keep).fit(&mut build::<f32>(), &data)?;
    fs::remove_dir_all(folder).unwrap();
    Ok(())
}

#[test]
fn a_persons_own_files_are_not_removed() -> Result<()> {
    let folder = folder("own-files");
    let data = arm::<f32>();
    let kept = trainer(Adam::new(0.01)).checkpoint(Checkpoints::new(&folder).every_steps(1).keep_last(1));
    let kept = kept.resume_from(&folder);
    kept.clone().steps(3).fit(&mut build::<f32>(), &data)?;
    // A copy of a checkpoint under a shorter name, and what looks like a file that is being written.
    fs::copy(folder.join("step-000000000003.safetensors"), folder.join("step-3.safetensors")).unwrap();
    let own = [
        "step-3.safetensors",
        "step-by-step.unfinished",
        "best.unfinished",
        "step-4.safetensors.1-1.unfinished",
    ];
    own[1..].iter().for_each(|name| fs::write(folder.join(name), "mine").unwrap());
    let never = ["best.safetensors.17-0.unfinished", "step-000000000002.safetensors.17-1.unfinished"];
    never.iter().for_each(|name| fs::write(folder.join(name), "half").unwrap());
    kept.fit(&mut build::<f32>(), &data)?;
    let mut expected = own.to_vec();
    expected.push("step-000000000013.safetensors");
    expected.sort_unstable();
    assert_eq!(files(&folder), expected);
    fs::remove_dir_all(folder).unwrap();
    Ok(())
}

/// The file with the `at`-th number of a tensor changed.
fn changed(bytes: &[u8], tensor: &str, at: usize, number: &[u8]) -> Vec<u8> {
    let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
    let data = file.tensor(tensor).unwrap().data();
    let start = data.as_ptr() as usize - bytes.as_ptr() as usize + at * number.len();
    let mut bytes = bytes.to_vec();
    bytes[start..start + number.len()].copy_from_slice(number);
    bytes
}

/// Numbers that no training leaves behind, and that would be noticed only later, or never.
#[test]
fn numbers_that_cannot_be_are_refused_when_they_are_read() -> Result<()> {
    let folder = folder("numbers");
    fs::create_dir(&folder).unwrap();
    let path = folder.join("run.safetensors");
    let data = arm::<f32>();
    let trainer = trainer(Adam::new(0.01))
        .callback(EarlyStopping::new())
        .checkpoint(Checkpoints::new(folder.join("kept")).every_steps(6).keep_last(5));
    trainer.fit_validated(&mut build::<f32>(), &data, &data)?;
    let whole = fs::read(folder.join("kept/step-000000000006.safetensors")).unwrap();
    let resume = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let mut model = build::<f32>();
        let resumed = trainer.resume(&mut model, &data, &path).map(|_| ());
        assert!(resumed.is_ok() || model.parameters() == build::<f32>().parameters());
        resumed
    };
    resume(&whole)?;
    // One of θ, of state or of a moment in f32; factors of two tasks, whether they are frozen, and of the rate in f64.
    let single = |tensor: &str, number: f32| changed(&whole, tensor, 3, &number.to_le_bytes());
    let control = |at: usize, number: f64| changed(&whole, "run.controls", at, &number.to_le_bytes());
    let scale = {
        let (from, to) = (r#"\"learning_rate_scale\":1.0"#, r#"\"learning_rate_scale\":1e308"#);
        let at = whole.windows(from.len()).position(|text| text == from.as_bytes());
        let at = at.expect("the scale is in the header");
        let mut bytes = [&whole[..at], to.as_bytes(), &whole[at + from.len()..]].concat();
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) + (to.len() - from.len()) as u64;
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        bytes
    };
    for (bytes, says) in [
        (scale, "learning rate times its factor: expected a finite f32, found"),
        (control(4, 1e308), "learning rate times its factor: expected a finite f32, found"),
        (control(1, 1e308), "weight of a task times its factor: expected a finite f32, found 5e307"),
        (control(4, -1.0), "a factor of the learning rate above 0, found -1"),
        (
            single("run.optimizer.1", -1.0),
            "adam, moment 1[3]: expected a finite number, at least 0, found -1",
        ),
        (single("run.optimizer.0", f32::NAN), "adam, moment 0[3]: expected a finite number, found NaN"),
        (
            single("run.kept", f32::NAN),
            "kept parameters and state, number 3: expected a finite number, found NaN",
        ),
    ] {
        let error = resume(&bytes).expect_err(says).to_string();
        assert!(error.contains(says), "{error}");
    }
    fs::remove_dir_all(folder).unwrap();
    Ok(())
}

#[test]
fn the_newest_that_is_whole_is_taken_up() -> Result<()> {
    let folder = folder("newest");
    let data = arm::<f32>();
    let kept =
        trainer(Adam::new(0.01)).checkpoint(Checkpoints::new(&folder).every_steps(4)).resume_from(&folder);
    let mut straight = build::<f32>();
    kept.fit(&mut straight, &data)?;
    assert_eq!(files(&folder).len(), 3);
    // Run again, there is nothing left to do.
    let mut again = build::<f32>();
    assert_eq!(kept.fit(&mut again, &data)?.n_steps(), 13);
    assert_eq!(again.parameters(), straight.parameters());
    // The last is cut off; the one before is not, and leads to the same end.
    let last = folder.join("step-000000000013.safetensors");
    let bytes = fs::read(&last).unwrap();
    for length in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&last, &bytes[..length]).unwrap();
        let mut resumed = build::<f32>();
        kept.fit(&mut resumed, &data)?;
        assert_eq!(resumed.parameters(), straight.parameters());
    }
    // A longer training than was planned goes on from the end.
    let mut longer = build::<f32>();
    let history = kept.clone().steps(20).fit(&mut longer, &data)?;
    let mut straight = build::<f32>();
    let expected = trainer(Adam::new(0.01)).steps(20).fit(&mut straight, &data)?;
    assert!(bits(&longer, &history) == bits(&straight, &expected));
    // Where none is whole it is an error: starting again would overwrite what may be mended.
    for file in files(&folder) {
        fs::write(folder.join(file), "nothing").unwrap();
    }
    assert_eq!(kept.fit(&mut build::<f32>(), &data).unwrap_err().kind(), ErrorKind::File);
    fs::remove_dir_all(folder).unwrap();
    Ok(())
}

#[test]
fn what_does_not_fit_is_named() -> Result<()> {
    let folder = folder("fit");
    let data = arm::<f32>();
    trainer(Adam::new(0.01))
        .steps(3)
        .checkpoint(Checkpoints::new(&folder))
        .fit(&mut build::<f32>(), &data)?;
    let path = folder.join("step-000000000003.safetensors");
    let said = |trainer: Trainer, data: &Dataset<f32>| {
        let mut model = build::<f32>();
        let before = model.parameters().to_vec();
        let error = trainer.resume(&mut model, data, &path).unwrap_err().to_string();
        assert_eq!(model.parameters(), before);
        error.split(".safetensors, ").nth(1).expect("the file's name").to_owned()
    };
    let adam = || trainer(Adam::new(0.01));
    let advice = "(to go on with other settings, load the model and fit it)";
    let rates = "goes on with the new one; to begin anew with it, load the model and fit it)";
    for (trainer, says) in [
        (trainer(Adam::new(0.02)), "adam, learning_rate: expected 0.01, as it was, found 0.02"),
        (trainer(Sgd::new(0.01)), "adam, beta1: expected 0.9, as it was, found nothing"),
        (adam().batch_size(31), "batch size: expected 32, as it was, found 31"),
        (adam().seed(4), "seed: expected 3, as it was, found 4"),
        (adam().in_order(), "shuffles: expected true, as it was, found false"),
        (adam().clip_norm(1.0), "largest norm: expected None, as it was, found Some(1.0)"),
        (
            adam().balance(polytask::balance::Equal::sum()),
            "balance: expected Fixed, as it was, found Balance(Equal",
        ),
    ] {
        let error = said(trainer, &data);
        let is_rate = says.contains("learning_rate") || says.contains("largest norm");
        let advice = if is_rate { rates } else { advice };
        assert!(error.starts_with(says) && error.ends_with(advice), "{error}");
    }
    let fewer = Dataset::new(
        data.features().slice(s![..149, ..]).to_owned(),
        data.targets().slice(s![..149, ..]).to_owned(),
    )?
    .with_target_names(["shoulder", "elbow"])?;
    assert!(said(adam(), &fewer).starts_with("rows of the data: expected 150, as it was, found 149"));

    let mut other = Model::builder(10)
        .trunk([Layer::dense(12, Activation::Relu)])
        .task(Task::regression("shoulder"))
        .task(Task::regression("elbow").weight(0.5))
        .standardize()
        .build::<f32>()?;
    let error = adam().resume(&mut other, &data, &path).unwrap_err().to_string();
    assert!(error.contains("architecture: expected that of the model, found {\"n_features\":10"), "{error}");
    let mut double = build::<f64>();
    assert!(adam().resume(&mut double, &arm::<f64>(), &path).is_err());

    let model = folder.join("model.safetensors");
    build::<f32>().save(&model)?;
    let error = adam().resume(&mut build::<f32>(), &data, &model).unwrap_err().to_string();
    assert!(error.ends_with("found a model alone (load the model and fit it)"), "{error}");
    for checkpoints in [Checkpoints::new(&folder).every_steps(0), Checkpoints::new(&folder).keep_last(0)] {
        let error = adam().checkpoint(checkpoints).fit(&mut build::<f32>(), &data).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Setting);
    }
    // Predictions come from rows of 10 numbers.
    assert!(Model::<f32>::load(&path)?.predict(Array2::zeros((2, 10)).view()).is_ok());
    fs::remove_dir_all(folder).unwrap();
    Ok(())
}
