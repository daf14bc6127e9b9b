// The functions of the activations, with g(0) = p(0) = 0 and p = g⁻¹; the bodies in src/backend/formula/table.rs call them:
//
//   root      g = √h                p = y²                       p' = 2y
//   tanh      g = atanh h           p = tanh y                   p' = 1/cosh² y
//   sigmoid   g = 2 atanh h         p = tanh(y/2)                p' = ½/cosh²(y/2)
//   softplus  g = log(2eʰ − 1)      p = log(1 + eʸ) − log 2      p' = 1/(1 + e⁻ʸ)
//
// g is for h ≥ 0 alone. Only e^−|x| is taken, which cannot overflow, and series where log and exp would lose small numbers:
// WGSL promises of a log between ½ and 2 no more than 2⁻²¹ in all. The built-in tanh is NaN at large arguments on some drivers.

// 1 − 17·2⁻²⁴: the largest argument of atanh.
const LARGEST: f32 = 0.99999898672103881836;

fn hyperbolic_tangent(y: f32) -> f32 {
    if (abs(y) < 0.5) {
        // Lambert's continued fraction.
        let q = y * y;
        return y / (1.0 + q / (3.0 + q / (5.0 + q / (7.0 + q / 9.0))));
    }
    let t = exp(-2.0 * abs(y));
    return sign(y) * (1.0 - t) / (1.0 + t);
}

fn area_tangent(x: f32) -> f32 {
    let h = min(x, LARGEST);
    if (h < 0.25) {
        let q = h * h;
        return h * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * (1.0 / 9.0 + q / 11.0)))));
    }
    return 0.5 * log((1.0 + h) / (1.0 - h));
}

// 1/cosh²(y/2) = 4t/(1 + t)², t = e^−|y|.
fn bell(y: f32) -> f32 {
    let t = exp(-abs(y));
    return 4.0 * t / ((1.0 + t) * (1.0 + t));
}

// y/2 + log cosh(y/2).
fn softplus(y: f32) -> f32 {
    if (abs(y) < 1.0) {
        let q = 0.25 * y * y;
        return 0.5 * y
            + q * (0.5 - q * (1.0 / 12.0 - q * (1.0 / 45.0 - q * (17.0 / 2520.0 - q * (31.0 / 14175.0 - q * (691.0 / 935550.0))))));
    }
    return max(y, 0.0) + log(0.5 + 0.5 * exp(-abs(y)));
}

// 2 atanh(1 − e⁻ʰ), and 1 − e⁻ʰ = 2t/(1 + t) with t = tanh(h/2).
fn inverse_softplus(h: f32) -> f32 {
    if (h < 0.25) {
        let t = hyperbolic_tangent(0.5 * h);
        return 2.0 * area_tangent(2.0 * t / (1.0 + t));
    }
    return h + log(2.0 - exp(-h));
}

// 1/(1 + e⁻ʸ).
fn logistic(y: f32) -> f32 {
    let t = exp(-abs(y));
    return select(1.0, t, y < 0.0) / (1.0 + t);
}
