//! `shaders/descend_rows.wgsl`: coordinate descent on rows on their own.

use super::super::matrix::Matrix;
use super::super::pipeline::{Spec, word};
use super::super::recorder::Recorder;
use crate::Result;
use crate::backend::Descent;
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    k: u32,
    ld: u32,
    g_ld: u32,
    g_row0: u32,
    g_rows: u32,
    sweeps: u32,
}

pub(super) const SPEC: Spec =
    Spec::new::<Params>("descend_rows", include_str!("../../../../shaders/descend_rows.wgsl"), &[true, false, false]);

/// Rows per workgroup, as in the shader.
const TILE: usize = 64;

pub(in super::super) fn record(recorder: &mut Recorder, block: Descent<'_, Matrix>, x: &Matrix) -> Result<()> {
    let gram = block.gram;
    // A dispatch knows one shard of the Gram. Where there are more, a sweep goes from one to the next.
    let (dispatches, sweeps) = if gram.shards.len() > 1 { (block.sweeps, 1) } else { (1, block.sweeps) };
    for _ in 0..dispatches {
        for (of_gram, g_row0, g_rows) in gram.each_shard() {
            for (i, (shard, _, rows)) in x.each_shard().enumerate() {
                let params = Params {
                    rows: word(rows)?,
                    k: word(x.cols)?,
                    ld: word(x.ld)?,
                    g_ld: word(gram.ld)?,
                    g_row0: word(g_row0)?,
                    g_rows: word(g_rows)?,
                    sweeps: word(sweeps)?,
                };
                let buffers = [shard, &block.rhs.shards[i], of_gram];
                recorder.dispatch(&SPEC, &buffers, &params, [recorder.groups(rows, TILE), 1, 1])?;
            }
        }
    }
    Ok(())
}
