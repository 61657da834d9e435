//! Any bytes as a checkpoint's file, or as the inside of one; what can be resumed takes two steps.
#![no_main]

mod wrapped;

use std::sync::OnceLock;

use polytask::balance::{Balance, Dwa, ExcessMtl, Famo, GradNorm, GradVac, MoCo, Uncertainty};
use polytask::prelude::*;

fn model() -> Model<f32> {
    let builder = Model::builder(10)
        .trunk([Layer::dense(3, Activation::Relu)])
        .task(Task::regression("shoulder"))
        .task(Task::regression("elbow"))
        .standardize();
    builder.build().expect("valid settings")
}

fn data() -> &'static Dataset<f32> {
    static DATA: OnceLock<Dataset<f32>> = OnceLock::new();
    DATA.get_or_init(|| datasets::robot_arm(20, 0.05, 42))
}

fn trainers() -> Vec<Trainer> {
    let trainer = || Trainer::new(Adam::new(0.01)).batch_size(8).steps(8).threads(1);
    vec![
        trainer().balance(GradNorm::new().every(2).smoothed(0.5)),
        trainer().balance(Dwa::new()),
        trainer().balance(GradVac::new()),
        trainer().balance(Famo::new()),
        trainer().balance(Uncertainty::new()),
        trainer().aggregate(MoCo::new()),
        trainer().aggregate(ExcessMtl::new()),
    ]
}

fn files() -> &'static [(Trainer, Vec<u8>)] {
    static FILES: OnceLock<Vec<(Trainer, Vec<u8>)>> = OnceLock::new();
    FILES.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("polytask-fuzz-made-{}", std::process::id()));
        let made = trainers().into_iter().map(|trainer| {
            let mut trained = model();
            let mut run = trainer.start(&trained, data()).expect("a run");
            trained.fit_scaling(data()).expect("data");
            let mut workspace = run.workspace(&trained, None);
            for _ in 0..4 {
                run.step(&mut trained, data(), &mut workspace).expect("a step");
            }
            run.save(&trained, &path).expect("a checkpoint");
            (trainer, std::fs::read(&path).expect("a checkpoint"))
        });
        made.collect()
    })
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((which, rest)) = bytes.split_first() else { return };
    let (trainer, whole) = &files()[usize::from(*which) % files().len()];
    let path = std::env::temp_dir().join(format!("polytask-fuzz-run-{}", std::process::id()));
    std::fs::write(&path, wrapped::inside(rest, || whole.clone())).expect("a file");
    let mut model = model();
    let Ok(mut run) = trainer.resume(&mut model, data(), &path) else { return };
    let mut workspace = run.workspace(&model, None);
    for _ in 0..2 {
        if run.is_finished() || run.step(&mut model, data(), &mut workspace).is_err() {
            return;
        }
    }
});
