//! The rows of the table.

use super::activations::activate;
use super::lanes::Lines;
use super::rounding::{DIVISION, SQRT, gamma};
use super::types::Kind::{Columns, Diagonal, Each, Entry, Number, Rows};
use super::types::Range::{Flag, Least, Nonnegative, Positive, Signed};
use super::types::{EACH, Formula, Input, Kind, Output, Part, Row, Rule};
use crate::backend::Element;

const NUMBER: &[Kind] = &[Number];

/// The bound of what is not rounded.
fn exact<const O: usize, const N: usize>(lines: Lines<'_, f64>) {
    lines.each(|_: [f64; O], _: [f64; N]| [0.0; O]);
}

/// `max(0, x)`.
fn positive<E: Element>(x: E) -> E {
    x.max(E::zero())
}

impl Formula {
    /// Its row.
    pub fn row<E: Element>(self) -> Row<E> {
        match self {
            Self::Copy => Row {
                name: "copy",
                outputs: &[Output("out", None)],
                inputs: &[Input("m", EACH, Signed)],
                body: "out = m;",
                functions: "",
                compute: |lines| lines.each(|[_], [m]| [m]),
                bound: exact::<1, 2>,
            },
            Self::Sum => Row {
                name: "sum",
                outputs: &[Output("out", None)],
                inputs: &[Input("a", EACH, Signed), Input("b", &[Number, Diagonal], Signed)],
                body: "out = a + b;",
                functions: "",
                compute: |lines| lines.each(|[_], [a, b]| [a + b]),
                // Where nothing is added nothing may change.
                bound: |lines| lines.each(|[out], [_, _, b]| [if b == 0.0 { 0.0 } else { gamma(1) * out.abs() }]),
            },
            Self::Add => Row {
                name: "add",
                outputs: &[Output("out", Some(Signed))],
                inputs: &[Input("m", EACH, Signed), Input("c", NUMBER, Signed)],
                body: "out = out + c * m;",
                functions: "",
                compute: |lines| lines.each(|[out], [m, c]| [out + c * m]),
                bound: |lines| lines.each(|[_], [out, m, c]| [gamma(2) * (out.abs() + (c * m).abs())]),
            },
            Self::Multiply => Row {
                name: "multiply",
                outputs: &[Output("m", Some(Signed))],
                inputs: &[Input("d", &[Columns, Rows, Entry], Positive)],
                body: "m = m * d;",
                functions: "",
                compute: |lines| lines.each(|[m], [d]| [m * d]),
                bound: |lines| lines.each(|[result], [_, _]| [gamma(1) * result.abs()]),
            },
            Self::Divide => Row {
                name: "divide",
                outputs: &[Output("m", Some(Signed))],
                inputs: &[Input("d", &[Columns, Rows, Entry], Positive)],
                body: "m = m / d;",
                functions: "",
                compute: |lines| lines.each(|[m], [d]| [m / d]),
                bound: |lines| lines.each(|[result], [_, _]| [DIVISION * result.abs()]),
            },
            Self::LookAhead => Row {
                name: "look_ahead",
                outputs: &[Output("out", None)],
                inputs: &[
                    Input("now", EACH, Nonnegative),
                    Input("before", EACH, Nonnegative),
                    Input("beta", &[Entry], Nonnegative),
                ],
                body: "out = max(0.0, now + beta * (now - before));",
                functions: "",
                compute: |lines| lines.each(|[_], [now, before, beta]| [positive(now + beta * (now - before))]),
                bound: |lines| {
                    lines.each(|[_], [_, now, before, beta]| {
                        [gamma(3) * (now.abs() + beta * (now.abs() + before.abs()))]
                    });
                },
            },
            Self::Extrapolate => Row {
                name: "extrapolate",
                outputs: &[Output("y", Some(Signed))],
                inputs: &[Input("x", EACH, Nonnegative), Input("beta", &[Entry], Nonnegative)],
                body: "y = x + beta * y;",
                functions: "",
                compute: |lines| lines.each(|[y], [x, beta]| [x + beta * y]),
                bound: |lines| lines.each(|[_], [y, x, beta]| [gamma(2) * (x.abs() + (beta * y).abs())]),
            },
            Self::Settle => Row {
                name: "settle",
                outputs: &[Output("best", Some(Signed)), Output("point", Some(Signed))],
                inputs: &[Input("ahead", EACH, Signed), Input("accepted", &[Entry], Flag)],
                body: "let trial = point;
point = select(best, ahead, accepted > 0.0);
best = select(best, trial, accepted > 0.0);",
                functions: "",
                compute: |lines| {
                    lines.each(
                        |[best, point], [ahead, accepted]| {
                            if accepted > E::zero() { [point, ahead] } else { [best, best] }
                        },
                    );
                },
                bound: exact::<2, 4>,
            },
            Self::Step => Row {
                name: "step",
                outputs: &[Output("to", None), Output("moved", None)],
                inputs: &[
                    Input("x", EACH, Nonnegative),
                    Input("gradient", EACH, Signed),
                    Input("alpha", &[Number, Entry], Nonnegative),
                    Input("least", NUMBER, Signed),
                ],
                body: "to = max(least, x - alpha * gradient);
moved = to - x;",
                functions: "",
                compute: |lines| {
                    lines.each(|[_, _], [x, gradient, alpha, least]| {
                        let to = (x - alpha * gradient).max(least);
                        [to, to - x]
                    });
                },
                bound: |lines| {
                    lines.each(|[_, moved], [_, _, x, gradient, alpha, _]| {
                        let to = gamma(2) * (x.abs() + (alpha * gradient).abs());
                        [to, to + gamma(1) * (moved.abs() + to)]
                    });
                },
            },
            Self::Accept => Row {
                name: "accept",
                outputs: &[Output("x", Some(Signed))],
                inputs: &[Input("trial", EACH, Signed), Input("taken", &[Entry], Flag)],
                body: "x = select(x, trial, taken != 0.0);",
                functions: "",
                compute: |lines| lines.each(|[x], [trial, taken]| [if taken.is_zero() { x } else { trial }]),
                bound: exact::<1, 3>,
            },
            Self::ProjectedGradient => Row {
                name: "projected_gradient",
                outputs: &[Output("gradient", Some(Signed)), Output("out", None)],
                inputs: &[Input("x", EACH, Nonnegative), Input("rhs", EACH, Signed)],
                body: "gradient = gradient - rhs;
out = select(0.0, gradient, gradient < 0.0 || x > 0.0);",
                functions: "",
                compute: |lines| {
                    lines.each(|[gradient, _], [x, rhs]| {
                        let gradient = gradient - rhs;
                        let free = gradient < E::zero() || x > E::zero();
                        [gradient, if free { gradient } else { E::zero() }]
                    });
                },
                // One rounding, which keeps the sign.
                bound: |lines| {
                    lines.each(|[gradient, out], [_, _, _, _]| [gamma(1) * gradient.abs(), gamma(1) * out.abs()]);
                },
            },
            Self::QuarterRoot => Row {
                name: "quarter_root",
                outputs: &[Output("out", None)],
                inputs: &[
                    Input("numerator", EACH, Nonnegative),
                    Input("denominator", EACH, Nonnegative),
                    Input("coefficient", NUMBER, Positive),
                ],
                body: "let n = coefficient * numerator;
out = 1.0;
if (n > 0.0 && denominator > 0.0) { out = sqrt(sqrt(n)) / sqrt(sqrt(denominator)); }",
                functions: "",
                compute: |lines| {
                    lines.each(|[_], [numerator, denominator, coefficient]| {
                        let n = coefficient * numerator;
                        let defined = n > E::zero() && denominator > E::zero();
                        [if defined { n.sqrt().sqrt() / denominator.sqrt().sqrt() } else { E::one() }]
                    });
                },
                // Roots first: the quotient itself may overflow. A relative error is halved by every square root.
                bound: |lines| {
                    lines.each(|[out], [_, n, d, _]| {
                        let error = gamma(2) / 4.0 + 2.0 * (SQRT / 2.0 + SQRT) + DIVISION;
                        [if n > 0.0 && d > 0.0 { out * error } else { 0.0 }]
                    });
                },
            },
            Self::Nesterov => Row {
                name: "nesterov",
                outputs: &[Output("x", Some(Nonnegative)), Output("y", Some(Signed))],
                inputs: &[
                    Input("gradient", EACH, Signed),
                    Input("rhs", EACH, Signed),
                    Input("right", &[Columns], Nonnegative),
                    Input("left", &[Rows, Number], Positive),
                    Input("sums", &[Columns, Number], Signed),
                    Input("mu", NUMBER, Nonnegative),
                    Input("extra", NUMBER, Flag),
                    Input("beta", NUMBER, Nonnegative),
                    Input("first", NUMBER, Flag),
                ],
                body: "let old = x;
let point = select(y, x, first != 0.0);
let denominator = right * left + extra;
if (denominator > 0.0) { x = max(0.0, point - (gradient - rhs + mu * sums) / denominator); }
y = x + beta * (x - old);",
                functions: "",
                compute: |lines| {
                    lines.each(|[old, y], [gradient, rhs, right, left, sums, mu, extra, beta, first]| {
                        let point = if first.is_zero() { y } else { old };
                        let x = stepped(old, point, gradient - rhs + mu * sums, right * left + extra);
                        [x, x + beta * (x - old)]
                    });
                },
                bound: |lines| {
                    lines.each(|[x, _], [old, y, g, rhs, right, left, sums, mu, extra, beta, first]| {
                        let point = if first == 0.0 { y } else { old };
                        let of_x = bound_of_step(point, g.abs() + rhs.abs() + mu * sums.abs(), right * left + extra);
                        let moved = x.abs() + (x - old).abs();
                        [of_x, (1.0 + beta) * of_x + gamma(4) * (moved + of_x)]
                    });
                },
            },
            Self::NesterovOpen => Row {
                name: "nesterov_open",
                outputs: &[Output("x", Some(Nonnegative)), Output("y", Some(Signed)), Output("gradient", Some(Signed))],
                inputs: &[
                    Input("rhs", EACH, Signed),
                    Input("right", &[Columns], Nonnegative),
                    Input("left", &[Rows, Number], Positive),
                    Input("sums", &[Columns, Number], Signed),
                    Input("mu", NUMBER, Nonnegative),
                    Input("extra", NUMBER, Flag),
                    Input("first", NUMBER, Flag),
                ],
                body: "let old = x;
let point = select(y, x, first != 0.0);
let denominator = right * left + extra;
if (denominator > 0.0) { x = max(0.0, point - (gradient - rhs + mu * sums) / denominator); }
y = x - old;
gradient = point - x;",
                functions: "",
                compute: |lines| {
                    lines.each(|[old, y, gradient], [rhs, right, left, sums, mu, extra, first]| {
                        let point = if first.is_zero() { y } else { old };
                        let x = stepped(old, point, gradient - rhs + mu * sums, right * left + extra);
                        [x, x - old, point - x]
                    });
                },
                bound: |lines| {
                    lines.each(|[_, moved, back], [old, y, g, rhs, right, left, sums, mu, extra, first]| {
                        let point = if first == 0.0 { y } else { old };
                        let of_x = bound_of_step(point, g.abs() + rhs.abs() + mu * sums.abs(), right * left + extra);
                        let of_difference = |v: f64| of_x + gamma(1) * (v.abs() + of_x);
                        [of_x, of_difference(moved), of_difference(back)]
                    });
                },
            },
            Self::Part(Part::Positive) => Row {
                name: "positive_part",
                body: "out = max(m, 0.0);",
                compute: |lines| lines.each(|[_], [m]| [positive(m)]),
                ..Self::Copy.row()
            },
            Self::Part(Part::Negative) => Row {
                name: "negative_part",
                body: "out = max(-m, 0.0);",
                compute: |lines| lines.each(|[_], [m]| [positive(-m)]),
                ..Self::Copy.row()
            },
            Self::Part(Part::Absolute) => Row {
                name: "absolute_part",
                body: "out = abs(m);",
                compute: |lines| lines.each(|[_], [m]| [m.abs()]),
                ..Self::Copy.row()
            },
            Self::Multiplicative(Rule::Ratio) => Row {
                name: "multiplicative_ratio",
                outputs: &[Output("x", Some(Nonnegative))],
                inputs: MULTIPLICATIVE,
                body: "let n = max(rhs, 0.0) + attract;
let d = max(-rhs, 0.0) + repel + degree * x;
x = x * (n / (d + least));",
                functions: "",
                compute: |lines| {
                    lines.each(|[x], [rhs, attract, repel, degree, least]| {
                        let (n, d) = (positive(rhs) + attract, positive(-rhs) + repel + degree * x);
                        [x * (n / (d + least))]
                    });
                },
                // Nothing is subtracted, so relative errors add up: two sums, a product, a quotient, a product.
                bound: |lines| lines.each(|[x], [_, _, _, _, _, _]| [x * (gamma(10) + 2.0 * DIVISION)]),
            },
            Self::Multiplicative(Rule::Root) => Row {
                name: "multiplicative_root",
                body: "let n = max(rhs, 0.0) + attract;
let d = max(-rhs, 0.0) + repel + degree * x;
x = x * sqrt(n / max(d, least));",
                compute: |lines| {
                    lines.each(|[x], [rhs, attract, repel, degree, least]| {
                        let (n, d) = (positive(rhs) + attract, positive(-rhs) + repel + degree * x);
                        [x * (n / d.max(least)).sqrt()]
                    });
                },
                bound: |lines| lines.each(|[x], [_, _, _, _, _, _]| [x * (gamma(10) + 2.0 * DIVISION + SQRT)]),
                ..Self::Multiplicative(Rule::Ratio).row()
            },
            Self::Activate(activation, apply) => activate(activation, apply),
        }
    }
}

const MULTIPLICATIVE: &[Input] = &[
    Input("rhs", EACH, Signed),
    Input("attract", &[Each, Number], Nonnegative),
    Input("repel", EACH, Nonnegative),
    Input("degree", &[Rows, Number], Nonnegative),
    Input("least", NUMBER, Least),
];

/// Where an entry goes from `old`, by the gradient at another point; without curvature nothing depends on it, and it stays.
#[inline(always)]
pub(crate) fn stepped<E: Element>(old: E, point: E, gradient: E, curvature: E) -> E {
    if curvature > E::zero() { positive(point - gradient / curvature) } else { old }
}

/// The gradient: four roundings; the denominator: three; the division; the subtraction.
fn bound_of_step(point: f64, terms: f64, denominator: f64) -> f64 {
    if denominator <= 0.0 {
        return 0.0;
    }
    let quotient = terms / denominator;
    (gamma(7) + 2.0 * DIVISION) * quotient + gamma(2) * (point.abs() + quotient)
}
