//! One file per WGSL file: its bindings, its parameters, its workgroups, and how it is recorded.

pub(super) mod arm;
pub(super) mod column_sums;
pub(super) mod descend_chain;
pub(super) mod descend_columns;
pub(super) mod descend_rows;
pub(super) mod equalize;
pub(super) mod judge;
pub(super) mod map;
pub(super) mod matmul;
pub(super) mod matmul_halves;
pub(super) mod matmul_tiled;
pub(super) mod momentum;
pub(super) mod nearest;
pub(super) mod nesterov_rows;
pub(super) mod search_decide;
pub(super) mod sparse_product;
pub(super) mod spectral;
pub(super) mod stop;
pub(super) mod sum;
pub(super) mod sum_partials;
pub(super) mod template;

use super::context::Context;
use super::scheduler::{Kernel, Spec};
use crate::Result;
use crate::backend::Storage;
use matmul_tiled::Program;

/// The compiled kernels, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Id {
    SumPartials,
    ColumnSums,
    SpectralStep,
    SpectralFinish,
    Momentum,
    Equalize,
    SearchDecide,
    SparseProduct,
    DescendRows,
    DescendGather,
    DescendScatter,
    DescendColumns,
    DescendChainStart,
    DescendChain,
    Judge,
    Nearest,
    Halve,
    Arm,
    Stop,
}

/// Every kernel with the bytes of its parameters, in the order of [`Id`].
fn table() -> [(Id, Spec<'static>, usize); 19] {
    fn row<P>(id: Id, spec: Spec<'static>) -> (Id, Spec<'static>, usize) {
        (id, spec, size_of::<P>())
    }
    [
        row::<sum_partials::Params>(Id::SumPartials, sum_partials::SPEC),
        row::<column_sums::Params>(Id::ColumnSums, column_sums::SPEC),
        row::<spectral::StepParams>(Id::SpectralStep, spectral::STEP),
        row::<spectral::FinishParams>(Id::SpectralFinish, spectral::FINISH),
        row::<momentum::Params>(Id::Momentum, momentum::SPEC),
        row::<equalize::Params>(Id::Equalize, equalize::SPEC),
        row::<search_decide::Params>(Id::SearchDecide, search_decide::SPEC),
        row::<sparse_product::Params>(Id::SparseProduct, sparse_product::SPEC),
        row::<descend_rows::Params>(Id::DescendRows, descend_rows::SPEC),
        row::<descend_columns::GatherParams>(Id::DescendGather, descend_columns::gather(&[])),
        row::<descend_columns::GatherParams>(Id::DescendScatter, descend_columns::gather(&[("STORE", 1.0)])),
        row::<descend_columns::Params>(Id::DescendColumns, descend_columns::SPEC),
        row::<descend_chain::StartParams>(Id::DescendChainStart, descend_chain::START),
        row::<descend_chain::Params>(Id::DescendChain, descend_chain::SPEC),
        row::<judge::Params>(Id::Judge, judge::SPEC),
        row::<nearest::Params>(Id::Nearest, nearest::SPEC),
        row::<matmul_halves::HalveParams>(Id::Halve, matmul_halves::HALVE),
        row::<arm::Params>(Id::Arm, arm::SPEC),
        row::<stop::Params>(Id::Stop, stop::SPEC),
    ]
}

/// A kernel of which there are many, compiled when it is first needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Lazy {
    Map(map::Program),
    MatMul(matmul_tiled::Program),
    /// By how the first operand is stored.
    Sum(Storage),
    NesterovRows(nesterov_rows::Tile),
    Halves(matmul_halves::Program),
}

impl Lazy {
    fn source(&self) -> String {
        match self {
            Self::Map(program) => program.source(),
            Self::MatMul(program) => program.source(),
            Self::Sum(storage) => sum::source(*storage),
            Self::NesterovRows(tile) => tile.source(),
            Self::Halves(program) => program.source(),
        }
    }

    fn spec<'a>(&self, source: &'a str) -> (Spec<'a>, usize) {
        match self {
            Self::Map(program) => {
                let (label, writes) = (program.label(), program.writes().into());
                (Spec { label, source, writes, trusted: false, constants: &[] }, program.immediate_bytes())
            }
            Self::MatMul(program) => (program.spec(source), Program::PARAMS),
            Self::Sum(storage) => (sum::spec(source, *storage), size_of::<sum::Params>()),
            Self::Halves(_) => (matmul_halves::spec(source), size_of::<matmul_halves::Params>()),
            Self::NesterovRows(_) => (nesterov_rows::spec(source), size_of::<nesterov_rows::Params>()),
        }
    }

    /// Compiles it; `id` is a number that no other kernel has.
    pub(super) fn compile(&self, context: &Context, id: usize) -> Result<Kernel> {
        let source = self.source();
        let (spec, bytes) = self.spec(&source);
        let storage = match self {
            Self::MatMul(Program { storage, .. }) | Self::Sum(storage) => *storage,
            Self::Map(_) | Self::NesterovRows(_) => Storage::F32,
            Self::Halves(_) => Storage::F16,
        };
        Kernel::new(context, id, &spec, bytes, storage)
    }
}

/// Compiles all of the table.
pub(super) fn compile(context: &Context) -> Result<Vec<Kernel>> {
    table().iter().map(|(id, spec, bytes)| Kernel::new(context, *id as usize, spec, *bytes, Storage::F32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::gpu::context;
    use crate::backend::{Formula, MatMul};
    use wgpu::naga;

    /// The bytes of workgroup memory of what is one valid WGSL file with the bindings, parameters and constants it is
    /// declared with.
    fn check(spec: &Spec<'_>, bytes: usize) -> u32 {
        let label = spec.label;
        assert!(bytes <= context::IMMEDIATE_BYTES as usize, "{label}: {bytes} bytes");
        let module = naga::front::wgsl::parse_str(spec.source)
            .unwrap_or_else(|e| panic!("{label}: {}", e.emit_to_string(spec.source)));
        use naga::valid::Capabilities as Can;
        let capabilities = Can::IMMEDIATES
            | Can::SHADER_FLOAT16_IN_FLOAT32
            | Can::SHADER_FLOAT16
            | Can::SUBGROUP
            | Can::COOPERATIVE_MATRIX;
        naga::valid::Validator::new(naga::valid::ValidationFlags::all(), capabilities)
            .validate(&module)
            .unwrap_or_else(|e| panic!("{label}: {e:?}"));
        let [entry] = module.entry_points.as_slice() else { panic!("{label}: one entry point expected") };
        assert_eq!(entry.name, "main", "{label}");
        let invocations = entry.workgroup_size.iter().product::<u32>();
        assert!(invocations % 64 == 0 && invocations <= context::INVOCATIONS, "{label}: {invocations}");
        let (mut bindings, mut workgroup_bytes, mut immediates) = (Vec::new(), 0, 0);
        for (_, variable) in module.global_variables.iter() {
            let size = module.types[variable.ty].inner.size(module.to_ctx());
            match variable.space {
                naga::AddressSpace::Storage { access } => {
                    let at = variable.binding.as_ref().unwrap();
                    bindings.push((at.group, at.binding, access.contains(naga::StorageAccess::STORE)));
                }
                naga::AddressSpace::WorkGroup => workgroup_bytes += size,
                naga::AddressSpace::Immediate => immediates = size,
                _ => {}
            }
        }
        bindings.sort();
        let declared: Vec<_> = spec.writes.iter().zip(0..).map(|(write, binding)| (0, binding, *write)).collect();
        assert_eq!(bindings, declared, "{label}");
        assert_eq!(immediates as usize, bytes, "{label}");
        for (name, _) in spec.constants {
            assert!(module.overrides.iter().any(|(_, o)| o.name.as_deref() == Some(name)), "{label}: {name}");
        }
        workgroup_bytes
    }

    /// Numbers fit places, and every file is what it says.
    #[test]
    fn every_kernel_is_what_it_says() {
        for (place, (id, spec, bytes)) in table().into_iter().enumerate() {
            assert_eq!(place, id as usize, "{}", spec.label);
            assert!(check(&spec, bytes) <= context::WORKGROUP_BYTES, "{}", spec.label);
        }
    }

    #[test]
    fn every_sum_is_what_it_says() {
        for storage in [Storage::F32, Storage::F16, Storage::U8] {
            let source = Lazy::Sum(storage).source();
            let (spec, bytes) = Lazy::Sum(storage).spec(&source);
            assert!(check(&spec, bytes) <= context::WORKGROUP_BYTES);
        }
    }

    #[test]
    fn every_formula_is_a_kernel() {
        for formula in Formula::all() {
            for kinds in formula.combinations() {
                let program = Lazy::Map(map::Program::new(formula, kinds));
                let source = program.source();
                let (spec, bytes) = program.spec(&source);
                assert_eq!(check(&spec, bytes), 0, "{program:?}");
            }
        }
    }

    #[test]
    fn every_product_of_halves_is_what_it_says() {
        for size in context::FRAGMENT_SIZES {
            for transposed in [false, true] {
                let program = Lazy::Halves(matmul_halves::Program { size, transposed });
                let source = program.source();
                let (spec, bytes) = program.spec(&source);
                assert_eq!(check(&spec, bytes), 0, "{size} {transposed}");
            }
        }
    }

    #[test]
    fn every_fused_block_is_what_it_says() {
        for tile in nesterov_rows::Tile::all() {
            let source = Lazy::NesterovRows(tile).source();
            let (spec, bytes) = Lazy::NesterovRows(tile).spec(&source);
            assert_eq!(check(&spec, bytes) as usize, tile.workgroup_bytes(), "{tile:?}");
        }
    }

    /// Every variant of every product, with the workgroup memory by which adapters are chosen for it.
    #[test]
    fn every_product_is_what_it_says() {
        for (variant, v) in matmul_tiled::VARIANTS.iter().enumerate() {
            for op in [MatMul::NN, MatMul::TN, MatMul::NT] {
                for storage in [Storage::F32, Storage::F16, Storage::U8] {
                    let program = Lazy::MatMul(Program { op, variant, storage });
                    let source = program.source();
                    let (spec, bytes) = program.spec(&source);
                    assert_eq!(check(&spec, bytes) as usize, v.workgroup_bytes(op), "{} {op:?} {storage:?}", v.name);
                }
            }
        }
    }
}
