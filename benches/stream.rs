//! Learning from a CSV file while it is read, beside learning from the same rows in memory, and beside nothing but parsing it.
//!
//! A file of numbers is written, and removed at the end. The bound of a streamed epoch is the slower of two: one training
//! thread on rows in memory, and one thread that cuts the file into cells and parses each as a number (crate `csv`).
//!
//! ```text
//! cargo bench --bench stream                         # 200 MB for each network
//! cargo bench --bench stream -- 5000 S               # 5 GB, and the most memory that the process had
//! cargo bench --bench stream -- file S rows.csv      # a file of yours: 10 features x0 to x9, the targets 0 and 1
//! cargo bench --features parquet --bench stream -- file S rows.parquet
//! ```
//! Other libraries on the same file: `benches/peers/stream_peers.py`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use polytask::data::csv::{CsvReader, Stream};
use polytask::data::{Order, Source};
use polytask::prelude::*;

#[path = "sizes/mod.rs"]
mod sizes;

use sizes::Size;

fn main() -> polytask::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|text| !text.starts_with("--")).collect();
    let sizes = [Size::small("S", 32), Size::small("S256", 256), Size::medium(), Size::large()];
    if let [what, name, path] = &arguments[..]
        && what == "file"
    {
        let size = sizes.iter().find(|size| size.name == name).expect("S, S256, M or L");
        return most_memory(size, Path::new(path));
    }
    let megabytes: usize = arguments.first().map_or(200, |text| text.parse().expect("megabytes"));
    let is_wanted = |size: &&Size| arguments.get(1).is_none_or(|name| *name == size.name);
    if arguments.len() < 2 {
        println!(
            "{:>5} {:>9} {:>14} {:>14} {:>14} {:>12} {:>12}",
            "", "rows", "parsed (s)", "in memory (s)", "streamed (s)", "of parsing", "of memory"
        );
    }
    for size in sizes.iter().filter(is_wanted) {
        let file = Written::new(size, megabytes);
        match arguments.len() {
            2 => most_memory(size, &file.path)?,
            _ => beside(size, &file.path)?,
        }
    }
    Ok(())
}

/// A file that is gone in the end.
struct Written {
    path: PathBuf,
}

impl Written {
    fn new(size: &Size, megabytes: usize) -> Self {
        let path =
            std::env::temp_dir().join(format!("polytask-bench-{}-{}.csv", size.name, std::process::id()));
        let mut file = BufWriter::new(File::create(&path).expect("a place to write to"));
        let targets = size.tasks * size.outputs;
        let names = (0..size.inputs).map(|j| format!("x{j}")).chain((0..targets).map(|k| k.to_string()));
        writeln!(file, "{}", names.collect::<Vec<_>>().join(",")).expect("room");
        let (mut written, mut state) = (0, 1_u64);
        let mut line = String::new();
        while written < megabytes * 1_000_000 {
            line.clear();
            for j in 0..size.inputs + targets {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let x = (state >> 40) as f64 / f64::from(1 << 23) - 1.0;
                line.push_str(&format!("{}{x:.6}", if j > 0 { "," } else { "" }));
            }
            line.push('\n');
            file.write_all(line.as_bytes()).expect("room");
            written += line.len();
        }
        file.flush().expect("room");
        Self { path }
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn open(size: &Size, path: &Path) -> polytask::Result<Stream<f32>> {
    let reader = CsvReader::new().targets((0..size.tasks * size.outputs).map(|column| column.to_string()));
    #[cfg(feature = "parquet")]
    if path.extension().is_some_and(|extension| extension == "parquet") {
        return reader.stream_parquet(path);
    }
    reader.stream(path)
}

/// Seconds in which every cell is parsed as a number.
fn parse(path: &Path) -> f64 {
    let begin = Instant::now();
    let mut reader = csv::Reader::from_path(path).expect("a file");
    let (mut record, mut sum) = (csv::ByteRecord::new(), 0.0);
    while reader.read_byte_record(&mut record).expect("a record") {
        for cell in &record {
            sum += std::str::from_utf8(cell).expect("text").parse::<f64>().expect("a number");
        }
    }
    std::hint::black_box(sum);
    begin.elapsed().as_secs_f64()
}

/// Seconds of an epoch on a source, with one training thread.
fn epoch(size: &Size, source: &mut dyn Source<f32>) -> polytask::Result<f64> {
    let mut model = size.model::<f32>()?;
    let trainer = Trainer::new(Adam::new(1e-3)).batch_size(size.batch).epochs(1).threads(1);
    let mut run = trainer.start_source(&model, source)?;
    let mut workspace = run.workspace(&model, None);
    // The first window is read before the clock runs in neither: it is read anew.
    source.begin(Order { batch_size: size.batch, seed: Some(1), keeps_groups: false })?;
    let begin = Instant::now();
    while !run.is_finished() {
        run.step_from(&mut model, source, &mut workspace)?;
    }
    Ok(begin.elapsed().as_secs_f64())
}

/// Three turns of each; the medians, and the medians of the ratios.
fn beside(size: &Size, path: &Path) -> polytask::Result<()> {
    let mut stream = open(size, path)?;
    let data = stream.read()?;
    let median = |mut list: Vec<f64>| {
        list.sort_by(f64::total_cmp);
        list[list.len() / 2]
    };
    let mut turns: [Vec<f64>; 5] = Default::default();
    for _ in 0..3 {
        let times = [parse(path), epoch(size, &mut data.source())?, epoch(size, &mut stream)?];
        let ratios = [times[0] / times[2], times[2] / times[1]];
        turns.iter_mut().zip(times.into_iter().chain(ratios)).for_each(|(turns, time)| turns.push(time));
    }
    let [parsed, memory, streamed, of_parsing, of_memory] = turns.map(median);
    println!(
        "{:>5} {:>9} {parsed:>14.2} {memory:>14.2} {streamed:>14.2} {of_parsing:>12.2} {of_memory:>12.2}",
        size.name,
        data.n_rows()
    );
    Ok(())
}

/// The most memory of a process that opens a file and learns from all of it once, by the kernel's account.
fn most_memory(size: &Size, path: &Path) -> polytask::Result<()> {
    let begin = Instant::now();
    let mut stream = open(size, path)?;
    let opened = begin.elapsed().as_secs_f64();
    let seconds = epoch(size, &mut stream)?;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map_or("unknown", str::trim);
    println!(
        "{}: {:.2} GB, {} rows; opened in {opened:.1} s, an epoch in {seconds:.1} s; most memory {most}",
        size.name,
        std::fs::metadata(path).map_or(0, |metadata| metadata.len()) as f64 / 1e9,
        stream.n_rows().unwrap_or(0),
    );
    Ok(())
}
