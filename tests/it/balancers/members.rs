//! The table of members: one row each, with the promises that it does and does not make.

use std::collections::BTreeSet;
use std::fs;

use polytask::balance::{
    AlignedMtl, Balance, CaGrad, CommonScale, ConFig, DbMtl, DualProj, Dwa, Equal, FairGrad, Famo, Fixed,
    Gls, GradNorm, GradVac, Imtl, ImtlG, ImtlL, Mgda, NashMtl, Needs, Normalisation, Order, PcGrad, Rescale,
    Rlw, ScaleInvariant, Smoothed, Stch, Uncertainty, UpGrad,
};

/// What a method does to the parts that belong to one task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heads {
    /// Nothing.
    Alone,
    /// Scales them as the shared part.
    Scaled,
    /// Scales them in its own way.
    Otherwise,
}

pub struct Member {
    pub method: Box<dyn Balance>,
    pub needs: Needs,
    pub heads: Heads,
    /// The direction opposes no task.
    pub non_conflicting: bool,
    /// The order of the tasks does not matter.
    pub permutation_invariant: bool,
    /// The direction is linear in positive factors of the gradients.
    pub linear_under_scaling: bool,
    /// The direction stays the same if all gradients grow alike, or grows with them, or neither.
    pub degree: Option<f64>,
}

/// Promises by letter: `n`on-conflicting, `p`ermutation-invariant, `l`inear under scaling; `1` grows with
/// the gradients, `0` does not depend on their scale.
fn row(method: impl Balance + 'static, needs: Needs, heads: Heads, promises: &str) -> Member {
    let has = |letter| promises.contains(letter);
    let degree = if has('1') {
        Some(1.0)
    } else if has('0') {
        Some(0.0)
    } else {
        None
    };
    Member {
        method: Box::new(method),
        needs,
        heads,
        non_conflicting: has('n'),
        permutation_invariant: has('p'),
        linear_under_scaling: has('l'),
        degree,
    }
}

pub const TASKS: usize = 4;

/// Every member, with settings for four tasks.
pub fn members() -> Vec<Member> {
    use Heads::*;
    let (losses, gramian) = (Needs::LOSSES, Needs::GRAMIAN);
    vec![
        row(Equal::sum(), losses, Scaled, "pl1"),
        row(Equal::mean(), losses, Scaled, "pl1"),
        // The four weights belong to the four places.
        row(Fixed::new(&[1.0, 0.5, 2.0, 0.1]), losses, Scaled, "l1"),
        row(ScaleInvariant::new(), losses, Scaled, "pl1"),
        row(Uncertainty::new(), losses, Scaled, "pl1"),
        row(Uncertainty::new().classification(&[1]).begin_at(-0.5), losses, Scaled, "l1"),
        row(ImtlL::new(), losses, Scaled, "pl1"),
        row(Dwa::new(), losses, Scaled, "pl1"),
        row(Gls::new(), losses, Scaled, "pl1"),
        row(Stch::new(0.3), losses, Scaled, "pl1"),
        row(Famo::new(), Needs::LOSSES_AFTER_STEP, Scaled, "pl1"),
        // Draws belong to places.
        row(Rlw::new(3), losses, Scaled, "l1"),
        row(Mgda::new(), gramian, Alone, "np1"),
        row(Mgda::new().normalisation(Normalisation::Length), gramian, Alone, "np0"),
        row(Mgda::new().normalisation(Normalisation::Loss), gramian, Alone, "np1"),
        row(Mgda::new().normalisation(Normalisation::LossAndLength), gramian, Alone, "np0"),
        // A later projection may undo an earlier one, and the order decides.
        row(PcGrad::new(), gramian, Alone, "l1"),
        row(PcGrad::new().order(Order::Ascending), gramian, Alone, "l1"),
        row(GradVac::new(), gramian, Alone, "l1"),
        // c ‖g₀‖ is not far enough to leave every conflict unless c ≥ 1.
        row(CaGrad::new(0.4), gramian, Alone, "p1"),
        row(CaGrad::new(1.0).rescale(Rescale::None), gramian, Alone, "np1"),
        row(NashMtl::new(), gramian, Scaled, "np0"),
        row(FairGrad::new(2.0), gramian, Scaled, "np"),
        row(FairGrad::new(0.5), gramian, Scaled, "np"),
        row(ImtlG::new(), gramian, Alone, "p1"),
        row(Imtl::new(), gramian, Otherwise, "p1"),
        // Orthogonal to each other, the aligned gradients need not agree with those they were made from.
        row(AlignedMtl::new(), gramian, Alone, "p1"),
        row(AlignedMtl::new().common_scale(CommonScale::Median), gramian, Alone, "p1"),
        row(AlignedMtl::new().common_scale(CommonScale::Mean), gramian, Alone, "p1"),
        row(UpGrad::new(), gramian, Alone, "npl1"),
        row(DualProj::new(), gramian, Alone, "np1"),
        row(ConFig::new(), gramian, Alone, "npl1"),
        row(GradNorm::new(), gramian, Scaled, "p1"),
        row(DbMtl::new(), gramian, Otherwise, "p1"),
        row(Smoothed::new(UpGrad::new(), 0.5), gramian, Alone, "npl1"),
        row(UpGrad::new().every(2), gramian, Alone, "npl1"),
        row(Equal::mean().scale_heads(false), losses, Alone, "pl1"),
    ]
}

/// The name of a method's type, from how it is printed.
pub fn name(method: &impl std::fmt::Debug) -> String {
    match format!("{method:?}").split([' ', '(']).next().unwrap() {
        "Every" => "EveryNth".to_owned(), // printed as in files of the first version
        name => name.to_owned(),
    }
}

/// Every type in the module for which `contract` is implemented.
pub fn implementors(contract: &str) -> BTreeSet<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/balance");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            for line in fs::read_to_string(path).unwrap().lines() {
                let Some((start, end)) = line.split_once(&format!(" {contract} for ")) else { continue };
                if start.starts_with("impl") && !end.starts_with("Box<") {
                    found.insert(end.split(['<', ' ']).next().unwrap().to_owned());
                }
            }
        }
    }
    found
}

#[test]
fn every_member_has_a_row() {
    let rows: BTreeSet<_> = members().iter().map(|member| name(&member.method)).collect();
    assert_eq!(rows, implementors("Balance"));
}
