//! The inner loop of a listing of machine code.

/// The share of multiplications with addition in the innermost loop with most of them; None where no loop has many.
///
/// A listing is made of blocks that begin with `BB7:`; a loop is what lies between a jump back and its target.
pub fn fma_share(listing: &str) -> Option<f64> {
    /// Fewer are no product.
    const MANY: usize = 16;
    let mut blocks: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in listing.lines() {
        let line = line.split(';').next().unwrap_or_default();
        match (line.strip_prefix("BB").and_then(|rest| rest.trim_end().strip_suffix(':')), blocks.last_mut()) {
            (Some(number), _) => blocks.push((number, Vec::new())),
            (None, Some((_, code))) if !line.trim().is_empty() => code.push(line.trim()),
            _ => {}
        }
    }
    let mut loops = Vec::new();
    for (last, (_, code)) in blocks.iter().enumerate() {
        let jumps = code.iter().filter(|line| line.starts_with("s_branch") || line.starts_with("s_cbranch"));
        for target in jumps.filter_map(|line| line.rsplit("BB").next()) {
            loops.extend(blocks[..=last].iter().position(|(number, _)| *number == target).map(|first| (first, last)));
        }
    }
    let is_innermost = |(first, last): &(usize, usize)| {
        !loops.iter().any(|(from, to)| from >= first && to <= last && (from, to) != (first, last))
    };
    let counted = loops.iter().filter(|at| is_innermost(at)).map(|(first, last)| {
        let code = || blocks[*first..=*last].iter().flat_map(|(_, code)| code);
        (code().filter(|line| is_fma(line)).count(), code().filter(|line| is_issued(line)).count())
    });
    let (fma, all) = counted.filter(|(fma, _)| *fma >= MANY).max()?;
    Some(fma as f64 / all as f64)
}

fn is_fma(line: &str) -> bool {
    ["v_fma_f32", "v_fmac_f32", "v_mac_f32", "v_mad_f32", "v_pk_fma_f32"].iter().any(|op| line.starts_with(op))
}

/// Hints to the front end are no work.
fn is_issued(line: &str) -> bool {
    !["s_nop", "s_clause", "s_inst_prefetch", "s_delay"].iter().any(|op| line.starts_with(op))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_loop_counts() {
        let fma = "\tv_fmac_f32_e32 v1, v2, v3 ; 00\n".repeat(30);
        let inner = format!("BB2:\n{fma}\tds_read_b128 v[0:3], v4\n\ts_nop 0\n\ts_cbranch_scc1 BB2\n");
        let listing =
            format!("BB0:\n{fma}BB1:\n\tv_add_u32 v1, v1, v1\n{inner}BB3:\n\ts_branch BB1\nBB4:\n\ts_endpgm\n");
        assert_eq!(fma_share(&listing), Some(30.0 / 32.0));
        assert_eq!(fma_share(&listing.replace("BB2\n", "BB4\n").replace("branch BB1", "branch BB4")), None);
    }
}
