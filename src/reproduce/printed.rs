//! Values that the papers print.

/// A row of GZ Table III: PIE pose 27, layers 600 → 160 (one layer of 160 for PgNMF and NeNMF), 36 faces of every person for
/// training and 6 for the scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Printed {
    pub(super) nmi: f64,
    pub(super) np: f64,
    pub(super) er: f64,
}

const fn row(
    title: &'static str,
    variant: &'static str,
    nmi: f64,
    np: f64,
    er: f64,
) -> (&'static str, &'static str, Printed) {
    (title, variant, Printed { nmi, np, er })
}

/// GZ Table III.
const TABLE3: &[(&str, &str, Printed)] = &[
    row("PgNMF", "linear", 0.884, 0.786, 6.691),
    row("NeNMF", "linear", 0.914, 0.868, 6.729),
    row("Deep Semi-NMF", "linear", 0.945, 0.910, 5.772),
    row("Multi-layer NMF", "linear", 0.905, 0.845, 6.616),
    row("Multi-layer NMF", "Square1", 0.909, 0.851, 6.332),
    row("Multi-layer NMF", "Square2", 0.888, 0.813, 6.510),
    row("SDNMF/L", "linear", 0.925, 0.922, 8.271),
    row("SDNMF/L", "Square1", 0.950, 0.946, 7.195),
    row("SDNMF/L", "Square2", 0.968, 0.951, 5.234),
    row("SDNMF/RL2", "linear", 0.901, 0.837, 6.706),
    row("SDNMF/RL2", "Square1", 0.936, 0.910, 6.320),
    row("SDNMF/RL2", "Square2", 0.937, 0.902, 5.882),
    row("SDNMF/R", "linear", 0.875, 0.805, 7.353),
    row("SDNMF/R", "Square1", 0.958, 0.942, 5.857),
    row("SDNMF/R", "Square2", 0.837, 0.722, 7.20),
    row("DNMF", "linear", 0.750, 0.543, 7.786),
    row("DNMF", "Square1", 0.954, 0.943, 6.485),
    row("DNMF", "Square2", 0.940, 0.903, 5.779),
    row("SDNMF/RL1", "linear", 0.890, 0.836, 7.390),
    row("SDNMF/RL1", "Square1", 0.814, 0.690, 7.674),
    row("SDNMF/RL1", "Square2", 0.789, 0.636, 7.717),
];

/// The row of GZ Table III for a method.
pub(super) fn table3(title: &str, variant: &str) -> Option<Printed> {
    TABLE3.iter().find(|(name, of, _)| (*name, *of) == (title, variant)).map(|(.., printed)| *printed)
}
