//! Where balancing methods arrive on a problem of two tasks and two parameters: one row per method, one column
//! per starting point.
//!
//! `cargo run --release --example balance_toy`
//!
//! Methods that divide by losses or take their logarithm are missing, as the losses here are negative; FAMO is
//! given bounds for them.

mod problem;

use polytask::balance::{
    AlignedMtl, Balance, CaGrad, ConFig, DualProj, Equal, FairGrad, Famo, GradVac, ImtlG, Mgda, NashMtl,
    Order, PcGrad, Rescale, UpGrad,
};
use problem::{SCALED_STARTS, STARTS, Toy};

fn methods(scale: f64) -> Vec<(&'static str, Box<dyn Balance>)> {
    let bounds = [-21.0 * scale, -21.0];
    vec![
        ("mean", Box::new(Equal::mean())),
        ("MGDA", Box::new(Mgda::new())),
        ("PCGrad", Box::new(PcGrad::new().order(Order::Ascending))),
        ("GradVac", Box::new(GradVac::new().order(Order::Ascending))),
        ("CAGrad c=0.4", Box::new(CaGrad::new(0.4))),
        ("CAGrad c=0.5", Box::new(CaGrad::new(0.5).rescale(Rescale::OnePlusC))),
        ("IMTL-G", Box::new(ImtlG::new())),
        ("Nash-MTL", Box::new(NashMtl::new().unlimited())),
        ("FairGrad 2", Box::new(FairGrad::new(2.0))),
        ("Aligned-MTL", Box::new(AlignedMtl::new())),
        ("UPGrad", Box::new(UpGrad::new())),
        ("DualProj", Box::new(DualProj::new())),
        ("ConFIG", Box::new(ConFig::new())),
        ("FAMO", Box::new(Famo::new().bounds(&bounds).decay(0.0))),
    ]
}

fn table(scale: f64, steps: usize, starts: &[[f64; 2]]) {
    println!("first loss times {scale}, {steps} steps of Adam: (x1, x2) and the two losses");
    print!("{:>13}", "start");
    for [x1, x2] in starts {
        print!(" |{:>29}", format!("({x1}, {x2})"));
    }
    println!();
    let toy = Toy { scale };
    for (name, method) in methods(scale) {
        print!("{name:>13}");
        for &start in starts {
            let [x1, x2] = toy.descend(&*method, start, steps);
            let [l1, l2] = toy.losses([x1, x2]).0;
            print!(" | ({x1:5.2}, {x2:5.2}) {l1:7.3} {l2:7.3}");
        }
        println!();
    }
    println!();
}

fn main() {
    table(1.0, 100_000, &STARTS);
    table(0.1, 50_000, &SCALED_STARTS);
}
