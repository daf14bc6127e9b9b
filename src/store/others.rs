//! Rows of H that other ranks have: rank 0 asks for them while it writes, so that none has those of all in memory.

use ndarray::{Array2, s};

use crate::Result;
use crate::backend::rows_of_bytes;
use crate::ranks::Ranks;

/// Bytes of what is asked for at a time.
const BYTES: usize = 16 << 20;
/// In the place of a tensor: nothing more is asked for.
const OVER: u64 = u64::MAX;

/// The other ranks, as rank 0 knows them.
#[derive(Debug, Default)]
pub(super) struct Others {
    ranks: Option<Ranks>,
    /// How many rows each rank has.
    rows: Vec<usize>,
}

impl Others {
    /// Of a rank with so many rows.
    pub(super) fn of(ranks: Ranks, rows: usize) -> Result<Self> {
        Ok(Self { ranks: Some(ranks), rows: ranks.all_of(&rows)? })
    }

    /// How many rows those have that are not rank 0.
    pub(super) fn rows(&self) -> usize {
        self.rows.iter().skip(1).sum()
    }

    /// Hands over their rows of a tensor, in order.
    pub(super) fn each(
        &self,
        tensor: usize,
        cols: usize,
        take: &mut dyn FnMut(&Array2<f32>) -> Result<()>,
    ) -> Result<()> {
        let Some(ranks) = self.ranks else { return Ok(()) };
        let at_a_time = rows_of_bytes::<f32>(BYTES, cols);
        for (rank, &rows) in self.rows.iter().enumerate().skip(1) {
            for start in (0..rows).step_by(at_a_time) {
                let end = rows.min(start + at_a_time);
                ranks.send(rank, bytemuck::cast_slice(&[tensor as u64, start as u64, end as u64]))?;
                let mut part = Array2::zeros((end - start, cols));
                ranks.receive_rows(rank, part.view_mut())?;
                take(&part)?;
            }
        }
        Ok(())
    }

    /// Rank 0 asks for nothing more.
    pub(super) fn end(&self) -> Result<()> {
        let Some(ranks) = self.ranks else { return Ok(()) };
        (1..ranks.size()).try_for_each(|rank| ranks.send(rank, bytemuck::cast_slice(&[OVER, 0, 0])))
    }
}

/// Answers rank 0 until it asks for nothing more; `of` are the rows that this rank has of a tensor.
pub(super) fn answer<'a>(ranks: Ranks, of: &dyn Fn(usize) -> Option<&'a Array2<f32>>) -> Result<()> {
    loop {
        let mut asked = [0_u64; 3];
        ranks.receive(0, bytemuck::cast_slice_mut(&mut asked))?;
        let [tensor, start, end] = asked.map(|number| number as usize);
        let Some(rows) = of(tensor).filter(|_| asked[0] != OVER) else { return Ok(()) };
        ranks.send_rows(0, rows.slice(s![start..end, ..]))?;
    }
}
