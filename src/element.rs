//! The numbers that a backend computes with.

/// The numbers of a backend: `f32` or `f64`.
pub trait Element:
    ndarray::NdFloat + faer::traits::ComplexField + bytemuck::Pod + std::iter::Sum + Default + 'static
{
    /// From the host's `f64`, rounded to nearest.
    fn of(value: f64) -> Self;
    /// To the host's `f64`, exactly.
    fn f64(self) -> f64;
    /// The unit roundoff u.
    const UNIT: f64;
}

impl Element for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
    fn f64(self) -> f64 {
        self.into()
    }
    const UNIT: f64 = f32::EPSILON as f64 / 2.0;
}

impl Element for f64 {
    fn of(value: f64) -> Self {
        value
    }
    fn f64(self) -> f64 {
        self
    }
    const UNIT: f64 = f64::EPSILON / 2.0;
}
