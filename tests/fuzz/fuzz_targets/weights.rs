//! Any bytes as a file of weights for a model that is there: of this crate's, or a PyTorch state dict.
#![no_main]

mod wrapped;

use std::sync::OnceLock;

use polytask::prelude::*;
use safetensors::tensor::{Dtype, TensorView, serialize};

fn model() -> Model<f32> {
    let builder = Model::builder(3)
        .trunk([Layer::dense(4, Activation::Relu)])
        .task(Task::regression("price"))
        .task(Task::classes("kind", 3))
        .standardize();
    builder.build().expect("valid settings")
}

/// The model's own file, and the same numbers as PyTorch has them: a weight is out × in, a bias a list.
fn files() -> &'static [Vec<u8>; 2] {
    static FILES: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    FILES.get_or_init(|| {
        let own = model().to_bytes().expect("bytes");
        let shapes = [
            ("trunk.0.weight", vec![4, 3]),
            ("trunk.0.bias", vec![4]),
            ("head.price.0.weight", vec![1, 4]),
            ("head.price.0.bias", vec![1]),
            ("head.kind.0.weight", vec![3, 4]),
            ("head.kind.0.bias", vec![3]),
        ];
        let zeros = [0; 4 * 12];
        let views = shapes.map(|(name, shape)| {
            let bytes = &zeros[..4 * shape.iter().product::<usize>()];
            (name, TensorView::new(Dtype::F32, shape, bytes).expect("as many bytes as its shape says"))
        });
        // An empty text: `wrapped` looks for one, and it says that another program wrote the file.
        let text = [("polytask".to_owned(), "{}".to_owned())].into_iter().collect();
        let theirs = serialize(views, Some(text)).expect("bytes");
        let path = std::env::temp_dir().join(format!("polytask-fuzz-made-{}", std::process::id()));
        std::fs::write(&path, &theirs).expect("a file");
        model().load_pytorch(&path, str::to_owned).expect("the file as it is");
        [own, theirs]
    })
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((which, rest)) = bytes.split_first() else { return };
    let which = usize::from(which % 2);
    let path = std::env::temp_dir().join(format!("polytask-fuzz-weights-{}", std::process::id()));
    std::fs::write(&path, wrapped::inside(rest, || files()[which].clone())).expect("a file");
    let mut model = model();
    let before = model.parameters().to_vec();
    let loaded = match which {
        0 => model.load_weights(&path),
        _ => model.load_pytorch(&path, str::to_owned),
    };
    match loaded {
        Ok(()) => assert!(model.parameters().iter().all(|x| x.is_finite())),
        Err(_) => assert_eq!(model.parameters(), before, "a failure changes nothing"),
    }
});
