//! One file per WGSL file: its bindings, its parameters, its workgroups, and how it is recorded.

pub(super) mod class;
pub(super) mod column_sums;
pub(super) mod descend_chain;
pub(super) mod descend_columns;
pub(super) mod descend_gather;
pub(super) mod descend_panel;
pub(super) mod descend_rows;
pub(super) mod equalize;
pub(super) mod judge;
pub(super) mod map;
pub(super) mod matmul;
pub(super) mod matmul_halves;
pub(super) mod matmul_tiled;
pub(super) mod momentum;
pub(super) mod nearest;
pub(super) mod nesterov_columns;
pub(super) mod nesterov_rows;
pub(super) mod search_decide;
pub(super) mod sparse_product;
pub(super) mod spectral;
pub(super) mod stop;
pub(super) mod sum;
pub(super) mod sum_partials;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::gpu::adapters;
    use crate::backend::gpu::context::FRAGMENT_SIZES;
    use crate::backend::gpu::gate;
    use crate::backend::gpu::pipeline::{Program, Spec};
    use crate::backend::{Formula, MatMul, Storage};
    use std::collections::HashSet;
    use wgpu::naga;

    /// The bytes of workgroup memory of what is one valid WGSL file with the bindings, parameters and constants it is
    /// declared with.
    fn check(program: &impl Program) -> usize {
        let spec = program.spec();
        let (label, source, bytes) = (spec.label, spec.text(), spec.immediate_bytes);
        assert!(bytes.is_multiple_of(4), "{label}");
        assert!(bytes <= adapters::IMMEDIATE_BYTES as usize, "{label}: {bytes} bytes");
        let module =
            naga::front::wgsl::parse_str(&source).unwrap_or_else(|e| panic!("{label}: {}", e.emit_to_string(&source)));
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
        assert!(invocations > 0 && invocations <= adapters::INVOCATIONS, "{label}: {invocations}");
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
        workgroup_bytes as usize
    }

    const STORAGES: [Storage; 3] = [Storage::F32, Storage::F16, Storage::U8];
    /// Columns of Grams.
    const SPECTRAL: [usize; 9] =
        [1, 2, 5, 40, 100, 101, spectral::Whole::KEPT, spectral::Whole::KEPT + 1, spectral::Whole::MOST];
    /// The kernels that are one each.
    const FILES: [Spec; 18] = [
        sum_partials::SPEC,
        column_sums::SPEC,
        spectral::STEP,
        spectral::FINISH,
        momentum::SPEC,
        equalize::SPEC,
        search_decide::SPEC,
        sparse_product::SPEC,
        descend_gather::GATHER,
        descend_gather::SCATTER,
        descend_columns::SPEC,
        descend_columns::THRESHOLD,
        descend_chain::SPEC,
        judge::SPEC,
        nearest::SPEC,
        matmul_halves::HALVE,
        gate::ARM,
        stop::SPEC,
    ];

    #[test]
    fn every_file_is_what_it_says() {
        for spec in &FILES {
            assert!(check(spec) <= adapters::WORKGROUP_BYTES as usize, "{}", spec.label);
        }
        for storage in STORAGES {
            assert!(check(&sum::Sum(storage)) <= adapters::WORKGROUP_BYTES as usize);
        }
        for panel in descend_panel::Panel::all() {
            assert!(check(&panel) <= adapters::WORKGROUP_BYTES as usize, "{panel:?}");
        }
        for k in SPECTRAL {
            assert!(check(&spectral::Whole(k)) <= adapters::WORKGROUP_BYTES as usize, "{k}");
        }
    }

    #[test]
    fn every_formula_is_a_kernel() {
        let mut keys = HashSet::new();
        for formula in Formula::all() {
            for kinds in formula.combinations() {
                let program = map::Program::new(formula, kinds);
                assert_eq!(check(&program), 0, "{program:?}");
                assert!(keys.insert(program.key()), "{program:?}");
            }
        }
    }

    #[test]
    fn every_product_of_halves_is_what_it_says() {
        for size in FRAGMENT_SIZES {
            for transposed in [false, true] {
                assert_eq!(check(&matmul_halves::Program { size, transposed }), 0, "{size} {transposed}");
            }
        }
    }

    #[test]
    fn every_fused_block_is_what_it_says() {
        for tile in nesterov_rows::Tile::all() {
            assert_eq!(check(&tile), tile.workgroup_bytes(), "{tile:?}");
        }
        for tile in nesterov_columns::Tile::all() {
            assert_eq!(check(&tile), tile.workgroup_bytes(), "{tile:?}");
        }
        for tile in descend_rows::Tile::all() {
            assert_eq!(check(&tile), tile.workgroup_bytes(), "{tile:?}");
        }
    }

    /// Every variant of every product, whole and fitted.
    fn products() -> impl Iterator<Item = (matmul_tiled::Variant, matmul_tiled::Program)> {
        let mut keys = HashSet::new();
        let tiles = matmul_tiled::VARIANTS
            .into_iter()
            .enumerate()
            .flat_map(|(variant, v)| [v, v.fitted(784, 100), v.fitted(100, 40)].map(|fitted| (variant, fitted)));
        let programs = tiles.flat_map(|(variant, v)| {
            [MatMul::NN, MatMul::TN, MatMul::NT].into_iter().flat_map(move |op| {
                STORAGES.map(|storage| (v, matmul_tiled::Program { op, variant, tile: v.tile, storage }))
            })
        });
        programs.filter(move |(_, program)| keys.insert(program.key()))
    }

    /// With the workgroup memory by which adapters are chosen for it.
    #[test]
    fn every_product_is_what_it_says() {
        for (fitted, program) in products() {
            assert_eq!(check(&program), fitted.workgroup_bytes(), "{program:?}");
        }
        assert_eq!(products().count(), 9 * (8 + 2 + 4));
    }

    /// Every kernel as a file, for what builds them without a device (tests/kernels), in the folder that DEEPNMF_KERNELS names.
    #[test]
    fn every_kernel_is_written() {
        let mut all: Vec<(String, Spec)> = FILES.iter().map(|spec| (spec.label.into(), spec.clone())).collect();
        let mut put = |rest: String, program: &dyn Program| {
            all.push((format!("{}-{rest}", program.key().label), program.spec()));
        };
        for storage in STORAGES {
            put(storage.to_string(), &sum::Sum(storage));
        }
        for k in SPECTRAL {
            put(k.to_string(), &spectral::Whole(k));
        }
        for formula in Formula::all() {
            for kinds in formula.combinations() {
                let program = map::Program::new(formula, kinds);
                put(program.key().variant.to_string(), &program);
            }
        }
        for (size, transposed) in FRAGMENT_SIZES.into_iter().flat_map(|size| [(size, false), (size, true)]) {
            put(
                format!("{size}-{}", if transposed { "TN" } else { "NN" }),
                &matmul_halves::Program { size, transposed },
            );
        }
        let tiles: HashSet<_> = nesterov_rows::Tile::all().collect();
        for tile in tiles {
            put(tile.to_string(), &tile);
        }
        let tiles: HashSet<_> = nesterov_columns::Tile::all().collect();
        for tile in tiles {
            put(tile.to_string(), &tile);
        }
        let tiles: HashSet<_> = descend_rows::Tile::all().collect();
        for tile in tiles {
            put(tile.to_string(), &tile);
        }
        for panel in descend_panel::Panel::all() {
            put(panel.to_string(), &panel);
        }
        for (v, program) in products() {
            let (name, (rows, cols)) = (v.name.replace(' ', "_"), v.tile);
            put(format!("{name}-{rows}x{cols}-{:?}-{}", program.op, program.storage), &program);
        }
        let temporary = tempfile::tempdir().unwrap();
        let folder =
            std::env::var_os("DEEPNMF_KERNELS").map_or_else(|| temporary.path().into(), std::path::PathBuf::from);
        for (name, spec) in &all {
            let constants = spec.constants.iter().map(|(name, value)| format!("// @constant {name} {value}\n"));
            let trusted = if spec.trusted { "// @trusted\n" } else { "" };
            let text = constants.collect::<String>() + trusted + &spec.text();
            std::fs::write(folder.join(name).with_extension("wgsl"), text).unwrap();
        }
        let written = std::fs::read_dir(&folder).unwrap().count();
        assert_eq!(written, all.len(), "names that occur twice, or other files in {}", folder.display());
    }
}
