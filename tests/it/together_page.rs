//! The page of a report in a browser.

use std::process::Command;

use polytask::ledger::{Ledger, SuspectLabels};
use polytask::prelude::*;
use polytask::together::TogetherOrApart;
use polytask::validation::CrossValidation;

/// What Chromium makes of the page, opened from a file: every drawing and every name is there, and nothing was repaired.
#[test]
#[ignore = "needs Chromium"]
fn chromium_shows_the_page() -> polytask::Result<()> {
    let names = ["task0", "a <b> & \"c\"", "task2"];
    let data = datasets::related_tasks::<f32>(80, 4, 3, 0.5, 0.1, 1).with_target_names(names)?;
    let settings = TogetherOrApart::new(names.map(Task::regression))
        .hidden([8])
        .trainer(Trainer::new(Adam::new(0.01)).epochs(3));
    let proposal = settings.propose(&data, 0.5)?;
    let report = settings.grouping("<proposed>", proposal.groups).run(&proposal.rest)?;
    let joint = || {
        let builder = Model::builder(4).trunk([Layer::dense(8, Activation::Tanh)]).standardize();
        names.into_iter().fold(builder, |builder, name| builder.task(Task::regression(name))).build::<f32>()
    };
    let trainer = Trainer::new(Adam::new(0.01)).epochs(3);
    let suspects = SuspectLabels::find(&data, &CrossValidation::new(2), |part| {
        let mut model = joint()?;
        trainer.fit(&mut model, part.data)?;
        Ok(model)
    })?;
    let (ledger, _) = Ledger::measure(&trainer, &mut joint()?, &data, &data, &data, 3)?;
    let path = std::env::temp_dir().join(format!("polytask-page-{}.html", std::process::id()));
    std::fs::write(
        &path,
        report.page().affinity(&proposal.affinity).suspects(&suspects).ledger(&ledger).html(),
    )
    .expect("a folder to write to");

    let url = format!("file://{}", path.display());
    let seen = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--dump-dom",
            &url,
        ])
        .output()
        .expect("Chromium, as Debian's package has it");
    std::fs::remove_file(&path).expect("it is there");
    let dom = String::from_utf8(seen.stdout).expect("UTF-8");
    assert!(seen.status.success() && dom.contains("</html>"), "{}", String::from_utf8_lossy(&seen.stderr));
    // Together and <proposed>, affinities, what rows taught, suspect labels of three tasks, as many learning curves.
    assert_eq!(dom.matches("<svg").count(), 2 + 1 + 1 + 3 + 3, "{dom}");
    assert_eq!(dom.matches("</table>").count(), 3, "{dom}");
    for text in [
        "&lt;proposed&gt; against apart",
        "a &lt;b&gt; &amp; ",
        "How much tasks help each other",
        "What rows taught",
        "Labels to look at first",
        "Learning curves",
        "held-out loss",
    ] {
        assert!(dom.contains(text), "{text} is not in\n{dom}");
    }
    assert!(!dom.contains("<b> &") && !dom.contains("<proposed"), "{dom}");
    Ok(())
}
