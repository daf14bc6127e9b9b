//! Where the shards of coefficients are: on the device, or in a scratch file from which one at a time is brought there.

use super::cut::{Cut, Scratch};
use super::state::{read_rows, write_rows};
use crate::backend::Backend;
use crate::{Error, Result};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The shards of samples.
pub(super) enum Kept<B: Backend> {
    /// On the device.
    Device(Vec<B::Matrix>),
    /// In a file.
    File(Box<Parked<B>>),
}

/// Shards in a file without a name, which is gone with the process, however that ends.
pub(super) struct Parked<B: Backend> {
    folder: PathBuf,
    /// None on a device that only counts.
    file: Option<File>,
    /// Where each shard begins, in bytes.
    starts: Vec<u64>,
    rows: Vec<usize>,
    /// The shard that is on the device, one for every size that there is.
    here: Scratch<Here<B>>,
}

struct Here<B: Backend> {
    matrix: B::Matrix,
    shard: Option<usize>,
    /// Whether the file has another one.
    changed: bool,
}

impl<B: Backend> Parked<B> {
    /// All 0.
    pub(super) fn zeros(b: &mut B, cut: Cut, cols: usize, folder: &Path) -> Result<Self> {
        let rows: Vec<usize> = cut.shards().map(|rows| rows.len()).collect();
        let mut end = 0;
        let starts = rows.iter().map(|rows| {
            let start = end;
            end += (rows * cols * size_of::<B::Elem>()) as u64;
            start
        });
        let starts = starts.collect();
        let make = |_: &mut B, folder: &Path| {
            let file = tempfile::tempfile_in(folder).map_err(|e| Error::io(folder, e))?;
            crate::atomic::reserve(&file, &folder.join("the scratch file of coefficients"), end)?;
            file.set_len(end).map_err(|e| Error::io(folder, e))?;
            Ok(Some(file))
        };
        let file = b.by_host(folder, make, |_, _| Ok(None))?;
        let here = Scratch::new(cut, |rows| Ok(Here { matrix: b.zeros(rows, cols)?, shard: None, changed: false }))?;
        Ok(Self { folder: folder.into(), file, starts, rows, here })
    }

    /// A shard; what is `changed` of it is written to the file before the next one takes its place.
    pub(super) fn at(&mut self, b: &mut B, shard: usize, changes: bool) -> Result<&mut B::Matrix> {
        let Self { folder, file, starts, rows, here } = self;
        let here = here.rows(rows[shard])?;
        if let Some(file) = file.as_mut().filter(|_| here.shard != Some(shard)) {
            let failed = |e| Error::io(&*folder, e);
            if let Some(before) = here.shard.filter(|_| here.changed) {
                file.seek(SeekFrom::Start(starts[before])).map_err(failed)?;
                write_rows(b, "H", &here.matrix, file)?.map_err(failed)?;
            }
            file.seek(SeekFrom::Start(starts[shard])).map_err(failed)?;
            read_rows(b, "H", &mut here.matrix, file)?.map_err(failed)?;
            (here.shard, here.changed) = (Some(shard), false);
        }
        here.changed |= changes;
        Ok(&mut here.matrix)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}
