//! Samples in a pass: X and H are known shard by shard, and one visit of every shard is one reading of X.
//!
//! A shard is a block of rows, and what an iteration does with the samples it does shard by shard: the right side `X_s Ψ`,
//! the block of `H_s`, and its part of the sums that couple the samples, `C = Σ_s X_sᵀ H_s` and `S = Σ_s H_sᵀ H_s`. So X is
//! read once per iteration, and the right side and the scratch of H have the size of a shard.

use super::cut::{Cut, Shard, timed};
use super::kept::{Kept, Parked};
use super::partials::Partials;
use super::source::Source;
use super::state::{State, Visitor};
use super::unit::Unit;
use crate::backend::{Apply, Backend, By, ColumnSums, Device, Element, MatMul, Rows, Storage, Sum};
use crate::model::Activation;
use crate::ranks::Phase;
use crate::{Error, Result};
use ndarray::{ArcArray2, Array2, ArrayView2, s};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What is visited shard by shard.
pub(crate) trait Shards<B: Backend> {
    fn cut(&self) -> Cut;
    /// `(samples, columns)`.
    fn shape(&self) -> (usize, usize);
    /// Hands every shard of this rank to `visit`, in order, once.
    fn pass(&mut self, b: &mut B, visit: &mut Visit<'_, B>) -> Result<()>;
    /// All samples as one matrix, where they are held as one: for what couples them otherwise than by a sum.
    fn whole(&self) -> Result<&B::Matrix>;
}

/// What is done with a shard.
pub(crate) type Visit<'a, B> = dyn FnMut(&mut B, Shard, &<B as Device>::Matrix) -> Result<()> + 'a;

/// Samples on the device, an X that is held or H; or an H that is in a scratch file.
pub(crate) struct Samples<B: Backend> {
    cut: Cut,
    cols: usize,
    kept: Kept<B>,
}

impl<B: Backend> Samples<B> {
    fn each(cut: Cut, cols: usize, shard: impl FnMut(Range<usize>) -> Result<B::Matrix>) -> Result<Self> {
        let kept = Kept::Device(cut.shards().map(shard).collect::<Result<_>>()?);
        Ok(Self { cut, cols, kept })
    }

    /// All 0.
    pub(crate) fn zeros(b: &mut B, cut: Cut, cols: usize) -> Result<Self> {
        Self::each(cut, cols, |rows| b.zeros(rows.len(), cols))
    }

    /// All 0, in a scratch file where there is a `folder` for it.
    pub(crate) fn zeros_in(b: &mut B, cut: Cut, cols: usize, folder: Option<&Path>) -> Result<Self> {
        let Some(folder) = folder else { return Self::zeros(b, cut, cols) };
        Ok(Self { cut, cols, kept: Kept::File(Box::new(Parked::zeros(b, cut, cols, folder)?)) })
    }

    /// Where these are in a scratch file, its folder.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        match &self.kept {
            Kept::Device(_) => None,
            Kept::File(parked) => Some(parked.folder().into()),
        }
    }

    /// The rows of this rank, from the host.
    pub(crate) fn upload(b: &mut B, cut: Cut, host: ArrayView2<'_, B::Elem>) -> Result<Self> {
        let first = cut.own().start;
        Self::each(cut, host.ncols(), |rows| b.upload(host.slice(s![rows.start - first..rows.end - first, ..])))
    }

    /// [`Samples::upload`], kept where [`Samples::zeros_in`] is.
    pub(crate) fn upload_in(b: &mut B, cut: Cut, host: ArrayView2<'_, B::Elem>, folder: Option<&Path>) -> Result<Self> {
        if folder.is_none() {
            return Self::upload(b, cut, host);
        }
        let mut new = Self::zeros_in(b, cut, host.ncols(), folder)?;
        for (s, rows) in cut.own_shards().enumerate() {
            let shard = new.at(b, s)?;
            b.write(host.slice(s![rows, ..]), shard)?;
        }
        Ok(new)
    }

    /// One matrix.
    pub(crate) fn of_one(b: &B, matrix: B::Matrix) -> Self {
        let (samples, cols) = b.shape(&matrix);
        Self { cut: Cut::whole(samples), cols, kept: Kept::Device(vec![matrix]) }
    }

    /// A shard, to be written.
    pub(crate) fn at(&mut self, b: &mut B, shard: usize) -> Result<&mut B::Matrix> {
        match &mut self.kept {
            Kept::Device(shards) => Ok(&mut shards[shard]),
            Kept::File(parked) => parked.at(b, shard, true),
        }
    }

    /// A shard, to be read.
    pub(crate) fn look(&mut self, b: &mut B, shard: usize) -> Result<&B::Matrix> {
        match &mut self.kept {
            Kept::Device(shards) => Ok(&shards[shard]),
            Kept::File(parked) => parked.at(b, shard, false).map(|m| &*m),
        }
    }

    /// The entries of this rank, of samples that are not needed on the device any more: a shard that is there leaves its memory.
    pub(crate) fn into_host(self, b: &mut B) -> Result<Array2<B::Elem>> {
        let work = |b: &mut B, mut h: Self| {
            let mut all = Array2::zeros((h.cut.own().len(), h.cols));
            let mut take = |b: &mut B, rows, shard: &B::Matrix| {
                all.slice_mut(s![rows, ..]).assign(&b.download(shard)?);
                Ok(())
            };
            match h.kept {
                Kept::Device(shards) => {
                    h.cut.own_shards().zip(shards).try_for_each(|(rows, shard)| take(b, rows, &shard))?;
                }
                Kept::File(_) => {
                    for (s, rows) in h.cut.own_shards().enumerate() {
                        let shard = h.look(b, s)?;
                        take(b, rows, shard)?;
                    }
                }
            }
            Ok(all)
        };
        match &self.kept {
            Kept::Device(shards) if shards.len() == 1 => download(b, &shards[0]),
            _ => b.by_host(self, work, |_, _| Ok(Array2::ones((1, 1)))),
        }
    }

    fn count(&self) -> usize {
        self.cut.shards().count()
    }

    /// `HᵀH`.
    pub(crate) fn gram(&mut self, b: &mut B, out: &mut B::Matrix) -> Result<()> {
        let mut all = Partials::new(self.cut);
        self.pass(b, &mut |b, s, h| {
            b.product(MatMul::TN, h, h, s.write, out)?;
            all.add(b, s, &[out], None)
        })?;
        all.finish(b, &mut [out], None)
    }

    /// Sums of squares of the columns, `out: 1 × columns`.
    pub(crate) fn squares(&mut self, b: &mut B, out: &mut B::Matrix) -> Result<()> {
        let mut all = Partials::new(self.cut);
        self.pass(b, &mut |b, s, h| {
            b.column_sums(h, ColumnSums::SumOfSquares, s.write, out)?;
            all.add(b, s, &[out], None)
        })?;
        all.finish(b, &mut [out], None)
    }

    /// Multiplies all columns, or all entries; or divides them.
    pub(crate) fn scale(&mut self, b: &mut B, by: By<'_, B::Matrix>, divide: bool) -> Result<()> {
        (0..self.count()).try_for_each(|s| {
            let h = self.at(b, s)?;
            b.scale(h, by, divide)
        })
    }

    /// A copy, kept where these are.
    pub(crate) fn copied(&mut self, b: &mut B) -> Result<Self> {
        let mut copy = Self::zeros_in(b, self.cut, self.cols, self.folder().as_deref())?;
        copy.copy_from(b, self)?;
        Ok(copy)
    }

    /// Copies others of the same cut.
    pub(crate) fn copy_from(&mut self, b: &mut B, from: &mut Self) -> Result<()> {
        for s in 0..self.count() {
            let (from, to) = (from.look(b, s)?, self.at(b, s)?);
            b.copy(from, to)?;
        }
        Ok(())
    }

    /// `g(H)` or `p(H)`.
    pub(crate) fn activated(&mut self, b: &mut B, activation: Activation, how: Apply) -> Result<Self> {
        let mut out = Self::zeros(b, self.cut, self.cols)?;
        for s in 0..self.count() {
            let (h, out) = (self.look(b, s)?, out.at(b, s)?);
            b.activate(activation, how, h, out)?;
        }
        Ok(out)
    }

    /// [`Shards::whole`], to be written.
    pub(crate) fn whole_mut(&mut self) -> Result<&mut B::Matrix> {
        let count = self.count();
        match &mut self.kept {
            Kept::Device(shards) if count == 1 => Ok(&mut shards[0]),
            _ => Err(in_pieces(count)),
        }
    }
}

impl<B: Backend> State<B> for Samples<B> {
    fn visit(&mut self, b: &mut B, visitor: &mut Visitor<'_>) -> Result<()> {
        self.visit_as(b, "H", visitor)
    }
}

impl<B: Backend> Samples<B> {
    /// As part of a state, under that name. Into how many shards they are cut is not written down.
    pub(crate) fn visit_as(&mut self, b: &mut B, name: &str, visitor: &mut Visitor<'_>) -> Result<()> {
        visitor.begin(name, self.shape())?;
        match visitor {
            Visitor::List(_) => Ok(()),
            Visitor::Write(_) => self.write(b, name, visitor),
            Visitor::Read(_) => self.fill(b, name, visitor),
        }
    }

    fn row_bytes(&self) -> usize {
        self.cols * size_of::<B::Elem>()
    }

    /// Those of all ranks, by the first one, to which the others send theirs.
    fn write(&mut self, b: &mut B, name: &str, visitor: &mut Visitor<'_>) -> Result<()> {
        let (cut, row, mut bytes) = (self.cut, self.row_bytes(), Vec::new());
        for s in 0..self.count() {
            let h = self.look(b, s)?;
            match cut.ranks().filter(|ranks| !ranks.is_first()) {
                None => visitor.write(b, name, h)?,
                Some(ranks) => {
                    bytes.clear();
                    Visitor::Write(&mut bytes).write(b, name, h)?;
                    ranks.send(0, &bytes)?;
                }
            }
        }
        let Some(ranks) = cut.ranks().filter(|ranks| ranks.is_first()) else { return Ok(()) };
        for rank in 1..ranks.size() {
            for shard in cut.shards_of(ranks, rank) {
                bytes.resize(shard.len() * row, 0);
                ranks.receive(rank, &mut bytes)?;
                visitor.write_bytes(&bytes)?;
            }
        }
        Ok(())
    }

    fn fill(&mut self, b: &mut B, name: &str, visitor: &mut Visitor<'_>) -> Result<()> {
        let (own, row) = (self.cut.own(), self.row_bytes());
        visitor.skip(own.start * row)?;
        for s in 0..self.count() {
            let h = self.at(b, s)?;
            visitor.fill(b, name, h)?;
        }
        visitor.skip((self.cut.samples - own.end) * row)
    }
}

impl<B: Backend> Shards<B> for Samples<B> {
    fn cut(&self) -> Cut {
        self.cut
    }

    fn shape(&self) -> (usize, usize) {
        (self.cut.samples, self.cols)
    }

    fn pass(&mut self, b: &mut B, visit: &mut Visit<'_, B>) -> Result<()> {
        (0..self.count()).try_for_each(|s| {
            let (shard, h) = (self.cut.shard(s), self.look(b, s)?);
            visit(b, shard, h)
        })
    }

    fn whole(&self) -> Result<&B::Matrix> {
        match &self.kept {
            Kept::Device(shards) if shards.len() == 1 => Ok(&shards[0]),
            _ => Err(in_pieces(self.count())),
        }
    }
}

/// The entries of a matrix that is part of a result; one for all of them, where a device only counts.
pub(crate) fn download<B: Backend>(b: &mut B, m: &B::Matrix) -> Result<Array2<B::Elem>> {
    b.by_host(m, |b, m| b.download(m), |_, _| Ok(Array2::ones((1, 1))))
}

fn in_pieces(shards: usize) -> Error {
    Error::Config(format!(
        "the model couples all samples, so that X has to be held as one matrix, and it is in {shards} pieces"
    ))
}

/// An X that is read in every pass, a shard at a time.
pub(crate) struct Streamed<'a, E> {
    source: &'a mut dyn Source<E>,
    unit: Unit,
    storage: Storage,
    cut: Cut,
    /// The last shard in its unit: its memory is that of the next one, once nobody else has it.
    divided: Option<ArcArray2<E>>,
}

impl<'a, E: Element> Streamed<'a, E> {
    pub(crate) fn new(source: &'a mut dyn Source<E>, unit: Unit, storage: Storage, cut: Cut) -> Self {
        Self { source, unit, storage, cut, divided: None }
    }

    /// These rows in their unit.
    fn rows(&mut self, rows: Range<usize>) -> Result<Rows<'_, E>> {
        let x = self.source.rows(rows)?;
        if self.unit == Unit::ONE {
            return Ok(x);
        }
        let memory = self.divided.take().and_then(|before| before.try_into_owned_nocopy().ok());
        let divided = self.unit.divide_into(x.view(), memory.unwrap_or_default())?.into_shared();
        self.divided = Some(divided.clone());
        Ok(divided.into())
    }
}

impl<B: Backend> Shards<B> for Streamed<'_, B::Elem> {
    fn cut(&self) -> Cut {
        self.cut
    }

    fn shape(&self) -> (usize, usize) {
        (self.cut.samples, self.source.shape().1)
    }

    fn pass(&mut self, b: &mut B, visit: &mut Visit<'_, B>) -> Result<()> {
        for (s, rows) in self.cut.shards().enumerate() {
            let (storage, ranks) = (self.storage, self.cut.ranks());
            let read = || b.upload_data(self.rows(rows)?, storage);
            let (shard, _) = timed(ranks, Phase::Reading, read)?;
            visit(b, self.cut.shard(s), &shard)?;
        }
        Ok(())
    }

    fn whole(&self) -> Result<&B::Matrix> {
        Err(Error::Config("the model couples all samples, so that X has to be held, and it is read in passes".into()))
    }
}

/// Brings all of X to the device, and says how it is stored there. [`Storage::Auto`] is one storage for all shards.
pub(crate) fn hold<B: Backend>(
    b: &mut B,
    source: &mut dyn Source<B::Elem>,
    unit: Unit,
    storage: Storage,
    cut: Cut,
) -> Result<(Samples<B>, Storage)> {
    let (mut found, mut mixed) = (None, false);
    let x = Samples::each(cut, source.shape().1, |rows| {
        let (shard, stored) = b.upload_data(unit.divide(source.rows(rows)?), storage)?;
        mixed |= *found.get_or_insert(stored) != stored;
        Ok(shard)
    })?;
    if let Some(ranks) = cut.ranks() {
        // One storage for the shards of all ranks, too.
        let others = found.is_some_and(|found| found != Storage::U8);
        mixed = ranks.any([mixed || found == Some(Storage::U8), mixed || others])? == [true; 2];
    }
    if mixed {
        // Some shards are whole bytes, others are not.
        drop(x);
        return hold(b, source, unit, Storage::F32, cut);
    }
    Ok((x, found.unwrap_or(storage)))
}

/// `(Σ_ij v_ij, ‖V‖²)`, of the V that is on the device. A pass; waits.
pub(crate) fn totals<B: Backend>(b: &mut B, v: &mut dyn Shards<B>) -> Result<(f64, f64)> {
    let mut sums = b.scalars(2)?;
    let mut all = Partials::new(v.cut());
    v.pass(b, &mut |b, s, v| {
        b.reduce(Sum::Entries(v), s.write, &mut sums, 0)?;
        b.reduce(Sum::Dot(v, v), s.write, &mut sums, 1)?;
        all.add(b, s, &[], Some((&sums, &[0, 1])))
    })?;
    all.finish(b, &mut [], Some((&mut sums, &[0, 1])))?;
    let sums = b.read(&sums)?;
    Ok((sums[0], sums[1]))
}
