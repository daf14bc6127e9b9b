//! Loops that the device ends itself: while one runs, dispatches take their workgroups from a buffer, in which the check
//! after an iteration writes zeros. Whatever is queued behind it is then skipped.
//!
//! Every distinct grid has a slot, which a small kernel fills when the grid first occurs, unless the loop is over by then: in
//! the order of the queue, so that nothing that comes late is revived. That kernel and the check itself are dispatched
//! directly, because a buffer cannot be written by the dispatch that takes its workgroups from it.

use super::context::Context;
use super::kernels;
use super::matrix::Buffer;
use super::scheduler::Workgroups;
use super::{GATE_BYTES, Gpu};
use crate::backend::Storage;
use crate::{Error, Result};
use std::collections::HashMap;
use std::sync::Arc;

/// Words before the slots, as in `shaders/stop.wgsl`.
const STATE: u32 = 5;
/// Words of a slot.
const SLOT: u32 = 3;
/// Words of all. No binding is too small for them.
const WORDS: u32 = GATE_BYTES / 4;

/// The buffer, and what it has slots for.
pub(super) struct Gate {
    buffer: Arc<Buffer>,
    slots: Slots,
    /// Whether this loop has been checked.
    checked: bool,
}

impl Gate {
    pub(super) fn new(context: &Context) -> Result<Self> {
        let buffer = Arc::new(Buffer::new(context.gate("gate", 4 * u64::from(WORDS))?, Storage::F32));
        let slots = Slots { of: None, capacity: (WORDS - STATE) / SLOT };
        Ok(Self { buffer, slots, checked: false })
    }

    pub(super) fn buffer(&self) -> Arc<Buffer> {
        Arc::clone(&self.buffer)
    }

    /// What a dispatch of `grid` that is placed `at` a word has its workgroups from.
    pub(super) fn workgroups(&self, grid: [u32; 3], at: Option<u32>) -> Workgroups<'_> {
        at.map_or(Workgroups::Here(grid), |at| Workgroups::In(&self.buffer.raw, 4 * u64::from(at)))
    }

    /// Begins or ends such a loop.
    pub(super) fn set(&mut self, on: bool) {
        (self.slots.of, self.checked) = (on.then(HashMap::new), false);
    }

    pub(super) fn note_check(&mut self) {
        self.checked = true;
    }
}

struct Slots {
    /// The word of every grid; None outside such a loop.
    of: Option<HashMap<[u32; 3], u32>>,
    capacity: u32,
}

impl Slots {
    /// The word at which a dispatch of `grid` finds its workgroups, and whether they have yet to be written there.
    fn place(&mut self, grid: [u32; 3]) -> Option<(u32, bool)> {
        let last = self.capacity - 1;
        let of = self.of.as_mut().filter(|_| !grid.contains(&0))?;
        if let Some(at) = of.get(&grid) {
            return Some((*at, false));
        }
        // All further grids share the last slot, which is written anew before every dispatch.
        let slot = u32::try_from(of.len()).map_or(last, |slot| slot.min(last));
        let at = STATE + SLOT * slot;
        if slot < last {
            of.insert(grid, at);
        }
        Some((at, true))
    }
}

impl Gpu {
    /// The word at which the dispatch of `grid` that comes next finds its workgroups; None where it needs none.
    pub(super) fn gated(&mut self, grid: [u32; 3]) -> Result<Option<u32>> {
        let most = self.context.max_workgroups;
        if grid.iter().any(|n| *n > most) {
            return Err(Error::DeviceFault(format!(
                "{grid:?} workgroups were asked for, {most} per dimension are allowed"
            )));
        }
        let Some((at, is_new)) = self.gate.slots.place(grid) else { return Ok(None) };
        if is_new {
            let first = !self.gate.checked;
            kernels::arm::record(self, at, grid, first)?;
        }
        Ok(Some(at))
    }

    /// Records one workgroup, which is not skipped.
    pub(super) fn dispatch_always(
        &mut self,
        id: kernels::Id,
        buffers: &[&Buffer],
        params: &impl bytemuck::Pod,
    ) -> Result<()> {
        let kernel = &self.kernels[id as usize];
        self.scheduler.dispatch(&self.context, kernel, buffers, bytemuck::bytes_of(params), Workgroups::Here([1, 1, 1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_have_slots_of_their_own_until_there_are_none() {
        let mut slots = Slots { of: None, capacity: 3 };
        assert_eq!(slots.place([1, 1, 1]), None);
        slots.of = Some(HashMap::new());
        assert_eq!(slots.place([0, 1, 1]), None);
        for is_new in [true, false] {
            assert_eq!(slots.place([1, 1, 1]), Some((5, is_new)));
            assert_eq!(slots.place([1, 2, 1]), Some((8, is_new)));
            assert_eq!(slots.place([2, 1, 1]), Some((11, true)));
            assert_eq!(slots.place([3, 1, 1]), Some((11, true)));
        }
    }
}
