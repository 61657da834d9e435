//! Batches allocate nothing once they are set up.

use polytask::data::{Sampler, datasets};

use crate::allocations::count;

#[test]
fn no_batch_allocates() {
    let plain = datasets::robot_arm::<f32>(1_000, 0.05, 1);
    let grouped = datasets::mixed_tasks::<f32>(1_000, 0.4, 1);
    for data in [plain, grouped] {
        let mut sampler = Sampler::shuffled(&data, 32, 7).unwrap();
        let mut rows = 0;
        let allocations = count(|| {
            while sampler.epoch() < 5 {
                rows += sampler.next_batch(&data).n_rows();
            }
        });
        assert_eq!(allocations, 0, "in {rows} rows of a sampler");

        let mut pass = data.batches(32, 7);
        let allocations = count(|| while pass.next_batch().unwrap().is_some() {});
        assert_eq!(allocations, 0, "in one pass");
    }
}
