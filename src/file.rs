//! Files of a person's: reading one, and putting one in the place of another so that a crash leaves either the old or
//! the new one, whole.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, ErrorKind, Result};

/// What the name of a file that is not finished ends in.
pub(crate) const UNFINISHED: &str = ".unfinished";

/// The bytes of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|cause| {
        Error::new(ErrorKind::File, path.display(), "a file that can be read", &cause).caused_by(cause)
    })
}

/// Makes `bytes` the content of the file at `path`.
///
/// They are written to another file in the same folder and brought to the disk; that file then takes the name, which
/// is one action of the file system; and the folder, which holds the names, is brought to the disk as well.
///
/// A symbolic link is followed: what it leads to is replaced. The new file has the owner and the permissions of the old
/// one, and nobody else can open it before it has its name; access control lists and extended attributes are not
/// carried over. What cannot be replaced is refused: a folder, a device, a pipe, a socket; a file of several names
/// (hard links), the others of which would keep the old content; a file that must not be written to, even by a user
/// whom permissions do not stop.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let fault = |cause| unwritable(path, cause);
    let old = replaceable(path)?;
    let target = followed(path).map_err(fault)?;
    let Some(name) = target.file_name() else {
        return Err(Error::new(ErrorKind::File, path.display(), "the name of a file", "a path without one"));
    };
    let (unfinished, file) = begin(&target, &name.to_string_lossy(), old.is_some()).map_err(fault)?;
    let written = finish(file, bytes, old.as_ref()).and_then(|()| fs::rename(&unfinished, &target));
    if let Err(cause) = written {
        // What is left over of a failed write is of no use; that it cannot be removed is not the news.
        let _ = fs::remove_file(&unfinished);
        return Err(fault(cause));
    }
    sync_folder(&target).map_err(fault)
}

fn unwritable(path: &Path, cause: io::Error) -> Error {
    Error::new(ErrorKind::File, path.display(), "a file that can be written", &cause).caused_by(cause)
}

/// The file that `path` or its links lead to, if there is one, and it may be replaced.
fn replaceable(path: &Path) -> Result<Option<Metadata>> {
    let old = match fs::metadata(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        old => old.map_err(|cause| unwritable(path, cause))?,
    };
    let refused = |expected: &str, found: String, advice: &str| {
        Err(Error::new(ErrorKind::File, path.display(), expected, found).advise(advice))
    };
    if !old.is_file() {
        return refused("a regular file, or none", kind(&old).into(), "save under another name");
    }
    let names = n_names(&old);
    if names != 1 {
        let advice =
            "the others would keep the old content: save under another name, or remove this one first";
        return refused("a file of one name", format!("{names} names (hard links)"), advice);
    }
    if old.permissions().readonly() {
        return refused("a file that may be written to", "a read-only one".into(), "save under another name");
    }
    // The system knows of more reasons than permissions, and says so here rather than not at all: a file may be replaced
    // by whoever may write to its folder.
    OpenOptions::new().write(true).open(path).map_err(|cause| unwritable(path, cause))?;
    Ok(Some(old))
}

/// What a file is that is not a regular one, for a person.
fn kind(file: &Metadata) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = file.file_type();
        for (is_it, name) in [
            (kind.is_char_device() || kind.is_block_device(), "a device"),
            (kind.is_fifo(), "a pipe"),
            (kind.is_socket(), "a socket"),
        ] {
            if is_it {
                return name;
            }
        }
    }
    if file.is_dir() { "a folder" } else { "something else" }
}

/// Under how many names the file can be found. Elsewhere than on Unix nobody says.
fn n_names(file: &Metadata) -> u64 {
    #[cfg(unix)]
    return std::os::unix::fs::MetadataExt::nlink(file);
    #[cfg(not(unix))]
    {
        let _ = file;
        1
    }
}

/// Where symbolic links at `path` lead, whether or not something is there.
fn followed(path: &Path) -> io::Result<PathBuf> {
    /// As many as Linux follows.
    const MOST_LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..=MOST_LINKS {
        // Where it is no link, or nothing is there, there is nothing to read.
        let Ok(to) = fs::read_link(&path) else { return Ok(path) };
        path.pop();
        path.push(to);
    }
    Err(io::Error::other("links that lead to each other"))
}

/// A new file beside `target`, under a name that begins as its `name` does and is short enough everywhere, whatever the
/// length of that. If it `is_private`, no other user can open it.
fn begin(target: &Path, name: &str, is_private: bool) -> io::Result<(PathBuf, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    /// Bytes of the name.
    const MOST: usize = 40;
    let name: String =
        name.char_indices().map_while(|(at, c)| (at + c.len_utf8() <= MOST).then_some(c)).collect();
    let mut options = OpenOptions::new();
    // Never one that is there: not that of another writer, nor what a link leads to that somebody has put there.
    options.write(true).create_new(true);
    #[cfg(unix)]
    if is_private {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let _ = is_private;
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = target.with_file_name(format!("{name}.{}-{count}{UNFINISHED}", std::process::id()));
        match options.open(&path) {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
            file => return Ok((path, file?)),
        }
    }
}

/// Fills a new file, gives it the owner and the permissions of the `old` one, and brings it to the disk.
fn finish(mut file: File, bytes: &[u8], old: Option<&Metadata>) -> io::Result<()> {
    file.write_all(bytes)?;
    if let Some(old) = old {
        keep_access(&file, old)?;
    }
    file.sync_all()
}

#[cfg(unix)]
fn keep_access(file: &File, old: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        fchown(file, Some(old.uid()), Some(old.gid())).map_err(|cause| {
            let says =
                "one whose user or group the new file could not have: save under another name, or remove it";
            io::Error::new(cause.kind(), says)
        })?;
    }
    // A change of the owner takes away permissions that come with being one. Some file systems have one mode for all
    // files and refuse every change, so one that changes nothing is not asked for.
    match file.metadata()?.mode() == old.mode() {
        true => Ok(()),
        false => file.set_permissions(old.permissions()),
    }
}

/// Elsewhere than on Unix a new file has the permissions of its folder.
#[cfg(not(unix))]
fn keep_access(_: &File, _: &Metadata) -> io::Result<()> {
    Ok(())
}

/// Elsewhere than on Unix a folder is no file that could be opened.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::{UNFINISHED, begin};

    #[test]
    fn an_unfinished_file_is_new_private_and_short_named() {
        let folder = std::env::temp_dir().join(format!("polytask-unfinished-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let long = "ü".repeat(127);
        let (path, file) = begin(&folder.join(&long), &long, true).unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(
            name.starts_with(&"ü".repeat(20)) && name.ends_with(UNFINISHED) && name.len() < 100,
            "{name}"
        );

        // Where the next names are taken, by files and by links to files, a later one is.
        let other = folder.join("other");
        fs::write(&other, "mine").unwrap();
        let (_, rest) = name.rsplit_once('-').unwrap();
        let count: u64 = rest.strip_suffix(UNFINISHED).unwrap().parse().unwrap();
        let next = |count: u64| folder.join(format!("x.{}-{count}{UNFINISHED}", std::process::id()));
        for taken in count + 1..count + 20 {
            symlink(&other, next(taken)).unwrap();
        }
        let (path, mut file) = begin(&folder.join("x"), "x", true).unwrap();
        file.write_all(b"theirs").unwrap();
        assert!(path != next(count + 1) && fs::read(&other).unwrap() == b"mine");
        fs::remove_dir_all(folder).unwrap();
    }
}
