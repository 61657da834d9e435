//! Promises of tables, batches, splits, folds, standardisation and the built-in problems.

use std::collections::BTreeSet;

use approx::{assert_abs_diff_eq, assert_relative_eq};
use polytask::Scalar;
use polytask::data::{Dataset, Fold, Sampler, Standardizer, datasets};
use polytask::ndarray::{Array1, Array2, array};

/// Row i has the feature i.
fn counting(n: usize) -> Dataset<f64> {
    let features: Vec<f64> = (0..n).map(|i| i as f64).collect();
    Dataset::from_slices(&features, 1, &features, 1).unwrap()
}

/// The rows of all batches of one pass.
fn one_pass(data: &Dataset<f64>, batch_size: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut passed = vec![];
    let mut batches = data.batches(batch_size, seed);
    while let Some(batch) = batches.next_batch().unwrap() {
        passed.push(batch.rows.to_vec());
    }
    passed
}

#[test]
fn a_table_is_row_major_whatever_it_was_made_of() {
    let columns_first = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]].reversed_axes();
    let data = Dataset::new(columns_first, Array2::zeros((3, 0))).unwrap();
    assert_eq!(data.feature_row(1), [2.0, 5.0]);
    assert_eq!(data.features().as_slice().unwrap(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);

    let every_second = array![[1.0], [0.0], [2.0], [0.0]].slice_move(polytask::ndarray::s![..;2, ..]);
    let weights = Array1::from_vec(vec![0.5, 9.0, 1.5, 9.0]).slice_move(polytask::ndarray::s![..;2]);
    let data = Dataset::new(every_second, array![[3.0], [4.0]]).unwrap().with_weights(weights).unwrap();
    assert_eq!(data.feature_row(1), [2.0]);
    assert_eq!(data.weights().unwrap().to_slice().unwrap(), [0.5, 1.5]);
}

#[test]
fn parts_of_a_table_keep_all_that_belongs_to_a_row() {
    let data = Dataset::new(array![[0.0], [1.0], [2.0]], array![[f64::NAN], [10.0], [20.0]])
        .unwrap()
        .with_feature_names(["x"])
        .unwrap()
        .with_weights(array![0.0, 0.1, 0.2])
        .unwrap()
        .with_groups(vec![7, 8, 9])
        .unwrap();
    let part = data.select(&[2, 1, 2]);
    assert_eq!(part.features(), array![[2.0], [1.0], [2.0]]);
    assert_eq!(part.targets(), array![[20.0], [10.0], [20.0]]);
    assert_eq!(part.weights().unwrap(), array![0.2, 0.1, 0.2]);
    assert_eq!(part.groups().unwrap(), [9, 8, 9]);
    assert!(std::sync::Arc::ptr_eq(part.names(), data.names()));

    let narrow: Dataset<f32> = data.cast().unwrap();
    assert!(narrow.targets()[[0, 0]].is_nan());
    assert_eq!(narrow.targets()[[2, 0]], 20.0_f32);
    assert_eq!(narrow.weights().unwrap()[1], 0.1_f32);
    assert_eq!(narrow.groups(), data.groups());
    assert_eq!(narrow.feature_names(), ["x"]);
    assert_eq!(data.all().rows, [0, 1, 2]);
    assert_eq!(data.batch(&[1, 1]).n_rows(), 2);
}

#[test]
fn one_pass_has_every_row_once_in_batches_of_the_size_asked_for() {
    for (n, batch_size) in [(1, 1), (10, 3), (9, 3), (5, 5), (5, 100), (5, usize::MAX)] {
        let batches = one_pass(&counting(n), batch_size, 1);
        let (last, full) = batches.split_last().unwrap();
        assert!(full.iter().all(|rows| rows.len() == batch_size), "{n} rows by {batch_size}");
        assert_eq!(last.len(), n - full.len() * batch_size.min(n));
        let mut rows = batches.concat();
        rows.sort_unstable();
        assert_eq!(rows, (0..n).collect::<Vec<_>>(), "{n} rows by {batch_size}");
    }
}

#[test]
fn the_order_is_that_of_the_seed() {
    let data = counting(12);
    assert_eq!(one_pass(&data, 5, 42), one_pass(&data, 5, 42));
    assert_ne!(one_pass(&data, 5, 42), one_pass(&data, 5, 43));
    // The order of a seed is a promise: a change breaks every recorded run.
    assert_eq!(one_pass(&data, 12, 42), [[7, 11, 0, 3, 9, 6, 1, 2, 5, 4, 10, 8]]);
    assert_eq!(one_pass(&data, 12, 42).concat(), one_pass(&data, 5, 42).concat());
}

/// All 24 orders of four rows, over many epochs.
#[test]
fn every_order_is_equally_likely() {
    let data = counting(4);
    let mut sampler = Sampler::shuffled(&data, 4, 5).unwrap();
    let mut counts = std::collections::BTreeMap::<Vec<usize>, u32>::new();
    for _ in 0..24_000 {
        *counts.entry(sampler.next_batch(&data).rows.to_vec()).or_default() += 1;
    }
    assert_eq!(counts.len(), 24);
    // χ² with 23 degrees of freedom: mean 23, and above 60 once in 30 000 seeds.
    let chi_squared: f64 = counts.values().map(|&count| (f64::from(count) - 1000.0).powi(2) / 1000.0).sum();
    assert!(chi_squared < 60.0, "χ² = {chi_squared}");
}

#[test]
fn three_integers_restore_a_sampler_anywhere() {
    let grouped = counting(10).with_groups(vec![1, 1, 2, 2, 2, 3, 4, 4, 5, 5]).unwrap();
    for data in [counting(10), grouped] {
        let mut sampler = Sampler::shuffled(&data, 4, 99).unwrap();
        for _ in 0..40 {
            let (seed, epoch, position) = (sampler.seed(), sampler.epoch(), sampler.position());
            let mut restored = Sampler::shuffled(&data, 4, seed).unwrap();
            restored.seek(epoch, position).unwrap();
            for _ in 0..3 {
                assert_eq!(restored.next_batch(&data).rows, sampler.next_batch(&data).rows);
            }
        }
        assert!(sampler.epoch() > 20);
    }
}

#[test]
fn every_epoch_has_an_order_of_its_own() {
    let data = counting(20);
    let mut sampler = Sampler::shuffled(&data, 20, 3).unwrap();
    let orders: BTreeSet<Vec<usize>> = (0..50).map(|_| sampler.next_batch(&data).rows.to_vec()).collect();
    assert_eq!(orders.len(), 50);
    assert_eq!(sampler.epoch(), 49);
    assert!(sampler.epoch_finished());
}

/// Where the rows divide evenly, step s uses the rows from (s · batch size) mod n on.
#[test]
fn batches_in_order_walk_round_the_table() {
    let data = counting(12);
    let mut sampler = Sampler::in_order(&data, 4).unwrap();
    for step in 0..10 {
        let start = (step * 4) % 12;
        assert_eq!(sampler.next_batch(&data).rows, (start..start + 4).collect::<Vec<_>>());
    }
    let mut batches = data.batches_in_order(5);
    let mut rows = vec![];
    while let Some(batch) = batches.next_batch().unwrap() {
        rows.push(batch.rows.to_vec());
    }
    assert_eq!(rows, [vec![0, 1, 2, 3, 4], vec![5, 6, 7, 8, 9], vec![10, 11]]);
}

#[test]
fn a_batch_holds_whole_groups() {
    // Rows of a group need not stand together in the table.
    let groups: Vec<u64> = (0..60_u64).map(|row| row * row % 17).collect();
    let data = counting(60).with_groups(groups.clone()).unwrap();
    let largest = 8;
    let batches = one_pass(&data, largest, 4);
    let mut seen = BTreeSet::new();
    for rows in &batches {
        assert!(rows.len() <= largest);
        for run in rows.chunk_by(|&a, &b| groups[a] == groups[b]) {
            let group = groups[run[0]];
            let members: Vec<usize> = (0..60).filter(|&row| groups[row] == group).collect();
            assert_eq!(run, members, "a group in one piece");
            assert!(seen.insert(group), "group {group} once");
        }
    }
    // No batch could have taken the first group of the next.
    for pair in batches.windows(2) {
        let next = groups[pair[1][0]];
        let size = groups.iter().filter(|&&group| group == next).count();
        assert!(pair[0].len() + size > largest);
    }
    assert_ne!(one_pass(&data, largest, 4), one_pass(&data, largest, 5));
}

#[test]
fn a_split_has_the_share_asked_for_and_loses_no_row() {
    for (n, share, first) in
        [(2, 0.5, 1), (10, 0.8, 8), (10, 0.01, 1), (10, 0.99, 9), (7, 0.5, 4), (4000, 0.8, 3200)]
    {
        let (train, test) = counting(n).split(share, 42).unwrap();
        assert_eq!((train.n_rows(), test.n_rows()), (first, n - first), "{share} of {n}");
        let mut rows: Vec<f64> = train.features().iter().chain(test.features().iter()).copied().collect();
        rows.sort_by(f64::total_cmp);
        assert_eq!(rows, counting(n).features().iter().copied().collect::<Vec<_>>());
    }
    let first = |seed| counting(100).split(0.3, seed).unwrap().0.features().to_owned();
    assert_eq!(first(1), first(1));
    assert_ne!(first(1), first(2));
}

#[test]
fn a_split_keeps_groups_whole() {
    let groups: Vec<u64> = (0..100).map(|row| row / 5).collect();
    let (train, test) = counting(100).with_groups(groups).unwrap().split(0.73, 1).unwrap();
    assert_eq!(train.n_rows(), 75);
    let of = |part: &Dataset<f64>| part.groups().unwrap().iter().copied().collect::<BTreeSet<_>>();
    assert!(of(&train).is_disjoint(&of(&test)));
}

#[test]
fn a_split_in_three_loses_no_row_and_keeps_groups_whole() {
    for n in [3, 4, 10, 101] {
        for shares in [[0.6, 0.2], [0.01, 0.01], [0.98, 0.01]] {
            let (a, b, c) = counting(n).split_three(shares, 9).unwrap();
            let mut rows: Vec<f64> =
                [&a, &b, &c].iter().flat_map(|part| part.features().column(0).to_vec()).collect();
            rows.sort_by(f64::total_cmp);
            assert_eq!(rows, counting(n).features().column(0).to_vec(), "{n} rows, {shares:?}");
        }
    }
    let grouped = counting(60).with_groups((0..60).map(|row| row / 5).collect()).unwrap();
    let (a, b, c) = grouped.split_three([0.5, 0.25], 3).unwrap();
    assert_eq!((a.n_rows(), b.n_rows(), c.n_rows()), (30, 15, 15));
    let groups = |part: &Dataset<f64>| {
        part.groups().unwrap().iter().copied().collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(groups(&a).len() + groups(&b).len() + groups(&c).len(), 12, "no group is in two parts");
    for shares in [[0.0, 0.5], [0.5, 0.5], [f64::NAN, 0.1], [0.1, -0.1]] {
        assert!(counting(9).split_three(shares, 1).is_err(), "{shares:?}");
    }
    assert!(counting(2).split_three([0.4, 0.3], 1).is_err());
}

#[test]
fn stratified_parts_have_their_share_of_classes_tenths_and_gaps() {
    let with = |labels: Vec<f64>| Dataset::from_slices(&vec![1.0; labels.len()], 1, &labels, 1).unwrap();
    let count =
        |part: &Dataset<f64>, is: &dyn Fn(f64) -> bool| part.targets().iter().filter(|y| is(**y)).count();
    let classes = with(
        (0..100).map(|i| if i % 10 == 0 { f64::NAN } else { f64::from(u8::from(i % 4 == 1)) }).collect(),
    );
    let numbers = with((0..100).map(|i| f64::from((i * 37) % 100)).collect());
    for seed in 0..20 {
        let (train, test) = classes.stratified_split(0.8, "y0", seed).unwrap();
        assert_eq!((train.n_rows(), test.n_rows()), (80, 20));
        // Each to within one row.
        for (is, all) in
            [(&(|y| y == 1.0) as &dyn Fn(f64) -> bool, 25), (&|y| y == 0.0, 65), (&f64::is_nan, 10)]
        {
            assert_eq!(count(&classes, is), all);
            assert!((count(&test, is) as f64 - all as f64 / 5.0).abs() <= 1.0, "seed {seed}");
        }
        let (_, test) = numbers.stratified_split(0.8, "y0", seed).unwrap();
        for tenth in 0..10 {
            assert_eq!(count(&test, &|y| y as usize / 10 == tenth), 2, "seed {seed}, tenth {tenth}");
        }
    }
    let rows = |seed| {
        numbers.stratified_split(0.8, "y0", seed).unwrap().1.targets().iter().copied().collect::<Vec<_>>()
    };
    assert_ne!(rows(1), rows(2), "within a tenth chance decides");
    let folds = |seed| numbers.stratified_fold_rows(5, "y0", seed).unwrap();
    assert_ne!(folds(1), folds(2));
    assert!(folds(1).iter().all(|fold| fold.test.len() == 20));
    let (one, rest) = with(vec![1.0, 2.0]).stratified_split(0.01, "y0", 1).unwrap();
    assert_eq!((one.n_rows(), rest.n_rows()), (1, 1), "neither part is empty");
    assert!(
        classes.stratified_split(1.0, "y0", 1).is_err() && classes.stratified_split(0.5, "no", 1).is_err()
    );
}

fn assert_each_row_is_tested_once(folds: &[Fold], n: usize) {
    let mut tested: Vec<usize> = folds.iter().flat_map(|fold| fold.test.clone()).collect();
    tested.sort_unstable();
    assert_eq!(tested, (0..n).collect::<Vec<_>>());
    for fold in folds {
        let rows: BTreeSet<usize> = fold.train.iter().chain(&fold.test).copied().collect();
        assert_eq!((rows.len(), fold.train.len() + fold.test.len()), (n, n));
    }
}

#[test]
fn folds_test_each_row_once_and_are_even() {
    for (n, k) in [(2, 2), (10, 3), (103, 10), (7, 7)] {
        let folds = counting(n).fold_rows(k, 3).unwrap();
        assert_eq!(folds.len(), k);
        assert_each_row_is_tested_once(&folds, n);
        assert!(
            folds.iter().all(|fold| (n / k..=n.div_ceil(k)).contains(&fold.test.len())),
            "{n} rows, {k} folds"
        );
    }
    let tables = counting(10).folds(3, 3).unwrap();
    let rows = counting(10).fold_rows(3, 3).unwrap();
    for ((train, test), fold) in tables.iter().zip(&rows) {
        assert_eq!(train.features().iter().map(|&x| x as usize).collect::<Vec<_>>(), fold.train);
        assert_eq!(test.features().iter().map(|&x| x as usize).collect::<Vec<_>>(), fold.test);
    }
    assert_ne!(rows, counting(10).fold_rows(3, 4).unwrap());
}

#[test]
fn folds_of_groups_are_whole_and_nearly_even() {
    let groups: Vec<u64> = (0..100_u64).map(|row| row.isqrt()).collect();
    let data = counting(100).with_groups(groups.clone()).unwrap();
    let folds = data.fold_rows(4, 1).unwrap();
    assert_each_row_is_tested_once(&folds, 100);
    for fold in &folds {
        let tested: BTreeSet<u64> = fold.test.iter().map(|&row| groups[row]).collect();
        assert!(fold.train.iter().all(|&row| !tested.contains(&groups[row])));
        // Groups of 1, 3, 5 … 19 rows in 4 folds of about 25.
        assert!((20..=30).contains(&fold.test.len()), "{} rows", fold.test.len());
    }
}

#[test]
fn stratified_folds_share_out_every_class() {
    let classes: Vec<f64> = (0..90)
        .map(|row| match row {
            0..60 => 0.0,
            60..80 => 1.0,
            _ => f64::NAN,
        })
        .collect();
    let data = Dataset::from_slices(&classes.iter().map(|_| 0.0).collect::<Vec<_>>(), 1, &classes, 1)
        .unwrap()
        .with_target_names(["class"])
        .unwrap();
    let folds = data.stratified_fold_rows(4, "class", 8).unwrap();
    assert_each_row_is_tested_once(&folds, 90);
    for fold in folds {
        let count = |is: &dyn Fn(f64) -> bool| fold.test.iter().filter(|&&row| is(classes[row])).count();
        assert_eq!((count(&|y| y == 0.0), count(&|y| y == 1.0)), (15, 5));
        assert!((2..=3).contains(&count(&|y| y.is_nan())));
    }
}

/// Textbook formulas on weighted columns with gaps, against the standardiser.
#[test]
fn moments_are_weighted_and_pass_over_what_is_missing() {
    let matrix = array![[1.0, f64::NAN], [2.0, 5.0], [4.0, 9.0], [100.0, 100.0]];
    let weights = array![1.0, 2.0, 1.0, 0.0];
    let standardizer = Standardizer::fit(matrix.view(), Some(weights.view())).unwrap();
    assert_relative_eq!(standardizer.mean()[0], (1.0 + 4.0 + 4.0) / 4.0, max_relative = 1e-15);
    assert_relative_eq!(
        standardizer.std()[0],
        ((1.25_f64.powi(2) + 2.0 * 0.25 * 0.25 + 1.75 * 1.75) / 4.0).sqrt(),
        max_relative = 1e-15
    );
    assert_relative_eq!(standardizer.mean()[1], 19.0 / 3.0, max_relative = 1e-15);
    assert_relative_eq!(standardizer.std()[1], (32.0_f64 / 9.0).sqrt(), max_relative = 1e-15);
    assert_eq!(standardizer.select(&[1]).mean(), &standardizer.mean()[1..]);
}

#[test]
fn standardised_columns_have_mean_0_and_deviation_1_and_come_back() {
    fn check<F: Scalar>(tolerance: f64) {
        let data = datasets::robot_arm::<F>(500, 0.1, 1);
        let standardizer = Standardizer::of_features(&data).unwrap();
        let mut features = data.features().to_owned();
        standardizer.apply_matrix(features.view_mut());
        let again = Standardizer::fit(features.view(), None).unwrap();
        for column in 0..10 {
            assert_abs_diff_eq!(again.mean()[column].to_f64(), 0.0, epsilon = tolerance);
            assert_abs_diff_eq!(again.std()[column].to_f64(), 1.0, epsilon = tolerance);
        }
        for (row, features) in features.rows().into_iter().enumerate() {
            let mut by_row = data.feature_row(row).to_vec();
            standardizer.apply_row(&mut by_row);
            assert_eq!(by_row, features.to_vec());
            assert_eq!(by_row[3], standardizer.apply(3, data.feature_row(row)[3]));
            assert_eq!(
                by_row[3],
                (data.feature_row(row)[3] - standardizer.mean()[3]) / standardizer.scale()[3],
                "in this order of operations"
            );
            standardizer.undo_row(&mut by_row);
            for (&back, &x) in by_row.iter().zip(data.feature_row(row)) {
                assert_abs_diff_eq!(back.to_f64(), x.to_f64(), epsilon = tolerance);
            }
        }
        standardizer.undo_matrix(features.view_mut());
        for (&back, &x) in features.iter().zip(data.features()) {
            assert_abs_diff_eq!(back.to_f64(), x.to_f64(), epsilon = tolerance);
        }
        let saved =
            Standardizer::from_moments(standardizer.mean().to_vec(), standardizer.std().to_vec()).unwrap();
        assert_eq!(saved, standardizer);
    }
    // A few roundings of numbers up to 5.
    check::<f64>(1e-14);
    check::<f32>(2e-6);
}

#[test]
fn constant_columns_are_found_exactly_and_left_in_their_unit() {
    let column = |x: f64| Array2::from_elem((1000, 1), x);
    for x in [0.1, -1e300, 1e-300, 0.0] {
        let standardizer = Standardizer::fit(column(x).view(), None).unwrap();
        assert_eq!((standardizer.mean()[0], standardizer.std()[0], standardizer.scale()[0]), (x, 0.0, 1.0));
        assert_eq!(standardizer.constant_columns().collect::<Vec<_>>(), [0]);
        assert_eq!(standardizer.apply(0, x), 0.0);
        assert_eq!(standardizer.undo(0, 0.0), x);
    }
    let empty = Standardizer::fit(column(f64::NAN).view(), None).unwrap();
    assert_eq!((empty.mean()[0], empty.std()[0], empty.scale()[0]), (0.0, 0.0, 1.0));
    assert!(empty.apply(0, f64::NAN).is_nan());
}

#[test]
fn moments_of_large_small_and_far_numbers_are_exact() {
    for unit in [1e-200, 1e-30, 1.0, 1e30, 1e200] {
        let matrix = Array2::from_shape_fn((4, 1), |(row, _)| unit * [1.0, 2.0, 3.0, 4.0][row]);
        let standardizer = Standardizer::fit(matrix.view(), None).unwrap();
        assert_relative_eq!(standardizer.mean()[0] / unit, 2.5, max_relative = 1e-14);
        assert_relative_eq!(standardizer.std()[0] / unit, 1.25_f64.sqrt(), max_relative = 1e-14);
    }
    // One pass with squares would lose all digits here.
    let far = Array2::from_shape_fn((4, 1), |(row, _)| 1e9 + row as f64);
    assert_relative_eq!(
        Standardizer::fit(far.view(), None).unwrap().std()[0],
        1.25_f64.sqrt(),
        max_relative = 1e-12
    );
}

#[test]
fn the_same_seed_gives_the_same_problem_bit_for_bit() {
    type Problem<F> = fn(u64) -> Dataset<F>;
    fn bits<F: Scalar>(data: &Dataset<F>) -> Vec<u64> {
        data.features().iter().chain(data.targets()).map(|x| x.to_f64().to_bits()).collect()
    }
    let problems: [(&str, Problem<f64>, Problem<f32>); 4] = [
        ("robot_arm", |seed| datasets::robot_arm(50, 0.1, seed), |seed| datasets::robot_arm(50, 0.1, seed)),
        (
            "related_tasks",
            |seed| datasets::related_tasks(50, 6, 3, 0.5, 0.1, seed),
            |seed| datasets::related_tasks(50, 6, 3, 0.5, 0.1, seed),
        ),
        (
            "mixed_tasks",
            |seed| datasets::mixed_tasks(50, 0.4, seed),
            |seed| datasets::mixed_tasks(50, 0.4, seed),
        ),
        ("shapes", |seed| datasets::shapes(20, 0.1, seed), |seed| datasets::shapes(20, 0.1, seed)),
    ];
    for (name, problem, narrow) in problems {
        assert_eq!(bits(&problem(1)), bits(&problem(1)), "{name}");
        assert_ne!(bits(&problem(1)), bits(&problem(2)), "{name}");
        assert_eq!(bits(&problem(1).cast::<f32>().unwrap()), bits(&narrow(1)), "{name} in f32");
    }
}

/// The numbers of a seed are a promise; these were recorded.
#[test]
fn problems_are_the_recorded_ones() {
    fn check(data: &Dataset<f64>, features: &[f64], targets: &[f64]) {
        let found = data.feature_row(0).iter().zip(features).chain(data.target_row(0).iter().zip(targets));
        for (&found, &recorded) in found {
            // Sines and logarithms differ in the last digits from one platform's library to the next.
            assert!((found - recorded).abs() < 1e-13 || (found.is_nan() && recorded.is_nan()), "{data:?}");
        }
    }
    check(
        &datasets::robot_arm(1, 0.05, 42),
        &[0.5714437414665952, 1.4926891198154606, -0.2899343885739212],
        &[4.85830720820856, -1.7736206905139709],
    );
    check(
        &datasets::related_tasks(1, 3, 2, 0.5, 0.01, 42),
        &[-1.0023778441376028, 0.9166635595931693, 2.1215766570790087],
        &[1.1558208535088004, -1.9411831418036465],
    );
    check(
        &datasets::mixed_tasks(1, 0.4, 42),
        &[-0.21086668327103028, 0.4763469238088213],
        &[-2.579889542173647, f64::NAN, 0.0, f64::NAN],
    );
    check(
        &datasets::shapes(1, 0.0, 42),
        &[0.0],
        &[2.0, 0.1161795102089778, 0.11919786409539919, 0.8444250010656895, 0.7061680921192356],
    );
}

#[test]
fn a_short_table_is_the_beginning_of_a_long_one() {
    let rows: Vec<usize> = (0..10).collect();
    for (short, long) in [
        (datasets::robot_arm::<f64>(10, 0.1, 3), datasets::robot_arm::<f64>(20, 0.1, 3)),
        (datasets::related_tasks(10, 4, 2, 0.5, 0.1, 3), datasets::related_tasks(20, 4, 2, 0.5, 0.1, 3)),
        (datasets::mixed_tasks(10, 0.0, 3), datasets::mixed_tasks(20, 0.0, 3)),
        (datasets::shapes(10, 0.1, 3), datasets::shapes(20, 0.1, 3)),
    ] {
        assert_eq!(short.features(), long.select(&rows).features());
        assert_eq!(short.targets(), long.select(&rows).targets());
    }
}
