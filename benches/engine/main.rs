//! What the operations of a fit cost, on every device of this machine.
//!
//! ```text
//! cargo bench                                    everything
//! cargo bench -- --quick matmul                  a first look at the products
//! cargo bench -- /cpu/                           one backend
//! DEEPNMF_BENCH_SOFTWARE=1 cargo bench -- /gl-   a software adapter with the shapes of the others
//! ```
//!
//! A benchmark is called `operation/backend/shape`. `elem/s` are floating-point operations per second for products
//! and the spectral bound, images per second for the Nesterov step, the sweep and the one-layer iteration. A
//! measurement queues many launches and waits once, at its end, so that no launch pays for a wait. Under each
//! result stands the CPU time of this process ÷ wall time (Linux): on a shared machine a CPU figure means something
//! only if that is near the number of threads.
//!
//! Software adapters get small shapes: they show whether something got slower, not how fast a GPU is.

mod devices;
mod operations;
mod sweeps;

use criterion::Criterion;
use deepnmf::Result;
use deepnmf::backend::gpu::{Gpu, GpuOptions};
use deepnmf::backend::{Backend, Cpu};
use devices::{Bench, Device};

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    for device in devices::present() {
        match device.index {
            None => run(&mut criterion, &mut Cpu::<f32>::new(), &device)?,
            Some(index) => run(&mut criterion, &mut Gpu::open(index, GpuOptions::default())?, &device)?,
        }
    }
    criterion.final_summary();
    Ok(())
}

fn run<B: Backend<Elem = f32>>(criterion: &mut Criterion, b: &mut B, device: &Device) -> Result<()> {
    let mut bench = Bench::new(criterion, b, device)?;
    operations::run(&mut bench);
    sweeps::run(&mut bench);
    Ok(())
}
