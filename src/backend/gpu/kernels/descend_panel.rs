//! `shaders/descend_panel.wgsl`: coordinate descent on columns that a penalty on their sums couples, a panel of them at a time, whose
//! `u = XG` comes from one product.

use super::super::matrix::Matrix;
use super::super::pipeline::{Key, Program, Spec, word};
use super::super::recorder::Recorder;
use super::super::template::expand;
use super::descend_gather::{Gathered, pitch};
use super::matmul::{self, Products};
use crate::Result;
use crate::backend::{Descent, Element, Write};
use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(in super::super) struct Params {
    rows: u32,
    ld: u32,
    g_ld: u32,
    pitch: u32,
    first: u32,
    columns: u32,
    mu: f32,
}

/// What the invocations of the workgroup hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) struct Panel {
    /// Rows of an invocation.
    rows: usize,
    /// Quads of columns.
    quads: usize,
}

/// Panels whose x and u registers hold.
const PANELS: [Panel; 5] = [
    Panel { rows: 1, quads: 8 },
    Panel { rows: 2, quads: 8 },
    Panel { rows: 4, quads: 4 },
    Panel { rows: 8, quads: 2 },
    Panel { rows: 16, quads: 1 },
];
/// Invocations of the workgroup.
const THREADS: usize = 256;

impl Panel {
    /// For a block with a penalty that lies in one shard and whose columns are not too long.
    pub(super) fn of(recorder: &Recorder, block: &Descent<'_, Matrix>, x: &Matrix) -> Option<Self> {
        let whole = [x, block.rhs, block.gram].iter().all(|m| m.shards.len() == 1);
        let suits = block.mu > 0.0 && whole && !recorder.context.options.unfused;
        PANELS.into_iter().find(|panel| x.rows <= panel.rows * THREADS).filter(|_| suits)
    }

    /// Records all panels of [`Panel::of`]'s block.
    pub(super) fn record(
        self,
        recorder: &mut Recorder,
        products: &Products,
        block: Descent<'_, Matrix>,
        x: &Matrix,
    ) -> Result<()> {
        let (gram, pitch) = (block.gram, pitch(x.rows));
        let u = Gathered::new(recorder, x)?.u;
        for first in (0..block.sweeps).flat_map(|_| (0..x.cols).step_by(4 * self.quads)) {
            let columns = (x.cols - first).min(4 * self.quads);
            matmul::record_rows_nt_onto(recorder, products, (gram, first, columns), x, (&u, pitch), Write::Replace)?;
            let params = Params {
                rows: word(x.rows)?,
                ld: word(x.ld)?,
                g_ld: word(gram.ld)?,
                pitch: word(pitch)?,
                first: word(first / 4)?,
                columns: word(columns)?,
                mu: f32::of(block.mu),
            };
            let buffers = [&x.shards[0], &block.rhs.shards[0], &gram.shards[0], &*u];
            recorder.dispatch(&self, &buffers, &params, [1, 1, 1])?;
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn all() -> [Self; 5] {
        PANELS
    }
}

#[cfg(test)]
impl std::fmt::Display for Panel {
    /// Rows and quads of columns of an invocation.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.rows, self.quads)
    }
}

impl Program for Panel {
    fn key(&self) -> Key {
        Key { label: "descend_panel", variant: self.rows as u64 }
    }

    fn spec(&self) -> Spec {
        let file = include_str!("../../../../shaders/descend_panel.wgsl");
        let source = expand(file, &[("ROWS", self.rows), ("QUADS", self.quads)]).into();
        Spec { source, ..Spec::new::<Params>("descend_panel", file, &[true, false, false, false]) }
    }
}
