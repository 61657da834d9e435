//! What is at a path when something is saved there: links are followed, permissions kept, and what is no file of one name
//! is left as it is. Every function that writes a file is tried.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use polytask::data::npy;
use polytask::ndarray::{Array2, array};
use polytask::prelude::*;
use polytask::{ErrorKind, Result};

/// Saves something to a path: always the same bytes.
type Save = Box<dyn Fn(&Path) -> Result<()>>;

/// Everything that the crate can save to a path. Checkpoints are files of runs.
fn all() -> [(&'static str, Save); 4] {
    let model = Model::builder(10).task(Task::regression("elbow")).build::<f32>().expect("valid settings");
    let x = Array2::from_shape_fn((12, 2), |(i, j)| ((i * (j + 3)) % 7) as f32);
    let estimator =
        MultiTaskRegressor::new().members(1).hidden([]).epochs(1).fit(&x, &x).expect("a table in order");
    let data = datasets::robot_arm::<f32>(32, 0.05, 1);
    let run = Trainer::new(Adam::new(0.01)).start(&model, &data).expect("a run");
    let of_run = model.clone();
    [
        ("model", Box::new(move |path| model.save(path))),
        ("estimator", Box::new(move |path| estimator.save(path))),
        ("run", Box::new(move |path| run.save(&of_run, path))),
        ("array", Box::new(|path| npy::write(path, array![[1.0, 2.0]].view()))),
    ]
}

/// Tries everything that can be saved: `test` is given a folder, a path in it with the bytes that are saved there, and a
/// function that saves to a path.
fn try_all(of: &str, test: impl Fn(&Path, &[u8], &Save)) {
    for (name, save) in all() {
        let folder = std::env::temp_dir().join(format!("polytask-saving-{of}-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).expect("a folder");
        let fresh = folder.join("fresh");
        save(&fresh).expect(name);
        let bytes = fs::read(&fresh).expect("it was saved");
        fs::remove_file(&fresh).expect("it was saved");
        println!("{of}: {name}");
        test(&folder, &bytes, &save);
        let left: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!left.iter().any(|path| path.to_str().unwrap().contains("unfinished")), "{name}: {left:?}");
        fs::remove_dir_all(folder).expect("the folder");
    }
}

#[test]
fn links_are_followed() {
    try_all("links", |folder, bytes, save| {
        let (inner, target) = (folder.join("inner"), folder.join("inner/target"));
        fs::create_dir(&inner).unwrap();
        fs::write(&target, "old").unwrap();
        symlink(&inner, folder.join("folder")).unwrap();
        let links = [
            ("relative", PathBuf::from("inner/target")),
            ("absolute", target.clone()),
            ("chain", PathBuf::from("relative")),
            ("inner/back", PathBuf::from("../chain")),
        ];
        for (name, to) in &links {
            symlink(to, folder.join(name)).unwrap();
        }
        for name in ["relative", "absolute", "chain", "inner/back", "folder/back"] {
            fs::write(&target, "old").unwrap();
            save(&folder.join(name)).expect(name);
            assert!(fs::read(&target).unwrap() == bytes, "{name}: where it leads is the new one");
            for (link, to) in &links {
                assert_eq!(&fs::read_link(folder.join(link)).unwrap(), to, "{name}: links stay");
            }
        }
        // A link to what is not there yet.
        fs::remove_file(&target).unwrap();
        save(&folder.join("chain")).unwrap();
        assert!(fs::read(&target).unwrap() == bytes && folder.join("chain").is_symlink());
        // Links that lead to each other.
        symlink("second", folder.join("first")).unwrap();
        symlink("first", folder.join("second")).unwrap();
        assert_eq!(save(&folder.join("first")).unwrap_err().kind(), ErrorKind::File);
        assert!(folder.join("first").is_symlink() && folder.join("second").is_symlink());
    });
}

#[test]
fn what_is_no_regular_file_is_refused_and_stays() {
    try_all("nodes", |folder, _, save| {
        let [pipe, socket, link] = ["pipe", "socket", "link"].map(|name| folder.join(name));
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
        let _listener = UnixListener::bind(&socket).unwrap();
        symlink("pipe", &link).unwrap();
        fs::create_dir(folder.join("empty")).unwrap();
        for (name, what) in
            [("pipe", "a pipe"), ("link", "a pipe"), ("socket", "a socket"), ("empty", "a folder")]
        {
            let error = save(&folder.join(name)).expect_err(name);
            let says = format!("{name}: expected a regular file, or none, found {what}");
            assert!(error.to_string().contains(&says), "{error}");
        }
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo() && link.is_symlink());
        assert!(fs::metadata(&socket).unwrap().file_type().is_socket() && folder.join("empty").is_dir());
    });
}

#[test]
fn a_file_of_several_names_is_refused_and_stays() {
    try_all("names", |folder, _, save| {
        let (one, other) = (folder.join("one"), folder.join("other"));
        fs::write(&one, "old").unwrap();
        fs::hard_link(&one, &other).unwrap();
        let error = save(&one).unwrap_err().to_string();
        assert!(
            error.contains("expected a file of one name, found 2 names (hard links) (the others"),
            "{error}"
        );
        assert!(
            fs::read(&one).unwrap() == b"old"
                && fs::metadata(&one).unwrap().ino() == fs::metadata(&other).unwrap().ino()
        );
        fs::remove_file(&other).unwrap();
        save(&one).expect("it has one name now");
    });
}

/// Permissions do not stop every user, so they are looked at.
#[test]
fn a_read_only_file_is_refused_and_stays() {
    try_all("read-only", |folder, _, save| {
        let (path, link) = (folder.join("file"), folder.join("link"));
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
        symlink("file", &link).unwrap();
        for path in [&path, &link] {
            let error = save(path).unwrap_err().to_string();
            assert!(
                error.contains("expected a file that may be written to, found a read-only one"),
                "{error}"
            );
        }
        assert!(fs::read(&path).unwrap() == b"old");
    });
}

#[test]
fn permissions_and_owner_are_kept() {
    try_all("permissions", |folder, bytes, save| {
        for mode in [0o600, 0o640, 0o606, 0o666, 0o755, 0o200, 0o4711] {
            let path = folder.join(format!("{mode:o}"));
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            // Only a user who may give files away can try it with another owner.
            let owner =
                std::os::unix::fs::chown(&path, Some(1234), Some(1235)).is_ok().then_some((1234, 1235));
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            save(&path).unwrap();
            let found = fs::metadata(&path).unwrap();
            assert_eq!(found.mode() & 0o7777, mode, "{mode:o}");
            assert_eq!(found.len(), bytes.len() as u64);
            assert!(owner.is_none_or(|owner| (found.uid(), found.gid()) == owner), "{owner:?}");
        }
        // A new file has the permissions of every new file.
        fs::write(folder.join("written"), "").unwrap();
        save(&folder.join("new")).unwrap();
        let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().mode();
        assert_eq!(mode("new"), mode("written"));
    });
}

#[test]
fn the_longest_name_can_be_saved_to() {
    try_all("long", |folder, bytes, save| {
        for name in ["x".repeat(255), "ü".repeat(127)] {
            for _ in 0..2 {
                save(&folder.join(&name)).expect("a name of the file system");
                assert!(fs::read(folder.join(&name)).unwrap() == bytes);
            }
        }
    });
}
