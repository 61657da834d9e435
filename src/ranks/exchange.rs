//! What ranks tell each other, made of the two ways to move bytes: sums in the order of the ranks, copies of what rank 0
//! has, and whether all is well everywhere.

use std::sync::Arc;

use super::Ranks;
use crate::{Error, ErrorKind, Result, Scalar};

/// How many bytes a rank may receive in an all-gather that saves an all-to-all.
const FEW_BYTES: usize = 1 << 14;

/// The most bytes that a rank sends at once: what the memory for an exchange is limited by.
const AT_ONCE: usize = 1 << 24;

/// The most bytes of the text of an error that are told to others.
const TEXT: usize = 500;

/// The exchanges of one rank with the others, with the memory that they need.
///
/// All ranks call the same methods in the same order with as many numbers. With one rank, nothing is sent.
///
/// ```
/// use polytask::ranks::{Exchange, Ranks, on_threads};
///
/// let found = on_threads(2, |ranks| {
///     let mut exchange = Exchange::new(ranks);
///     let (mut all, mut theta) = ([0.0; 2], [exchange.rank() as f32 + 0.5; 3]);
///     exchange.gather(&[exchange.rank() as f64], &mut all)?;
///     exchange.broadcast(&mut theta)?;
///     Ok((all, theta))
/// })?;
/// assert_eq!(found, [([0.0, 1.0], [0.5; 3]); 2]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Debug)]
pub struct Exchange {
    ranks: Arc<dyn Ranks>,
    send: Vec<u8>,
    receive: Vec<u8>,
    /// Numbers on their way.
    numbers: Vec<f64>,
    /// A yes or no of each rank.
    flags: Vec<f64>,
}

impl Exchange {
    /// The exchanges of this rank.
    pub fn new(ranks: impl Ranks + 'static) -> Self {
        let (send, receive) = (Vec::new(), Vec::new());
        Self { ranks: Arc::new(ranks), send, receive, numbers: Vec::new(), flags: Vec::new() }
    }

    /// The number of this rank, from 0.
    pub fn rank(&self) -> usize {
        self.ranks.rank()
    }

    /// How many ranks there are.
    pub fn size(&self) -> usize {
        self.ranks.size()
    }

    /// Adds up the numbers of all ranks, in the order of the ranks: afterwards every rank has the sums, equal to the bit.
    ///
    /// # Errors
    /// [`ErrorKind::Rank`] if a rank has left.
    pub fn sum<F: Scalar>(&mut self, numbers: &mut [F]) -> Result<()> {
        if self.size() == 1 {
            return Ok(());
        }
        numbers.chunks_mut(AT_ONCE / size_of::<F>()).try_for_each(|part| self.sum_part(part))
    }

    fn sum_part<F: Scalar>(&mut self, numbers: &mut [F]) -> Result<()> {
        let (n, width) = (self.size(), size_of::<F>());
        if numbers.len() * width * n <= FEW_BYTES {
            let bytes = (numbers.len() * width).max(1);
            add_up(self.all_gather_of(numbers)?.chunks_exact(bytes), numbers);
            return Ok(());
        }
        let own = self.block_of(numbers.len());
        let bytes = numbers.len().div_ceil(n) * width;
        let [send, receive] = [&mut self.send, &mut self.receive].map(|memory| room(memory, n * bytes));
        write(numbers, send);
        self.ranks.all_to_all(send, receive)?;
        add_up(receive.chunks_exact(bytes), &mut numbers[own.clone()]);
        write(&numbers[own], send);
        self.ranks.all_gather(&send[..bytes], receive)?;
        read(receive, numbers);
        Ok(())
    }

    /// Gives every rank the numbers of rank 0.
    ///
    /// # Errors
    /// As [`sum`](Self::sum).
    pub fn broadcast<F: Scalar>(&mut self, numbers: &mut [F]) -> Result<()> {
        if self.size() == 1 {
            return Ok(());
        }
        let mut bytes = vec![0; size_of_val(numbers)];
        write(numbers, &mut bytes);
        self.broadcast_bytes(&mut bytes)?;
        read(&bytes, numbers);
        Ok(())
    }

    /// Gives every rank the bytes of rank 0, which are as many on each.
    fn broadcast_bytes(&mut self, bytes: &mut [u8]) -> Result<()> {
        let n = self.size();
        for bytes in bytes.chunks_mut(AT_ONCE) {
            let block = bytes.len().div_ceil(n);
            let [send, receive] = [&mut self.send, &mut self.receive].map(|memory| room(memory, n * block));
            send[..bytes.len()].copy_from_slice(bytes);
            self.ranks.all_to_all(send, receive)?;
            // The first block is from rank 0.
            self.ranks.all_gather(&receive[..block], send)?;
            bytes.copy_from_slice(&send[..bytes.len()]);
        }
        Ok(())
    }

    /// Gives every rank what rank 0 has: bytes, or nothing.
    #[cfg(feature = "persist")]
    pub(crate) fn share(&mut self, own: Option<Vec<u8>>) -> Result<Option<Vec<u8>>> {
        let mut length = [own.as_ref().map_or(-1.0, |bytes| bytes.len() as f64)];
        self.broadcast(&mut length)?;
        if length[0] < 0.0 {
            return Ok(None);
        }
        let mut bytes = own.unwrap_or_default();
        bytes.resize(length[0] as usize, 0);
        self.broadcast_bytes(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Where the block of this rank lies in a list of that length.
    fn block_of(&self, len: usize) -> std::ops::Range<usize> {
        let block = len.div_ceil(self.size());
        (self.rank() * block).min(len)..((self.rank() + 1) * block).min(len)
    }

    /// The bytes of all ranks' numbers.
    fn all_gather_of<F: Scalar>(&mut self, numbers: &[F]) -> Result<&[u8]> {
        let bytes = size_of_val(numbers);
        let send = room(&mut self.send, bytes);
        let receive = room(&mut self.receive, bytes * self.ranks.size());
        write(numbers, send);
        self.ranks.all_gather(send, receive)?;
        Ok(receive)
    }

    /// Gives every rank the numbers of all: `all` is `size × own.len()`, in the order of the ranks.
    ///
    /// # Errors
    /// As [`sum`](Self::sum).
    ///
    /// # Panics
    /// If `all` has another length.
    #[track_caller]
    pub fn gather(&mut self, own: &[f64], all: &mut [f64]) -> Result<()> {
        assert_eq!(all.len(), own.len() * self.size(), "numbers of all ranks");
        if self.size() == 1 {
            all.copy_from_slice(own);
            return Ok(());
        }
        read(self.all_gather_of(own)?, all);
        Ok(())
    }

    /// [`gather`](Self::gather), or an error on every rank if there is one on any: see [`agree`](Self::agree). A rank with an
    /// error has no numbers.
    pub(crate) fn gather_if_well<'n>(
        &mut self,
        own: Result<impl IntoIterator<Item = &'n f64>>,
        all: &mut [f64],
    ) -> Result<()> {
        let (n, each) = (self.size(), all.len() / self.size());
        let mut numbers = std::mem::take(&mut self.numbers);
        numbers.clear();
        numbers.push(own.as_ref().map_or_else(|error| code_of(error.kind()), |_| 0.0));
        let fault = own.map(|own| numbers.extend(own)).err();
        // Room for those of the others, behind which they come.
        numbers.resize((each + 1) * (n + 1), 0.0);
        let (own, gathered) = numbers.split_at_mut(each + 1);
        let mut result = self.gather(own, gathered);
        if result.is_ok() {
            let failed = gathered.chunks_exact(each + 1).position(|numbers| numbers[0] != 0.0);
            result = match failed {
                None => Ok(()),
                Some(rank) => Err(self.told(fault, rank, gathered[rank * (each + 1)])),
            };
            for (all, gathered) in all.chunks_exact_mut(each.max(1)).zip(gathered.chunks_exact(each + 1)) {
                all.copy_from_slice(&gathered[1..]);
            }
        }
        self.numbers = numbers;
        result
    }

    /// The first rank of which something is so, or an error on every rank if there is one on any.
    pub(crate) fn first_with(&mut self, own: Result<bool>) -> Result<Option<usize>> {
        let mut all = std::mem::take(&mut self.flags);
        all.resize(self.size(), 0.0);
        let result = self.gather_if_well(own.map(|is_so| [if is_so { &1.0 } else { &0.0 }]), &mut all);
        let first = all.iter().position(|&flag| flag > 0.0);
        self.flags = all;
        result.map(|()| first)
    }

    /// Ends with an error on every rank if it is one on any: the rank's own where there is one, and otherwise one that names
    /// the first rank at fault and says what it says. Where a rank goes on and another returns, the first would wait for ever.
    ///
    /// ```
    /// use polytask::ranks::{Exchange, Ranks, on_threads};
    /// use polytask::{Error, ErrorKind};
    ///
    /// let error = on_threads(3, |ranks| {
    ///     let read = match ranks.rank() {
    ///         1 => Err(Error::new(ErrorKind::File, "part-1.csv", "a file that can be read", "none")),
    ///         _ => Ok(()),
    ///     };
    ///     let error = Exchange::new(ranks).agree(read).unwrap_err();       // on each of the three
    ///     assert_eq!(error.kind(), ErrorKind::File);
    ///     Err::<(), _>(error)
    /// });
    /// assert!(error.unwrap_err().to_string().contains("part-1.csv: expected a file that can be read, found none"));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of any rank, and as [`sum`](Self::sum).
    pub fn agree<T>(&mut self, own: Result<T>) -> Result<T> {
        if self.size() == 1 {
            return own;
        }
        let (value, own) = match own {
            Ok(value) => (Some(value), Ok([])),
            Err(error) => (None, Err(error)),
        };
        self.gather_if_well(own.map(|own: [&f64; 0]| own), &mut [])?;
        Ok(value.expect("no rank has an error"))
    }

    /// The error that a rank has and tells the others, or is told.
    fn told(&mut self, own: Option<Error>, failed: usize, code: f64) -> Error {
        let mut text = own.as_ref().map_or_else(String::new, Error::to_string);
        let most = (0..=TEXT).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(most);
        let texts = self.gather_bytes(text.as_bytes());
        match (own, texts) {
            (Some(own), _) => own.within(format!("rank {}", self.rank())),
            (None, Err(error)) => error,
            (None, Ok(texts)) => {
                let text = String::from_utf8_lossy(&texts[failed]).into_owned();
                Error::new(kind_of(code), format!("rank {failed}"), "what the other ranks have", text)
                    .advise("all ranks end with it")
            }
        }
    }

    /// Gives every rank the bytes of all, however many each has.
    ///
    /// ```
    /// use polytask::ranks::{Exchange, Ranks, on_threads};
    ///
    /// let texts = on_threads(3, |ranks| {
    ///     let text = "abc"[..ranks.rank()].to_owned();
    ///     Exchange::new(ranks).gather_bytes(text.as_bytes())
    /// })?;
    /// assert_eq!(texts[2], [b"".to_vec(), b"a".to_vec(), b"ab".to_vec()]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`sum`](Self::sum).
    pub fn gather_bytes(&mut self, own: &[u8]) -> Result<Vec<Vec<u8>>> {
        let n = self.size();
        let mut lengths = vec![0.0; n];
        self.gather(&[own.len() as f64], &mut lengths)?;
        let lengths: Vec<usize> = lengths.into_iter().map(|length| length as usize).collect();
        let most = lengths.iter().copied().max().unwrap_or(0);
        let mut all: Vec<Vec<u8>> = lengths.iter().map(|&length| Vec::with_capacity(length)).collect();
        for begin in (0..most).step_by(AT_ONCE) {
            let bytes = AT_ONCE.min(most - begin);
            let (send, receive) = (room(&mut self.send, bytes), room(&mut self.receive, bytes * n));
            let part = &own[begin.min(own.len())..(begin + bytes).min(own.len())];
            send[..part.len()].copy_from_slice(part);
            self.ranks.all_gather(send, receive)?;
            for ((to, from), length) in all.iter_mut().zip(receive.chunks_exact(bytes)).zip(&lengths) {
                to.extend_from_slice(&from[..bytes.min(length.saturating_sub(begin))]);
            }
        }
        Ok(all)
    }
}

/// So many bytes of memory, whatever is in them.
fn room(memory: &mut Vec<u8>, bytes: usize) -> &mut [u8] {
    if memory.len() < bytes {
        memory.resize(bytes, 0);
    }
    &mut memory[..bytes]
}

/// The sum of what the ranks have sent, in their order.
fn add_up<'b, F: Scalar>(sent: impl Iterator<Item = &'b [u8]>, sums: &mut [F]) {
    for (rank, bytes) in sent.enumerate() {
        match rank {
            0 => read(bytes, sums),
            _ => add(bytes, sums),
        }
    }
}

/// Writes numbers as bytes, little-endian.
fn write<F: Scalar>(numbers: &[F], bytes: &mut [u8]) {
    match size_of::<F>() {
        4 => {
            let (bytes, _) = bytes.as_chunks_mut::<4>();
            bytes.iter_mut().zip(numbers).for_each(|(to, x)| *to = (x.to_f64() as f32).to_le_bytes());
        }
        _ => {
            let (bytes, _) = bytes.as_chunks_mut::<8>();
            bytes.iter_mut().zip(numbers).for_each(|(to, x)| *to = x.to_f64().to_le_bytes());
        }
    }
}

/// Reads numbers from bytes, as many as there is room for.
fn read<F: Scalar>(bytes: &[u8], numbers: &mut [F]) {
    for_each(bytes, numbers, |to, x| *to = x);
}

/// Adds numbers from bytes to others.
fn add<F: Scalar>(bytes: &[u8], numbers: &mut [F]) {
    for_each(bytes, numbers, |to, x| *to += x);
}

fn for_each<F: Scalar>(bytes: &[u8], numbers: &mut [F], with: impl Fn(&mut F, F)) {
    match size_of::<F>() {
        4 => {
            let (bytes, _) = bytes.as_chunks::<4>();
            let from = bytes.iter().map(|&bytes| F::from_f64(f64::from(f32::from_le_bytes(bytes))));
            numbers.iter_mut().zip(from).for_each(|(to, x)| with(to, x));
        }
        _ => {
            let (bytes, _) = bytes.as_chunks::<8>();
            let from = bytes.iter().map(|&bytes| F::from_f64(f64::from_le_bytes(bytes)));
            numbers.iter_mut().zip(from).for_each(|(to, x)| with(to, x));
        }
    }
}

const KINDS: [ErrorKind; 6] = [
    ErrorKind::Setting,
    ErrorKind::Shape,
    ErrorKind::Value,
    ErrorKind::Name,
    ErrorKind::File,
    ErrorKind::Rank,
];

/// The number that a kind of error is told by; 0 is none.
fn code_of(kind: ErrorKind) -> f64 {
    KINDS.iter().position(|&other| other == kind).map_or(KINDS.len(), |at| at + 1) as f64
}

fn kind_of(code: f64) -> ErrorKind {
    KINDS.get((code as usize).wrapping_sub(1)).copied().unwrap_or(ErrorKind::Rank)
}
