//! Reading ahead: while samples are computed with, a thread reads and prepares those that come next.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use ndarray::{ArcArray2, Array2};

use super::file::FileSamples;
use super::reading::Reading;
use crate::{Error, Result};

/// Samples of a file in shards, read one ahead as long as they are asked for in order, or with gaps that are all the same; after the
/// last one comes the first again, for the next pass.
///
/// Two shards are in memory: the one that was asked for last, and the next one. Their memory is used again as soon as the
/// shard before is no longer held by anybody else.
#[derive(Debug)]
pub struct ReadAhead {
    dim: (usize, usize),
    /// To the thread, which ends when this does.
    wanted: Option<Sender<Wanted>>,
    ready: Receiver<(Range<usize>, Result<Array2<f32>>)>,
    thread: Option<JoinHandle<()>>,
    /// What the thread reads.
    pending: Option<Range<usize>>,
    /// What was asked for last.
    given: Option<ArcArray2<f32>>,
    /// Rows of the shards of this pass.
    shard: usize,
    /// Those that were asked for last, and how far they are from those before.
    last: Range<usize>,
    step: usize,
    reading: Arc<Reading>,
}

/// Rows, and the memory for them.
type Wanted = (Range<usize>, Vec<f32>);

impl ReadAhead {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`Error::Io`] if the system has no thread for it.
    pub fn new(mut samples: FileSamples) -> Result<Self> {
        let (dim, path, reading) = (samples.dim(), samples.path().to_path_buf(), samples.reading());
        let (wanted, to_read) = channel::<Wanted>();
        let (done, ready) = channel();
        let work = move || {
            for (rows, memory) in to_read {
                let found = samples.read(rows.clone(), memory);
                if done.send((rows, found)).is_err() {
                    return;
                }
            }
        };
        let thread = Builder::new().name("read-ahead".into()).spawn(work).map_err(|e| Error::io(&path, e))?;
        Ok(Self {
            dim,
            wanted: Some(wanted),
            ready,
            thread: Some(thread),
            pending: None,
            given: None,
            shard: 0,
            last: 0..0,
            step: 0,
            reading,
        })
    }

    /// `(samples, features)`.
    pub fn dim(&self) -> (usize, usize) {
        self.dim
    }

    /// What was read so far, also while somebody else reads.
    pub fn reading(&self) -> Arc<Reading> {
        self.reading.clone()
    }

    /// These samples, preprocessed.
    ///
    /// # Errors
    /// As [`FileSamples::rows`].
    pub fn rows(&mut self, rows: Range<usize>) -> Result<ArcArray2<f32>> {
        let begin = Instant::now();
        let x = self.wait_for(rows.clone())?.into_shared();
        self.reading.hand_out(rows.len(), begin.elapsed());
        let in_order = rows.start == 0 || rows.start == self.last.end;
        let step = if in_order { rows.len() } else { rows.start.saturating_sub(self.last.start) };
        if rows.start == 0 || self.shard == 0 {
            self.shard = rows.len();
        }
        let before = self.given.take().and_then(|before| before.try_into_owned_nocopy().ok());
        let (n, _) = self.dim;
        let next = rows.start + step;
        if in_order && rows.end == n {
            self.want(0..self.shard, before)?;
        } else if next < n && (in_order || step == self.step) {
            self.want(next..n.min(next + self.shard.max(1)), before)?;
        }
        (self.last, self.step) = (rows, step);
        self.given = Some(x.clone());
        Ok(x)
    }

    fn wait_for(&mut self, rows: Range<usize>) -> Result<Array2<f32>> {
        let mut memory = None;
        if let Some(pending) = self.pending.take() {
            let found = self.ready.recv().map_err(|_| ended())?.1;
            if pending == rows {
                return found;
            }
            // Whatever went wrong with samples that nobody wants.
            memory = found.ok();
        }
        self.want(rows, memory)?;
        self.pending = None;
        self.ready.recv().map_err(|_| ended())?.1
    }

    fn want(&mut self, rows: Range<usize>, memory: Option<Array2<f32>>) -> Result<()> {
        let memory = memory.map_or_else(Vec::new, |x| x.into_raw_vec_and_offset().0);
        let sent = self.wanted.as_ref().is_some_and(|wanted| wanted.send((rows.clone(), memory)).is_ok());
        self.pending = Some(rows);
        if sent { Ok(()) } else { Err(ended()) }
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        drop(self.wanted.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn ended() -> Error {
    Error::Data("the thread that reads samples ahead has ended".into())
}
