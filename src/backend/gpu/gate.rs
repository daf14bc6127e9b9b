//! Loops that the device ends itself: while one runs, dispatches take their workgroups from a buffer, in which the check
//! after an iteration writes zeros. Whatever is queued behind it is then skipped.
//!
//! Every distinct grid has a slot, which a small kernel fills when the grid first occurs, unless the loop is over by then: in
//! the order of the queue, so that nothing that comes late is revived. That kernel and the check itself are dispatched
//! directly, because a buffer cannot be written by the dispatch that takes its workgroups from it.

use super::context::Context;
use super::matrix::Buffer;
use super::pipeline::Spec;
use crate::Result;
use crate::backend::Storage;
use bytemuck::{Pod, Zeroable};
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes of the gate: room for the distinct grids of any loop there is, ten times over.
pub(super) const GATE_BYTES: u32 = 3 << 10;
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

    /// Where the dispatch of `grid` that comes next finds its workgroups; None where it needs none.
    pub(super) fn place(&mut self, grid: [u32; 3]) -> Option<Place> {
        let (word, is_new) = self.slots.place(grid)?;
        let first = !self.checked;
        Some(Place { word, arm: is_new.then_some(Arm { at: word, grid, first: first.into() }) })
    }

    /// Begins or ends such a loop.
    pub(super) fn set(&mut self, on: bool) {
        (self.slots.of, self.checked) = (on.then(HashMap::new), false);
    }

    pub(super) fn note_check(&mut self) {
        self.checked = true;
    }
}

/// A slot of the gate.
pub(super) struct Place {
    /// Where it begins.
    pub(super) word: u32,
    /// How it has to be filled first.
    pub(super) arm: Option<Arm>,
}

/// The parameters of [`ARM`]; `first` where the loop has not been checked yet.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct Arm {
    at: u32,
    grid: [u32; 3],
    first: u32,
}

/// The workgroups of an indirect dispatch.
pub(super) const ARM: Spec = Spec::new::<Arm>("arm", include_str!("../../../shaders/arm.wgsl"), &[true]);

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
