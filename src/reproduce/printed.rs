//! Values that the papers print.

/// A row of GZ Table III: PIE pose 27, layers 600 → 160, 36 faces of every person for training and 6 for the scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Printed {
    pub(super) nmi: f64,
    pub(super) np: f64,
    pub(super) er: f64,
}

/// GZ Table III, linear models.
const TABLE3: &[(&str, Printed)] = &[
    ("SDNMF/L", Printed { nmi: 0.925, np: 0.922, er: 8.27 }),
    ("SDNMF/RL2", Printed { nmi: 0.901, np: 0.837, er: 6.71 }),
    ("SDNMF/R", Printed { nmi: 0.875, np: 0.805, er: 7.35 }),
    ("SDNMF/RL1", Printed { nmi: 0.890, np: 0.836, er: 7.39 }),
    ("DNMF", Printed { nmi: 0.750, np: 0.543, er: 7.79 }),
    ("PgNMF", Printed { nmi: 0.884, np: 0.786, er: 6.69 }),
    ("NeNMF", Printed { nmi: 0.914, np: 0.868, er: 6.73 }),
    ("Multi-layer NMF", Printed { nmi: 0.905, np: 0.845, er: 6.62 }),
    ("Deep Semi-NMF", Printed { nmi: 0.945, np: 0.910, er: 5.77 }),
];

/// The best row of the same table, a nonlinear SDNMF/L.
pub(super) const BEST: Printed = Printed { nmi: 0.968, np: 0.951, er: 5.23 };

/// What GZ Table III has for a linear method.
pub(super) fn table3(title: &str) -> Option<Printed> {
    TABLE3.iter().find(|(name, _)| *name == title).map(|(_, printed)| *printed)
}
