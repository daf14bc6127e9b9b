//! Samples on their way to a device.

use ndarray::{ArcArray2, Array2, ArrayView2};

/// Rows of X, made by `into()`: of a view, or of an array that is given away or shared. A device that computes in host memory
/// copies a view, and keeps a shared array as it is.
#[derive(Debug, Clone)]
pub enum Rows<'a, E> {
    /// Of an array that stays the caller's.
    View(ArrayView2<'a, E>),
    /// Of an array that is there as long as anybody has it, and that nobody writes.
    Shared(ArcArray2<E>),
}

impl<E: Clone> Rows<'_, E> {
    /// `(rows, columns)`.
    pub fn dim(&self) -> (usize, usize) {
        self.view().dim()
    }

    /// To read them.
    pub fn view(&self) -> ArrayView2<'_, E> {
        match self {
            Self::View(rows) => rows.view(),
            Self::Shared(rows) => rows.view(),
        }
    }

    /// Row-major and shared: copied where they are a view or in another order.
    pub fn into_shared(self) -> ArcArray2<E> {
        match self {
            Self::Shared(rows) if rows.is_standard_layout() => rows,
            other => other.view().as_standard_layout().into_owned().into_shared(),
        }
    }

    /// To write them: copied where anybody else has them.
    pub fn into_owned(self) -> Array2<E> {
        match self {
            Self::View(rows) => rows.to_owned(),
            Self::Shared(rows) => rows.try_into_owned_nocopy().unwrap_or_else(|rows| rows.to_owned()),
        }
    }
}

impl<'a, E> From<ArrayView2<'a, E>> for Rows<'a, E> {
    fn from(rows: ArrayView2<'a, E>) -> Self {
        Self::View(rows)
    }
}

impl<E: Clone> From<Array2<E>> for Rows<'_, E> {
    fn from(rows: Array2<E>) -> Self {
        Self::Shared(rows.into_shared())
    }
}

impl<E> From<ArcArray2<E>> for Rows<'_, E> {
    fn from(rows: ArcArray2<E>) -> Self {
        Self::Shared(rows)
    }
}
