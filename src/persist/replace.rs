//! Putting a file in the place of another so that a crash leaves either the old or the new one, whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, ErrorKind, Result};

/// What the name of a file that is not finished ends in.
pub(crate) const UNFINISHED: &str = ".unfinished";

/// Makes `bytes` the content of the file at `path`.
///
/// They are written to another file in the same folder and brought to the disk; that file then takes the name, which
/// is one action of the file system; and the folder, which holds the names, is brought to the disk as well.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let fault = |cause: io::Error| {
        Error::new(ErrorKind::File, path.display(), "a file that can be written", &cause).caused_by(cause)
    };
    let unfinished = unfinished(path).ok_or_else(|| {
        Error::new(ErrorKind::File, path.display(), "the name of a file", "a path without one")
    })?;
    let written = write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, path));
    if let Err(cause) = written {
        // What is left over of a failed write is of no use; that it cannot be removed is not the news.
        let _ = fs::remove_file(&unfinished);
        return Err(fault(cause));
    }
    sync_folder(path).map_err(fault)
}

/// A name beside `path` that no other writer uses, in this process or in another.
fn unfinished(path: &Path) -> Option<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name()?.to_owned();
    name.push(format!(".{}-{count}{UNFINISHED}", std::process::id()));
    Some(path.with_file_name(name))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Elsewhere than on Unix a folder is no file that could be opened.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
