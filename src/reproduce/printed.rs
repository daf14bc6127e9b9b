//! Values that the papers print.

use super::method::Method;

/// Training faces per person, of 42, in GZ's experiments on PIE.
pub(super) const PIE_TRAINING: usize = 36;

/// The persons of PIE, pose 27, and its samples and their features.
pub(super) const PERSONS: usize = 68;
pub(super) const PIE: (usize, usize) = (42 * PERSONS, 32 * 32);

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

/// The row of GZ Table III for a method that is trained on so many samples of every class, if it has one.
pub(super) fn table3(method: &Method, train: Option<usize>) -> Option<Printed> {
    if train != Some(PIE_TRAINING) || !matches!(method.config.layers[..], [600, 160] | [160]) {
        return None;
    }
    let (title, variant) = (method.title.as_str(), method.variant.as_str());
    TABLE3.iter().find(|(name, of, _)| (*name, *of) == (title, variant)).map(|(.., printed)| *printed)
}

impl Printed {
    /// The score of that name.
    pub(super) fn of(self, name: &str) -> f64 {
        match name {
            "NMI" => self.nmi,
            "NP" => self.np,
            _ => self.er,
        }
    }
}

/// Areas under the curves of NMI and of AC over k = 20 … 70, by the title of the model: TR, figures 3 to 8.
pub(super) struct Areas {
    /// The paper's data set.
    pub(super) on: &'static str,
    pub(super) of: &'static [(&'static str, f64, f64)],
}

pub(super) const TR_FIG3: Areas = Areas {
    on: "MultiPIE",
    of: &[
        ("Deep Semi-NMF", 17.75, 7.92),
        ("Semi-NMF", 13.79, 4.14),
        ("NMF", 14.74, 4.50),
        ("Multi-layer NMF", 15.10, 4.89),
        ("NeNMF", 14.04, 4.11),
        ("GNMF", 14.16, 3.95),
    ],
};
pub(super) const TR_FIG4: Areas = Areas {
    on: "XM2VTS",
    of: &[
        ("Deep Semi-NMF", 43.63, 31.31),
        ("Semi-NMF", 42.82, 29.77),
        ("NMF", 41.77, 27.59),
        ("Multi-layer NMF", 41.45, 27.21),
        ("NeNMF", 41.65, 27.66),
        ("GNMF", 42.24, 28.89),
    ],
};
pub(super) const TR_FIG5: Areas = Areas {
    on: "PIE",
    of: &[
        ("Deep Semi-NMF", 37.92, 31.04),
        ("Semi-NMF", 32.17, 22.79),
        ("NMF", 35.37, 26.17),
        ("Multi-layer NMF", 36.41, 29.11),
        ("NeNMF", 37.74, 29.14),
        ("GNMF", 32.60, 21.23),
    ],
};
pub(super) const TR_FIG6: Areas =
    Areas { on: "MultiPIE", of: &[("Deep Semi-NMF", 16.46, 6.69), ("Semi-NMF", 15.93, 6.27)] };
pub(super) const TR_FIG7: Areas =
    Areas { on: "XM2VTS", of: &[("Deep Semi-NMF", 45.92, 36.44), ("Semi-NMF", 45.85, 36.13)] };
pub(super) const TR_FIG8: Areas =
    Areas { on: "PIE", of: &[("Deep Semi-NMF", 43.70, 36.04), ("Semi-NMF", 41.37, 32.43)] };

/// The numbers of components of TR Table 1.
pub(super) const TABLE1_COMPONENTS: [usize; 5] = [30, 40, 50, 60, 70];

/// TR Table 1, mean reconstruction errors on MultiPIE by title, variant and [`TABLE1_COMPONENTS`]. The paper does not say their unit.
pub(super) const TABLE1: &[(&str, &str, [f64; 5])] = &[
    ("NMF", "linear", [2.68, 2.52, 2.41, 2.32, 2.23]),
    ("NeNMF", "linear", [2.40, 2.20, 2.04, 1.92, 1.80]),
    ("GNMF", "linear", [3.05, 3.03, 2.98, 3.02, 3.02]),
    ("Semi-NMF", "linear", [2.37, 2.16, 2.01, 1.89, 1.78]),
    ("Multi-layer NMF", "linear", [2.71, 2.54, 2.42, 2.31, 2.22]),
    ("Deep Semi-NMF", "linear", [2.40, 2.20, 2.07, 1.96, 1.86]),
    ("Semi-NMF", "IGO", [0.14, 0.13, 0.13, 0.12, 0.12]),
    ("Deep Semi-NMF", "IGO", [0.14, 0.13, 0.13, 0.13, 0.12]),
];

/// TR Table 2, AC on MultiPIE by the size of the last layer, attribute, and layer.
const TABLE2: &[(usize, &str, [f64; 2])] = &[
    (60, "pose", [0.2758, 0.2311]),
    (60, "identity", [0.0937, 0.1659]),
    (70, "pose", [0.2818, 0.2325]),
    (70, "identity", [0.0948, 0.1667]),
];

/// The AC of TR Table 2 for an attribute and a layer, from 1.
pub(super) fn table2(method: &Method, attribute: &str, layer: usize) -> Option<f64> {
    let attribute = match attribute.to_lowercase().as_str() {
        "person" | "subject" | "identity" => "identity".to_string(),
        other => other.to_string(),
    };
    let row = TABLE2.iter().find(|(k, of, _)| method.config.layers.last() == Some(k) && *of == attribute)?;
    (method.title == "Deep Semi-NMF" && method.variant == "linear").then(|| row.2.get(layer - 1).copied()).flatten()
}
