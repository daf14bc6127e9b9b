//! The section of the samples beside their reconstructions.

use ndarray::{ArrayView2, Axis};

use super::section::{Report, Samples, Section, figure, percent, sheet, spread};
use crate::Result;
use crate::model::Factors;
use crate::report::escape;
use crate::report::pictures::Pictures;

/// The most samples that are shown, evenly spread.
const EVENLY: usize = 12;
/// The number of samples that are shown because their relative errors are the largest.
const WORST: usize = 6;

pub(super) fn section(report: &Report<'_>, pictures: &Pictures<'_>) -> Result<Section> {
    let body = match &report.samples {
        None => Err("no data were given to show beside their reconstruction".into()),
        Some(samples) => Ok(body(&report.model.factors, samples, pictures)?),
    };
    Ok(Section { id: "reconstruction", title: "Reconstruction", body })
}

fn body(factors: &Factors<f32>, samples: &Samples<'_>, pictures: &Pictures<'_>) -> Result<String> {
    let squares: Vec<f64> =
        samples.x.axis_iter(Axis(0)).map(|x| x.iter().map(|v| f64::from(*v).powi(2)).sum()).collect();
    let left = factors.squared_errors(samples.x, samples.h)?;
    let all = (left.iter().sum::<f64>() / squares.iter().sum::<f64>()).sqrt();
    // A sample of zeros has no relative error.
    let error = |i: usize| (squares[i] > 0.0).then(|| (left[i] / squares[i]).sqrt());
    let mut order: Vec<(usize, f64)> = (0..squares.len()).filter_map(|i| Some((i, error(i)?))).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    let median = order.get(order.len() / 2).map_or(0.0, |(_, e)| *e);
    let mut html = format!(
        "<p>Left a sample, right what the model makes of it, on the same scale; below its relative error ‖x − x̂‖ / ‖x‖. Of \
         all {} samples together it is {}, the median {}. {} {}</p>\n",
        squares.len(),
        percent(all),
        percent(median),
        escape(&format!("Coefficients: {}.", samples.coefficients)),
        pictures.scale_text(),
    );
    let evenly = spread(squares.len(), EVENLY);
    let worst: Vec<usize> = order.iter().take(WORST).map(|(i, _)| *i).collect();
    let titles = [("Some samples, evenly spread", evenly), ("The worst", worst)];
    for (title, places) in titles {
        if places.is_empty() {
            continue;
        }
        html.push_str(&format!("<h3>{title}</h3>\n<div class=\"{}\">\n", sheet(pictures, true)));
        let x = samples.x.select(Axis(0), &places);
        let made = reconstructed(factors, samples.h, &places)?;
        for (row, i) in places.iter().enumerate() {
            let (x, made, name) = (x.row(row), made.row(row), name(samples.names, *i));
            let top = pictures.top(x);
            let both = pictures.html(x, Some(top), &name)?
                + &pictures.html(made, Some(top), &format!("reconstruction of {name}"))?;
            let error = error(*i).map_or("all zero".into(), percent);
            html.push_str(&figure(&both, &format!("{}<br/>{error}", escape(&name)), ""));
        }
        html.push_str("</div>\n");
    }
    Ok(html)
}

/// The reconstruction of some samples of `h`.
pub(super) fn reconstructed(
    factors: &Factors<f32>,
    h: ArrayView2<'_, f32>,
    places: &[usize],
) -> Result<ndarray::Array2<f32>> {
    factors.reconstruct(h.select(Axis(0), places).view())
}

/// The name of sample `i`; without one its number.
pub(super) fn name(names: &[String], i: usize) -> String {
    match names.get(i) {
        Some(name) => name.clone(),
        None => format!("sample {i}"),
    }
}
