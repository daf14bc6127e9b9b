//! The table of experiments.

use super::method::Method;
use super::printed::{self, PIE_TRAINING};
use super::scores::{Comparison, LINEAR, Layers, Methods, SPARSE, Variant, compare, penalties};
use super::session::{Data, Experiment, Repeats, Samples, Session};
use super::{attributes, course, curves, depth, parts, recovery};
use crate::model::{Activate, Activation};
use crate::{Error, Result};

const HELD_OUT: Repeats = Repeats { splits: true, fits: true, kmeans: true };
const WHOLE: Repeats = Repeats { splits: false, ..HELD_OUT };
const CLUSTERED: Repeats = Repeats { fits: false, ..WHOLE };
const SEEDS: Repeats = Repeats { fits: true, ..ONCE };
const ONCE: Repeats = Repeats { kmeans: false, ..CLUSTERED };

const PIE: &str = "PIE, pose 27 (PIE_pose27.mat)";
const ORL: &str = "ORL (a folder with a sub-folder for every person)";
const XM2VTS: &str = "ORL, in the place of XM2VTS, which is not public";
const MULTI_PIE: &str =
    "CMU face images (a folder with labels.csv in it), in the place of CMU Multi-PIE, which is not public";

/// Training faces of every person of ORL, of 10: 320 of 400 as in GZ.
const ORL_TRAINING: usize = 8;
const PIE_LAYERS: Layers = Layers::Are(&[&[600, 160]]);
const ONE_LAYER: Layers = Layers::Are(&[&[160]]);
const SQUARES: &[Variant] = &[LINEAR, Method::square1, Method::square2];
const NMI_AND_ER: &[&str] = &["NMI", "ER"];
const OF_GZ: &[&str] = &["NMI", "NP", "ER"];

const fn methods(models: &'static [&'static str], layers: Layers) -> Methods {
    Methods { models, layers, variants: &[LINEAR] }
}

const fn on_pie(methods: &'static [Methods], charts: &'static [&'static str]) -> Comparison {
    Comparison { methods, train: Some(PIE_TRAINING), charts, sparsity: false, notes: &[] }
}

const SQUARED: &str =
    "Square1: the root stands between the layers. Square2: the coefficients that are clustered pass through it too.";

const TABLE3: Comparison = Comparison {
    notes: &[
        SQUARED,
        "The protocols differ: the paper repeats seven splits, each with twenty fits; here are as many as the line above says, \
         factors are balanced between the layers, components are scaled to length 1 before samples are clustered, and fits are made as \
         the settings below say. That is why DNMF is no worse than SDNMF here: without penalties nothing fixes the scales of W \
         and H, and coefficients whose scales have drifted make bad clusters, but not where factors are balanced and components \
         scaled. What is left of the penalties is sparser factors, not other clusters.",
    ],
    ..on_pie(
        &[
            Methods { models: SPARSE, layers: PIE_LAYERS, variants: SQUARES },
            Methods { models: &["multilayer-nmf"], layers: PIE_LAYERS, variants: SQUARES },
            methods(&["deep-semi-nmf"], PIE_LAYERS),
            methods(&["pgnmf", "nenmf"], ONE_LAYER),
        ],
        OF_GZ,
    )
};

/// A layer 1 before the last one of 160. That of Deep Semi-NMF cannot be narrower than the last.
const FIRST_LAYERS: &[&[usize]] =
    &[&[100, 160], &[200, 160], &[300, 160], &[400, 160], &[500, 160], &[600, 160], &[700, 160], &[800, 160]];

const FIG1: Comparison = Comparison {
    methods: &[
        methods(&["dnmf", "sdnmf-l", "sdnmf-r", "sdnmf-rl1", "sdnmf-rl2"], Layers::Are(FIRST_LAYERS)),
        methods(&["deep-semi-nmf"], Layers::Are(FIRST_LAYERS.split_at(1).1)),
    ],
    train: Some(ORL_TRAINING),
    sparsity: false,
    charts: NMI_AND_ER,
    notes: &[
        "Above twice as many components as there are training samples, layer 1 of the nonnegative models starts at random. Deep \
              Semi-NMF has no layer 1 of 100: none may be narrower than the last one.",
    ],
};

/// Every deep model at the first layer that GZ choose by their Fig. 1.
const FIG2: Comparison = Comparison {
    methods: &[
        methods(&["pgnmf", "nenmf"], Layers::Are(&[&[80], &[120], &[160]])),
        methods(&["deep-semi-nmf"], Layers::Are(&[&[700, 80], &[700, 120], &[700, 160]])),
        methods(&["dnmf"], Layers::Are(&[&[300, 80], &[300, 120], &[300, 160]])),
        methods(&["sdnmf-rl2"], Layers::Are(&[&[500, 80], &[500, 120], &[500, 160]])),
    ],
    train: Some(ORL_TRAINING),
    sparsity: false,
    charts: &["NMI"],
    notes: &["Every deep model has the first layer that the paper chose for it."],
};

const FIG3: Comparison = Comparison {
    methods: &[methods(SPARSE, Layers::Drawn(&[2, 3, 4], 40))],
    train: None,
    sparsity: false,
    charts: &["NP"],
    notes: &[
        "For every fit the sizes of the hidden layers are drawn from an exponential distribution (40 and 300 more in the mean, at \
         most the number of features) and sorted; the last layer has 40. The settings are those of the first fit. The paper \
         makes 50 fits, and finds two layers best.",
    ],
};

const FIG4: Comparison =
    on_pie(&[methods(SPARSE, Layers::Are(&[&[300, 40], &[300, 80], &[600, 40], &[600, 80]]))], NMI_AND_ER);

const FIG5: Comparison = on_pie(
    &[methods(SPARSE, Layers::Are(&[&[600, 40], &[600, 80], &[600, 120], &[600, 160], &[600, 200]]))],
    NMI_AND_ER,
);

const FIG6: Comparison = on_pie(
    &[methods(SPARSE, Layers::Are(&[&[600, 160], &[600, 160, 40], &[600, 160, 80], &[600, 160, 120]]))],
    NMI_AND_ER,
);

const FIG7: Comparison = Comparison {
    notes: &[SQUARED],
    ..on_pie(&[Methods { models: SPARSE, layers: PIE_LAYERS, variants: SQUARES }], OF_GZ)
};

const ALL_LINEAR: Comparison = on_pie(
    &[
        methods(SPARSE, PIE_LAYERS),
        methods(&["multilayer-nmf", "deep-semi-nmf"], PIE_LAYERS),
        methods(&["pgnmf", "nenmf"], ONE_LAYER),
    ],
    OF_GZ,
);

const ACTIVATIONS: Comparison = Comparison {
    notes: &[
        SQUARED,
        "The activation sigmoid is not among them: its g(h) = 2 atanh h is twice that of tanh, so that it is the same model with W_2 twice \
         as large, and has the same scores.",
    ],
    ..on_pie(
        &[Methods {
            models: &["sdnmf-l"],
            layers: PIE_LAYERS,
            variants: &[
                LINEAR,
                Method::square1,
                Method::square2,
                |m| m.nonlinear("tanh", Activation::Tanh, Activate::Hidden),
                |m| m.nonlinear("softplus", Activation::Softplus, Activate::Hidden),
            ],
        }],
        OF_GZ,
    )
};

const CONSTANTS: Comparison = Comparison {
    sparsity: true,
    notes: &[
        "Sparseness: Hoyer's measure, 0 where all entries are alike and 1 where one is not 0; the mean over the columns.",
    ],
    ..on_pie(
        &[Methods {
            models: &["sdnmf-l"],
            layers: PIE_LAYERS,
            variants: &[
                |m| m.penalised(0.0),
                |m| m.penalised(0.001),
                |m| m.penalised(0.003),
                |m| m.penalised(0.01),
                |m| m.penalised(0.03),
                |m| m.penalised(0.1),
                |m| m.penalised(0.3),
            ],
        }],
        OF_GZ,
    )
};

/// All experiments.
pub const EXPERIMENTS: &[Experiment] = &[
    experiment("gz-table3", "GZ Table III: clusters of held-out faces, every method", PIE, HELD_OUT, |s| {
        compare(s, &TABLE3)
    }),
    experiment("gz-fig3", "GZ Fig. 3: NP by the number of layers", PIE, WHOLE, |s| compare(s, &FIG3)).fits(10, 2),
    experiment("gz-fig4", "GZ Fig. 4: scores by the size of layer 1", PIE, HELD_OUT, |s| compare(s, &FIG4)),
    experiment("gz-fig5", "GZ Fig. 5: scores by the size of layer 2", PIE, HELD_OUT, |s| compare(s, &FIG5)),
    experiment("gz-fig6", "GZ Fig. 6: three layers beside two", PIE, HELD_OUT, |s| compare(s, &FIG6)),
    experiment("gz-fig7", "GZ Fig. 7: linear models, Square1, Square2", PIE, HELD_OUT, |s| compare(s, &FIG7)),
    experiment("gz-fig8", "GZ Fig. 8: what the faces of a person are made of", PIE, ONCE, parts::of_class),
    experiment("gz-fig1", "GZ Fig. 1: scores by the size of layer 1", ORL, HELD_OUT, |s| compare(s, &FIG1)),
    experiment("gz-fig2", "GZ Fig. 2: scores by the size of the last layer", ORL, HELD_OUT, |s| compare(s, &FIG2)),
    experiment("tr-fig5", "TR Fig. 5: scores over the number of components, pixels", PIE, WHOLE, |s| {
        curves::areas(s, &printed::TR_FIG5, false)
    }),
    experiment("tr-fig8", "TR Fig. 8: scores over the number of components, gradients", PIE, WHOLE, |s| {
        curves::areas(s, &printed::TR_FIG8, true)
    }),
    experiment("tr-fig4", "TR Fig. 4: scores over the number of components, pixels", XM2VTS, WHOLE, |s| {
        curves::areas(s, &printed::TR_FIG4, false)
    }),
    experiment("tr-fig7", "TR Fig. 7: scores over the number of components, gradients", XM2VTS, WHOLE, |s| {
        curves::areas(s, &printed::TR_FIG7, true)
    }),
    experiment("tr-table1", "TR Table 1: errors over the number of components", MULTI_PIE, WHOLE, curves::errors),
    experiment("tr-table2", "TR Table 2: accuracy by layer and attribute", MULTI_PIE, CLUSTERED, attributes::table2),
    experiment("tr-fig3", "TR Fig. 3: scores over the number of components, pixels", MULTI_PIE, WHOLE, |s| {
        curves::areas(s, &printed::TR_FIG3, false)
    }),
    experiment("tr-fig6", "TR Fig. 6: scores over the number of components, gradients", MULTI_PIE, WHOLE, |s| {
        curves::areas(s, &printed::TR_FIG6, true)
    }),
    experiment("attributes", "accuracy by layer and attribute, three models", MULTI_PIE, CLUSTERED, attributes::models),
    experiment("linear", "scores of all linear models", PIE, HELD_OUT, |s| compare(s, &ALL_LINEAR)),
    experiment("activations", "scores of SDNMF/L with every activation", PIE, HELD_OUT, |s| compare(s, &ACTIVATIONS)),
    experiment("penalties", "scores and sparsity over the penalty constant", PIE, HELD_OUT, |s| {
        penalties(s, &CONSTANTS)
    }),
    experiment("convergence", "the objective of the five models over the sweeps", PIE, ONCE, course::sweeps),
    experiment("time", "the error of one-layer methods over time", PIE, ONCE, course::time),
    experiment("depth", "errors and accuracy by the number of layers", PIE, WHOLE, depth::depth),
    experiment("components", "what the five models learn, and how sparse it is", ORL, ONCE, parts::components),
    experiment("hierarchy", "the strongest components and their parts", ORL, ONCE, parts::hierarchy),
    experiment("swimmer", "known parts that are found: 17 of swimmers", "", SEEDS, recovery::swimmer)
        .made(recovery::swimmers)
        .fits(10, 3),
    experiment("planted", "known parts that are found: factors of two layers", "", SEEDS, recovery::planted)
        .made(recovery::plantations)
        .fits(10, 3),
];

const fn experiment(
    name: &'static str,
    title: &'static str,
    data: &'static str,
    repeats: Repeats,
    run: fn(&mut Session<'_>) -> Result<()>,
) -> Experiment {
    Experiment { name, title, data: Data::Given(data), repeats, fits: (1, 1), run }
}

impl Experiment {
    /// The same with another usual number of fits.
    const fn fits(self, usual: usize, quick: usize) -> Self {
        Self { fits: (usual, quick), ..self }
    }

    /// The same on data that it makes.
    const fn made(self, make: fn() -> Result<Samples>) -> Self {
        Self { data: Data::Made(make), ..self }
    }

    /// The experiment of that name.
    ///
    /// # Errors
    /// [`Error::Config`] with the names of all experiments.
    pub fn by_name(name: &str) -> Result<&'static Self> {
        EXPERIMENTS.iter().find(|e| e.name == name).ok_or_else(|| {
            let names: Vec<_> = EXPERIMENTS.iter().map(|e| e.name).collect();
            Error::Config(format!("no experiment is called `{name}`; there are {}", names.join(", ")))
        })
    }
}
