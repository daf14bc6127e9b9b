//! The rows of the activations.

use super::rounding::{of_derivative, of_function};
use super::types::Range::{Signed, Wide, WideNonnegative};
use super::types::{Apply, EACH, Input, Output, Row};
use crate::backend::Element;
use crate::model::Activation;
use crate::model::activation::ACTIVATIONS;

/// The functions of the activations.
const ACTIVATION: &str = include_str!("../../../shaders/activation.wgsl");

pub(super) fn activate<E: Element>(activation: Activation, apply: Apply) -> Row<E> {
    match activation {
        Activation::Root => of_activation::<E, { Activation::Root as usize }>(
            apply,
            ["root_p", "root_g", "root_derivative"],
            ["out = m * m;", "out = sqrt(m);", "out = out * (2.0 * m);"],
        ),
        Activation::Tanh => of_activation::<E, { Activation::Tanh as usize }>(
            apply,
            ["tanh_p", "tanh_g", "tanh_derivative"],
            ["out = hyperbolic_tangent(m);", "out = area_tangent(m);", "out = out * bell(2.0 * m);"],
        ),
        Activation::Sigmoid => of_activation::<E, { Activation::Sigmoid as usize }>(
            apply,
            ["sigmoid_p", "sigmoid_g", "sigmoid_derivative"],
            ["out = hyperbolic_tangent(0.5 * m);", "out = 2.0 * area_tangent(m);", "out = out * (0.5 * bell(m));"],
        ),
        Activation::Softplus => of_activation::<E, { Activation::Softplus as usize }>(
            apply,
            ["softplus_p", "softplus_g", "softplus_derivative"],
            ["out = softplus(m);", "out = inverse_softplus(m);", "out = out * logistic(m);"],
        ),
    }
}

/// A row of the activation of that number, with the names and bodies of p, g and the product with p'.
fn of_activation<E: Element, const A: usize>(
    apply: Apply,
    names: [&'static str; 3],
    bodies: [&'static str; 3],
) -> Row<E> {
    let of_p = Row {
        name: names[0],
        outputs: &[Output("out", None)],
        inputs: &[Input("m", EACH, Wide)],
        body: bodies[0],
        functions: ACTIVATION,
        compute: |lines| lines.each(|[_], [m]| [ACTIVATIONS[A].1.p(m)]),
        bound: |lines| lines.each(|[out], [_, m]| [of_function(ACTIVATIONS[A].1, 0, out, m)]),
    };
    match apply {
        Apply::P => of_p,
        Apply::G => Row {
            name: names[1],
            inputs: &[Input("m", EACH, WideNonnegative)],
            body: bodies[1],
            compute: |lines| lines.each(|[_], [m]| [ACTIVATIONS[A].1.g(m)]),
            bound: |lines| lines.each(|[out], [_, m]| [of_function(ACTIVATIONS[A].1, 1, out, m)]),
            ..of_p
        },
        Apply::TimesDerivative => Row {
            name: names[2],
            outputs: &[Output("out", Some(Signed))],
            body: bodies[2],
            compute: |lines| lines.each(|[out], [m]| [out * ACTIVATIONS[A].1.derivative(m)]),
            bound: |lines| lines.each(|[out], [_, m]| [of_derivative(ACTIVATIONS[A].1, out, m)]),
            ..of_p
        },
    }
}
