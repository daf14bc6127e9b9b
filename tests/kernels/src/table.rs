//! The figures that hot kernels had.

use crate::driver::Figures;
use std::path::Path;

/// Registers more, and points of the share of multiplications less, that are no reason to look.
const REGISTERS: u64 = 8;
const POINTS: f64 = 2.0;

/// Where a kernel of the table is worse than there. The table begins with the version of the driver that it was made with; with another
/// one nothing is compared.
pub fn compare(file: &Path, family: &str, driver: &str, built: &[(&str, Figures)]) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let version = lines.next().unwrap_or_default();
    if !driver.contains(version) {
        println!("not compared: the table is of {version}");
        return Ok(Vec::new());
    }
    let (mut problems, mut compared) = (Vec::new(), 0);
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let [of_family, name, registers, share] = fields[..] else {
            return Err(format!("{}: expected four fields, found `{line}`", file.display()));
        };
        let (Ok(registers), Ok(share)) = (registers.parse::<u64>(), share.parse::<f64>()) else {
            return Err(format!("{}: expected numbers, found `{line}`", file.display()));
        };
        if of_family != family {
            continue;
        }
        let Some((_, now)) = built.iter().find(|(built, _)| *built == name) else {
            problems.push(format!("{family}: {name} is in the table and was not built"));
            continue;
        };
        compared += 1;
        let now_share = now.percent();
        if now.vgprs > registers + REGISTERS || now_share < share - POINTS {
            problems.push(format!(
                "{family}: {name} got worse: {registers} registers and {share} % in the table, now {},{now_share:.0}",
                now.vgprs
            ));
        }
    }
    println!("{family}: {compared} kernels compared with the table");
    if compared == 0 {
        problems.push(format!("{}: it has nothing of {family}", file.display()));
    }
    Ok(problems)
}
