//! What a chart shows: plain data.

/// A chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Above the chart, in as many lines as it needs; may be empty.
    pub title: String,
    /// The horizontal axis; for boxes and bars that of the values.
    pub x: Axis,
    /// The vertical axis; for lines only.
    pub y: Axis,
    /// What is drawn.
    pub content: Content,
    /// Below the chart, in as many lines as it needs; may be empty.
    pub note: String,
    /// Width and height in pixels of the SVG; a PNG has [`PNG_SCALE`](super::PNG_SCALE) times as many. Height 0: as high as the content
    /// needs.
    pub size: (u32, u32),
}

/// An axis.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Axis {
    /// Its title.
    pub label: String,
    /// Whether it is logarithmic, which the chart says; values that are not positive are then left out.
    pub log: bool,
    /// Its first and last value; None: those of the data. Values outside are cut off.
    pub limits: Option<(f64, f64)>,
}

impl Axis {
    /// A linear axis from the smallest to the largest value.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    /// The same with a logarithmic scale.
    #[must_use]
    pub fn log(self) -> Self {
        Self { log: true, ..self }
    }

    /// The same from `min` to `max`.
    #[must_use]
    pub fn limits(self, min: f64, max: f64) -> Self {
        Self { limits: Some((min, max)), ..self }
    }
}

/// What is drawn.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Lines through points, in their order.
    Lines(Vec<Series>),
    /// One box per group: quartiles, whiskers to the outermost values within 1.5 interquartile ranges of the box, circles
    /// for values outside.
    Boxes {
        /// The groups, from top to bottom.
        groups: Vec<Group>,
        /// What the reference marks are, for the legend; not used where there are none.
        reference: String,
    },
    /// One bar per value, from zero.
    Bars {
        /// The bars, from top to bottom.
        bars: Vec<Bar>,
        /// What the reference marks are, for the legend; not used where there are none.
        reference: String,
    },
}

/// A line with a name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// Its name in the legend; a single series with an empty label has no legend.
    pub label: String,
    /// Points that are not finite, or not positive on a logarithmic axis, interrupt the line.
    pub points: Vec<(f64, f64)>,
    /// The half length of the error bar of every point; empty: there are none.
    pub deviations: Vec<f64>,
}

impl Series {
    /// A line without error bars.
    pub fn new(label: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self { label: label.into(), points: points.into_iter().collect(), deviations: Vec::new() }
    }

    /// A line through `(x, y, deviation)`.
    pub fn with_deviations(label: impl Into<String>, points: impl IntoIterator<Item = (f64, f64, f64)>) -> Self {
        let (points, deviations) = points.into_iter().map(|(x, y, d)| ((x, y), d)).unzip();
        Self { label: label.into(), points, deviations }
    }
}

/// The values of a box.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Group {
    /// The name beside the box.
    pub label: String,
    /// The values in any order; those that are not finite are left out.
    pub values: Vec<f64>,
    /// A value to compare with, such as a printed one: a diamond.
    pub reference: Option<f64>,
    /// The number of its colour, the same for boxes that belong together.
    pub colour: usize,
}

/// A bar.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bar {
    /// The name beside the bar.
    pub label: String,
    /// Its length.
    pub value: f64,
    /// The half length of the error bar.
    pub deviation: Option<f64>,
    /// A value to compare with, such as a printed one: a diamond.
    pub reference: Option<f64>,
}

/// The default width of a chart, in pixels.
const WIDTH: u32 = 480;

impl Chart {
    /// A chart of lines.
    pub fn lines(title: impl Into<String>, x: Axis, y: Axis, series: Vec<Series>) -> Self {
        Self { title: title.into(), x, y, content: Content::Lines(series), note: String::new(), size: (WIDTH, 0) }
    }

    /// A chart of box plots; `reference` says in the legend what the marks are.
    pub fn boxes(title: impl Into<String>, x: Axis, groups: Vec<Group>, reference: impl Into<String>) -> Self {
        let content = Content::Boxes { groups, reference: reference.into() };
        Self { title: title.into(), x, y: Axis::default(), content, note: String::new(), size: (WIDTH, 0) }
    }

    /// A chart of bars; `reference` says in the legend what the marks are.
    pub fn bars(title: impl Into<String>, x: Axis, bars: Vec<Bar>, reference: impl Into<String>) -> Self {
        let content = Content::Bars { bars, reference: reference.into() };
        Self { title: title.into(), x, y: Axis::default(), content, note: String::new(), size: (WIDTH, 0) }
    }

    /// The same with a note below it.
    #[must_use]
    pub fn noted(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// The same of another size; see [`Chart::size`].
    #[must_use]
    pub fn sized(self, width: u32, height: u32) -> Self {
        Self { size: (width, height), ..self }
    }

    /// The title of an axis, and whether it is logarithmic.
    pub(super) fn title_of(axis: &Axis) -> String {
        match (axis.log, axis.label.as_str()) {
            (true, "") => "Logarithmic".into(),
            (true, label) => format!("{label} (logarithmic)"),
            (false, label) => label.into(),
        }
    }

    pub(super) fn has_values(&self) -> bool {
        match &self.content {
            Content::Lines(series) => {
                series.iter().flat_map(|s| &s.points).any(|(x, y)| x.is_finite() && y.is_finite())
            }
            Content::Boxes { groups, .. } => groups.iter().flat_map(|g| &g.values).any(|v| v.is_finite()),
            Content::Bars { bars, .. } => bars.iter().any(|b| b.value.is_finite()),
        }
    }
}
