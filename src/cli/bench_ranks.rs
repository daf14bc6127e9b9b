//! `deepnmf bench --ranks`: how fast several processes are together.

use deepnmf::Error;
use deepnmf::bench::{Iterations, Together};
use deepnmf::ranks::Ranks;
use serde_json::json;

use super::Result;
use super::bench::{Args, number, time};
use super::output::{Output, bytes, percent};
use super::ranks::agreed;

pub(crate) fn run(args: Args, ranks: Option<Ranks>, out: &Output) -> Result {
    let Some(ranks) = ranks.filter(|ranks| ranks.size() > 1) else {
        let message =
            "--ranks measures several processes together, found one; start them: mpirun -n 4 deepnmf bench --ranks";
        return Err(Error::Config(message.into()).into());
    };
    let seconds = args.limit();
    let mut engine = agreed(Some(ranks), args.device.open(out))?;
    out.note(&format!("{} ranks: sums over all of them, iterations of one, iterations of all", ranks.size()));
    let measured = engine.bench_ranks(ranks, seconds)?;
    if out.is_json() {
        let name = engine.device_name();
        return out.json(&json!({ "version": env!("CARGO_PKG_VERSION"), "device": name, "ranks": measured }));
    }
    table(&measured, &engine.device_name(), out)
}

fn table(measured: &Together, device: &str, out: &Output) -> Result {
    let Together { all_reduce, one, all, predicted } = measured;
    out.line(&format!("{} ranks, the first one on {device}", all.ranks))?;
    out.line(&format!("\n{:<12} {:>10} {:>10}", "all-reduce", "", "time"))?;
    for sum in all_reduce {
        let shape = format!("{}×{}", sum.features, sum.components);
        out.line(&format!("{shape:<12} {:>10} {:>10}", bytes(sum.bytes as u64), time(sum.seconds)))?;
    }
    let first = &all_reduce[0];
    let shape = format!("{} features → {}", first.features, first.components);
    out.line(&format!("\niterations of {} samples × {shape} per rank", number((all.samples / all.ranks) as f64)))?;
    let line = |name: &str, of: &Iterations| {
        out.line(&format!("{name:<26} {:>10} {:>14} samples/s", time(of.seconds), number(of.rate())))
    };
    line("one rank, the others sleep", one)?;
    line(&format!("{} ranks", all.ranks), all)?;
    let share = percent(all.rate() / one.rate() / all.ranks as f64);
    let parts = [("computing", all.computing), ("exchanging", all.exchanging), ("waiting", all.waiting)];
    let parts = parts.map(|(name, seconds)| format!("{name} {}", time(seconds))).join(", ");
    out.line(&format!("{share} of {} times one; {parts}", all.ranks))?;

    out.line(
        "\npredicted seconds of an iteration (several machines, in the guide, has the formula and what it assumes)",
    )?;
    let columns = |first: &str, rest: Vec<String>| {
        let rest: String = rest.iter().map(|cell| format!(" {cell:>12}")).collect();
        out.line(&format!("{first:<14}{rest}"))
    };
    let of_first = predicted.iter().filter(|p| p.samples == predicted[0].samples);
    columns("samples", of_first.map(|p| format!("{} ranks", p.ranks)).collect())?;
    for row in predicted.chunk_by(|a, b| a.samples == b.samples) {
        columns(&number(row[0].samples as f64), row.iter().map(|p| time(p.seconds)).collect())?;
    }
    Ok(())
}
