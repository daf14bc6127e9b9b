//! The section of the clusters: samples in them, and how they agree with the classes.

use super::samples;
use super::section::{Clusters, Report, Section, figure, sheet, spread};
use crate::Result;
use crate::evaluate::Contingency;
use crate::report::escape;
use crate::report::pictures::Pictures;
use ndarray::Axis;

/// What the scores mean.
const SCORES: &str = "How clusters agree with classes, 1 at best but for ER. NMI: the information that they share, beside that of both; \
                      NP: the largest share of a class in one cluster, mean over the classes; AC: the share of samples in the cluster of \
                      their class, one cluster for each; purity: the share of samples in a cluster that has mostly their class. ER: the \
                      fourth root of twice the number of pairs that are together in one of the two only; 0 is best, and it grows \
                      with the number of samples.";
/// The most samples that are shown of all clusters together, and of one.
const TILES: usize = 600;
const OF_ONE: usize = 12;
/// The most rows and columns of the table of classes against clusters.
const TABLE: usize = 100;
/// The most columns of the table in letters of the usual size.
const DENSE: usize = 30;

pub(super) fn section(report: &Report<'_>, pictures: &Pictures<'_>) -> Result<Section> {
    let body = match &report.clusters {
        None => Err("samples were not clustered: there are no labels of several classes (--labels FILE) and no number of clusters (--clusters K)".into()),
        Some(clusters) => Ok(body(report, clusters, pictures)?),
    };
    Ok(Section { id: "clusters", title: "Clusters", body })
}

/// A cluster.
struct Cluster {
    number: usize,
    members: Vec<usize>,
    /// The most frequent class of its samples, and how many are of it.
    mostly: Option<(usize, usize)>,
}

fn body(report: &Report<'_>, c: &Clusters, pictures: &Pictures<'_>) -> Result<String> {
    let clusters = by_size(c);
    let of_runs = match c.runs {
        0 | 1 => String::new(),
        n => format!(
            " Of {n} runs of k-means this is the one with the least sum of squared distances; all here is of this run. <code>deepnmf \
             evaluate</code> says the scores of all runs, mean and deviation."
        ),
    };
    let mut html =
        format!("<p>{} samples in {} clusters, found without labels.{of_runs}</p>\n", c.of.len(), clusters.len());
    if !c.scores.is_empty() {
        let names: String = c.scores.iter().map(|(n, _)| format!("<th class=\"number\">{}</th>", escape(n))).collect();
        let values: String = c.scores.iter().map(|(_, v)| format!("<td class=\"number\">{v:.3}</td>")).collect();
        html.push_str(&format!(
            "<div class=\"wide\">\n<table>\n<thead>\n<tr>{names}</tr>\n</thead>\n<tbody>\n<tr>{values}</tr>\n</tbody>\n\
             </table>\n</div>\n<p class=\"soft\">{SCORES}</p>\n"
        ));
    }
    html.push_str(&match &c.labels {
        None => "<p class=\"missing\">No table of classes against clusters: the samples have no labels.</p>\n".into(),
        Some(labels) => table(c, labels, &clusters)?,
    });
    html.push_str(&sheets(report, c, &clusters, pictures)?);
    Ok(html)
}

fn by_size(c: &Clusters) -> Vec<Cluster> {
    let mut members: std::collections::BTreeMap<usize, Vec<usize>> = Default::default();
    c.of.iter().enumerate().for_each(|(sample, cluster)| members.entry(*cluster).or_default().push(sample));
    let mut clusters: Vec<_> = members
        .into_iter()
        .map(|(number, members)| {
            let mostly = c.labels.as_ref().and_then(|labels| {
                let mut counts = vec![0; c.classes.len()];
                members.iter().filter_map(|i| labels[*i]).for_each(|class| counts[class] += 1);
                // The first of equally frequent classes; None without labels.
                counts.into_iter().enumerate().rev().max_by_key(|(_, count)| *count).filter(|(_, count)| *count > 0)
            });
            Cluster { number, members, mostly }
        })
        .collect();
    clusters.sort_by_key(|c| std::cmp::Reverse(c.members.len()));
    clusters
}

/// The table of classes against clusters. Clusters are in the order of their most frequent classes, so that agreement is a
/// diagonal.
fn table(c: &Clusters, labels: &[Option<usize>], clusters: &[Cluster]) -> Result<String> {
    let (of, clustered): (Vec<_>, Vec<_>) = labels.iter().zip(&c.of).filter_map(|(l, c)| Some(((*l)?, *c))).unzip();
    let found = Contingency::new(&of, &clustered)?;
    let without = match labels.len() - of.len() {
        0 => String::new(),
        n => format!(" {n} samples without a class are left out."),
    };
    let (rows, columns) = found.counts.dim();
    if rows.max(columns) > TABLE {
        return Ok(format!(
            "<p class=\"missing\">No table of classes against clusters: {rows} × {columns} is more than {TABLE} × {TABLE}.</p>\n"
        ));
    }
    let mostly = |number: usize| clusters.iter().find(|c| c.number == number).and_then(|c| c.mostly);
    let mut order: Vec<usize> = (0..columns).collect();
    order.sort_by_key(|j| mostly(found.clusters[*j]).map_or((usize::MAX, 0), |(class, n)| (class, usize::MAX - n)));
    let head: String = order.iter().map(|j| format!("<th>{}</th>", found.clusters[*j])).collect();
    let mut lines = String::new();
    for (i, class) in found.classes.iter().enumerate() {
        let total = found.counts.row(i).sum().max(1) as f64;
        lines.push_str(&format!("<tr><th>{}</th>", escape(&c.classes[*class])));
        for j in &order {
            let count = found.counts[[i, *j]];
            lines.push_str(&match count {
                0 => "<td></td>".to_string(),
                _ => {
                    let strength = 0.1 + 0.6 * count as f64 / total;
                    format!("<td style=\"background:rgb(var(--hit)/{strength:.2})\">{count}</td>")
                }
            });
        }
        lines.push_str("</tr>\n");
    }
    let class = if columns > DENSE { "matrix dense" } else { "matrix" };
    Ok(format!(
        "<h3>Classes against clusters</h3>\n<p class=\"soft\">Lines are classes, columns clusters; the stronger the colour, \
         the more of the class. Clusters are sorted by the class of most of their samples.{without}</p>\n<div class=\"wide\">\n\
         <table class=\"{class}\">\n<thead>\n<tr><th></th>{head}</tr>\n</thead>\n<tbody>\n{lines}</tbody>\n</table>\n</div>\n"
    ))
}

fn sheets(report: &Report<'_>, c: &Clusters, clusters: &[Cluster], pictures: &Pictures<'_>) -> Result<String> {
    let each = (TILES / clusters.len().max(1)).clamp(4, OF_ONE);
    let shown = TILES / each;
    let names: &[String] = report.samples.as_ref().map_or(&[], |s| s.names);
    let mut html =
        format!("<h3>What is in them</h3>\n<p class=\"soft\">Up to {each} samples of every cluster, evenly spread");
    if clusters.len() > shown {
        html.push_str(&format!("; the {shown} largest clusters of {}", clusters.len()));
    }
    html.push_str(if report.samples.is_some() { "." } else { "; reconstructed, as no data were given." });
    if c.labels.is_some() {
        html.push_str(" Bold: samples of another class than most.");
    }
    html.push_str("</p>\n");
    // Small clusters stand side by side.
    html.push_str(if each <= 8 { "<div class=\"clusters\">\n" } else { "<div>\n" });
    for cluster in clusters.iter().take(shown) {
        let n = cluster.members.len();
        let plural = if n == 1 { "sample" } else { "samples" };
        let mostly = cluster
            .mostly
            .map_or(String::new(), |(class, count)| format!(", {count} of class {}", escape(&c.classes[class])));
        html.push_str(&format!("<div>\n<h3>Cluster {}: {n} {plural}{mostly}</h3>\n", cluster.number));
        html.push_str(&format!("<div class=\"{}\">\n", sheet(pictures, false)));
        let places: Vec<usize> = spread(n, each).into_iter().map(|i| cluster.members[i]).collect();
        let x = match &report.samples {
            Some(s) => s.x.select(Axis(0), &places),
            None => samples::reconstructed(&report.model.factors, report.model.factors.h.view(), &places)?,
        };
        for (row, i) in places.iter().enumerate() {
            let name = samples::name(names, *i);
            let class = c.labels.as_ref().and_then(|labels| labels[*i]);
            let caption = class.map_or_else(|| name.clone(), |class| c.classes[class].clone());
            let other = class.is_some() && class != cluster.mostly.map(|(class, _)| class);
            let picture = pictures.html(x.row(row), None, &name)?;
            html.push_str(&figure(&picture, &escape(&caption), if other { "other" } else { "" }));
        }
        html.push_str("</div>\n</div>\n");
    }
    html.push_str("</div>\n");
    Ok(html)
}
