//! One file per WGSL file: its bindings, its parameters, its workgroups, and how it is recorded.

pub(super) mod activate;
pub(super) mod add;
pub(super) mod add_penalty;
pub(super) mod column_sums;
pub(super) mod copy;
pub(super) mod descend_chain;
pub(super) mod descend_columns;
pub(super) mod descend_rows;
pub(super) mod equalize;
pub(super) mod extrapolate;
pub(super) mod gradient_step;
pub(super) mod judge;
pub(super) mod look_ahead;
pub(super) mod matmul;
pub(super) mod momentum;
pub(super) mod multiplicative_step;
pub(super) mod nearest;
pub(super) mod nesterov_step;
pub(super) mod part;
pub(super) mod projected_gradient;
pub(super) mod quarter_root;
pub(super) mod scale;
pub(super) mod search_accept;
pub(super) mod search_decide;
pub(super) mod search_trial;
pub(super) mod settle;
pub(super) mod sparse_product;
pub(super) mod spectral;
pub(super) mod sum;
pub(super) mod sum_partials;

use super::context::Context;
use super::scheduler::{Kernel, Spec};

/// The compiled kernels, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Id {
    MatMulNN,
    MatMulTN,
    MatMulNT,
    SumPartials,
    ColumnSums,
    SpectralStep,
    SpectralFinish,
    AddPenalty,
    NesterovStep,
    NesterovStepRestart,
    Momentum,
    Extrapolate,
    Sum,
    QuarterRoot,
    Equalize,
    Scale,
    Copy,
    Activate,
    Add,
    SearchTrial,
    SearchDecide,
    SearchAccept,
    MultiplicativeStep,
    Part,
    GradientStep,
    ProjectedGradient,
    SparseProduct,
    DescendRows,
    DescendGather,
    DescendScatter,
    DescendColumns,
    DescendChainStart,
    DescendChain,
    LookAhead,
    Judge,
    Settle,
    Nearest,
}

/// Every kernel with the bytes of its parameters, in the order of [`Id`].
fn table() -> [(Id, Spec, usize); 37] {
    fn row<P>(id: Id, spec: Spec) -> (Id, Spec, usize) {
        (id, spec, size_of::<P>())
    }
    [
        row::<matmul::Params>(Id::MatMulNN, matmul::spec(&[])),
        row::<matmul::Params>(Id::MatMulTN, matmul::spec(&[("A_T", 1.0)])),
        row::<matmul::Params>(Id::MatMulNT, matmul::spec(&[("B_T", 1.0)])),
        row::<sum_partials::Params>(Id::SumPartials, sum_partials::SPEC),
        row::<column_sums::Params>(Id::ColumnSums, column_sums::SPEC),
        row::<spectral::StepParams>(Id::SpectralStep, spectral::STEP),
        row::<spectral::FinishParams>(Id::SpectralFinish, spectral::FINISH),
        row::<add_penalty::Params>(Id::AddPenalty, add_penalty::SPEC),
        row::<nesterov_step::Params>(Id::NesterovStep, nesterov_step::spec(&[])),
        row::<nesterov_step::Params>(Id::NesterovStepRestart, nesterov_step::spec(&[("RESTART", 1.0)])),
        row::<momentum::Params>(Id::Momentum, momentum::SPEC),
        row::<extrapolate::Params>(Id::Extrapolate, extrapolate::SPEC),
        row::<sum::Params>(Id::Sum, sum::SPEC),
        row::<quarter_root::Params>(Id::QuarterRoot, quarter_root::SPEC),
        row::<equalize::Params>(Id::Equalize, equalize::SPEC),
        row::<scale::Params>(Id::Scale, scale::SPEC),
        row::<copy::Params>(Id::Copy, copy::SPEC),
        row::<activate::Params>(Id::Activate, activate::SPEC),
        row::<add::Params>(Id::Add, add::SPEC),
        row::<search_trial::Params>(Id::SearchTrial, search_trial::SPEC),
        row::<search_decide::Params>(Id::SearchDecide, search_decide::SPEC),
        row::<search_accept::Params>(Id::SearchAccept, search_accept::SPEC),
        row::<multiplicative_step::Params>(Id::MultiplicativeStep, multiplicative_step::SPEC),
        row::<part::Params>(Id::Part, part::SPEC),
        row::<gradient_step::Params>(Id::GradientStep, gradient_step::SPEC),
        row::<projected_gradient::Params>(Id::ProjectedGradient, projected_gradient::SPEC),
        row::<sparse_product::Params>(Id::SparseProduct, sparse_product::SPEC),
        row::<descend_rows::Params>(Id::DescendRows, descend_rows::SPEC),
        row::<descend_columns::GatherParams>(Id::DescendGather, descend_columns::gather(&[])),
        row::<descend_columns::GatherParams>(Id::DescendScatter, descend_columns::gather(&[("STORE", 1.0)])),
        row::<descend_columns::Params>(Id::DescendColumns, descend_columns::SPEC),
        row::<descend_chain::StartParams>(Id::DescendChainStart, descend_chain::START),
        row::<descend_chain::Params>(Id::DescendChain, descend_chain::SPEC),
        row::<look_ahead::Params>(Id::LookAhead, look_ahead::SPEC),
        row::<judge::Params>(Id::Judge, judge::SPEC),
        row::<settle::Params>(Id::Settle, settle::SPEC),
        row::<nearest::Params>(Id::Nearest, nearest::SPEC),
    ]
}

/// Compiles all of them.
pub(super) fn compile(context: &Context) -> Vec<Kernel> {
    table().iter().map(|(id, spec, bytes)| Kernel::new(context, *id as usize, spec, *bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::gpu::context;
    use wgpu::naga;

    /// Numbers fit places, immediates fit the limit, and every file is valid WGSL whose bindings are those declared.
    #[test]
    fn every_kernel_is_what_it_says() {
        for (place, (id, spec, bytes)) in table().into_iter().enumerate() {
            let label = spec.label;
            assert_eq!(place, id as usize, "{label}");
            assert!(bytes <= context::IMMEDIATE_BYTES as usize, "{label}: {bytes} bytes");
            let module = naga::front::wgsl::parse_str(spec.source)
                .unwrap_or_else(|e| panic!("{label}: {}", e.emit_to_string(spec.source)));
            let capabilities = naga::valid::Capabilities::IMMEDIATES;
            naga::valid::Validator::new(naga::valid::ValidationFlags::all(), capabilities)
                .validate(&module)
                .unwrap_or_else(|e| panic!("{label}: {e:?}"));
            let [entry] = module.entry_points.as_slice() else { panic!("{label}: one entry point expected") };
            assert_eq!(entry.name, "main", "{label}");
            assert_eq!(entry.workgroup_size.iter().product::<u32>() % 64, 0, "{label}");
            let mut writes = Vec::new();
            let mut workgroup_bytes = 0;
            let mut immediates = 0;
            for (_, variable) in module.global_variables.iter() {
                let size = module.types[variable.ty].inner.size(module.to_ctx());
                match variable.space {
                    naga::AddressSpace::Storage { access } => {
                        let binding = variable.binding.as_ref().unwrap();
                        assert_eq!((binding.group, binding.binding), (0, writes.len() as u32), "{label}");
                        writes.push(access.contains(naga::StorageAccess::STORE));
                    }
                    naga::AddressSpace::WorkGroup => workgroup_bytes += size,
                    naga::AddressSpace::Immediate => immediates = size,
                    _ => {}
                }
            }
            assert_eq!(writes, spec.writes, "{label}");
            assert!(workgroup_bytes <= context::WORKGROUP_BYTES, "{label}");
            assert_eq!(immediates as usize, bytes, "{label}");
            for (name, _) in spec.constants {
                assert!(module.overrides.iter().any(|(_, o)| o.name.as_deref() == Some(name)), "{label}: {name}");
            }
        }
    }
}
