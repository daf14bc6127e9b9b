//! The `deepnmf` command.
fn main() {
    let mut e = deepnmf::Engine::open(&std::env::args().nth(1).unwrap().parse().unwrap()).unwrap();
    println!("{}", e.device_name());
    let t = std::time::Instant::now();
    let all = e
        .verify(&mut |c| {
            if !c.passed {
                println!("{c:?}")
            }
        })
        .unwrap();
    println!("{} checks, {} failed, {:?}", all.len(), all.iter().filter(|c| !c.passed).count(), t.elapsed());
    for d in deepnmf::devices() {
        println!("{d:?}");
    }
}
