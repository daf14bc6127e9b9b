use super::section::spread;
use super::*;
use crate::data::{ImageShape, Preprocess, Scale};
use crate::model::{Activate, Factors, ModelSpec};
use crate::store::Model;
use crate::train::{Config, Fit, History, Penalties, Seconds, Solver};
use ndarray::Array2;
use roxmltree::{Document, ParsingOptions};

/// The day of the first second.
const DAY: std::time::SystemTime = std::time::UNIX_EPOCH;
const HOSTILE: &str = "<script>alert(\"1\")</script> & 'more' \u{1}";

/// A model of 12 samples of 4 × 3 pixels, whose values are all different.
fn model(name: &str, layers: &[usize]) -> Model {
    let matrix = |rows: usize, columns: usize, seed: usize| {
        Array2::from_shape_fn((rows, columns), |(i, j)| ((i * 7 + j * 13 + seed * 5) % 17) as f32 / 17.0)
    };
    let sizes: Vec<usize> = std::iter::once(12).chain(layers.iter().copied()).collect();
    let w = sizes.windows(2).enumerate().map(|(l, s)| matrix(s[0], s[1], l)).collect();
    let h = matrix(12, layers[layers.len() - 1], 9);
    let config = Config::new(ModelSpec::by_name(name).expect("in the table"), layers.to_vec());
    let zeros = vec![0.0; layers.len()];
    let fit = Fit {
        factors: Factors { w, h, hidden: Vec::new(), activation: None, activate: Activate::Hidden },
        solver: Solver::Cd,
        x_storage: crate::backend::Storage::F32,
        pretrain_samples: None,
        penalties: Penalties { mu: zeros.clone(), lambda: zeros },
        history: History {
            pretrain: layers.iter().map(|_| vec![9.0, 4.0, 2.0]).collect(),
            finetune: if layers.len() > 1 { vec![8.0, 4.0, 2.0] } else { Vec::new() },
        },
        objective: 2.0,
        relative_error: 0.25,
        n_samples: 12,
        norm: 1.0,
        seconds: Seconds::default(),
        warnings: Vec::new(),
    };
    let preprocess = Preprocess { scale: Scale::UnitL2, factor: 1.0, igo: None };
    let mut model = Model::new(&config, fit, preprocess, HOSTILE.into());
    model.metadata.image_shape = Some(ImageShape::new(4, 3, 1));
    model
}

fn clusters() -> Clusters {
    let labels = (0..12).map(|i| Some(i % 2)).collect();
    Clusters {
        runs: 10,
        of: (0..12).map(|i| if i == 11 { 4 } else { i % 2 }).collect(),
        classes: vec!["coats".into(), HOSTILE.into()],
        labels: Some(labels),
        scores: vec![("NMI".into(), 0.875)],
    }
}

fn page<'a>(model: &'a Model, samples: Option<Samples<'a>>, clusters: Option<Clusters>) -> Page {
    Report { model, name: HOSTILE, made: DAY, samples, clusters }.page().expect("a page")
}

/// The page as XML: tags that are closed, attributes that are quoted, texts that are escaped.
fn parse(page: &Page) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(&page.html, options).unwrap_or_else(|e| panic!("{e}: {}", page.html))
}

fn section<'a>(document: &'a Document<'_>, id: &str) -> roxmltree::Node<'a, 'a> {
    let found = document.descendants().find(|n| n.has_tag_name("section") && n.attribute("id") == Some(id));
    found.unwrap_or_else(|| panic!("no section {id}"))
}

fn text(node: roxmltree::Node<'_, '_>) -> String {
    node.descendants().filter(|n| n.is_text()).filter_map(|n| n.text()).collect()
}

fn pictures(node: roxmltree::Node<'_, '_>) -> usize {
    node.descendants().filter(|n| n.has_tag_name("img")).count()
}

const SECTIONS: [&str; 7] =
    ["What was run", "Course of the training", "Sparsity", "Components", "Hierarchy", "Reconstruction", "Clusters"];

#[test]
fn everything_is_there_and_every_foreign_text_is_escaped() {
    let model = model("dnmf", &[5, 3]);
    let x = model.factors.reconstruct(model.factors.h.view()).unwrap();
    let names: Vec<String> = (0..12).map(|i| format!("{HOSTILE}{i}")).collect();
    let h = model.factors.h.view();
    let samples = Samples { source: HOSTILE, x: x.view(), h, coefficients: "stored", names: &names };
    let page = page(&model, Some(samples), Some(clusters()));
    assert_eq!((page.shown.as_slice(), page.missing.len()), (SECTIONS.as_slice(), 0));
    let document = parse(&page);
    // Only our own tags: what looks like one in a name is text.
    assert!(!document.descendants().any(|n| n.has_tag_name("script")));
    let escaped = HOSTILE.replace('\u{1}', "\u{FFFD}");
    // Model file, device, source and classes.
    assert!(text(document.root()).matches(&escaped).count() >= 4);
    let alt = document.descendants().filter_map(|n| n.attribute("alt")).filter(|a| a.contains("<script>")).count();
    assert!(alt >= 24, "names of samples and of their reconstructions: {alt}");
    // Nothing is fetched: every address is inside the page.
    for n in document.descendants() {
        for a in n.attributes().filter(|a| matches!(a.name(), "src" | "href" | "srcset" | "data" | "action")) {
            let inside = ["data:image/png;base64,", "#"].iter().any(|start| a.value().starts_with(start));
            // The icon is none.
            assert!(inside || a.value() == "data:,", "{}", a.value());
        }
    }
    assert!(!page.html.contains("url(") && !page.html.contains("@import"));

    let title = text(document.descendants().find(|n| n.has_tag_name("title")).expect("a title"));
    assert_eq!(title, format!("DNMF, layers 5 → 3: {escaped}, 1970-01-01"));
    let course = text(section(&document, "course"));
    for part in ["Pre-training of layer 1: 12 → 5", "layer 2: 5 → 3", "Fine-tuning", "Error: fine-tuning"] {
        assert!(course.contains(part), "`{part}` in {course}");
    }
    assert_eq!(pictures(section(&document, "components")), 5 + 3);
    // Three components with five parts each.
    assert_eq!(pictures(section(&document, "hierarchy")), 3 * 6);
    assert!(text(section(&document, "reconstruction")).contains("Of all 12 samples together it is 0.00 %"));
    assert_eq!(pictures(section(&document, "reconstruction")), 2 * (12 + 6));
    let found = section(&document, "clusters");
    assert!(text(found).contains("0.875") && text(found).contains("12 samples in 3 clusters"));
    assert_eq!(pictures(found), 12);
    let cells: Vec<String> = found
        .descendants()
        .find(|n| n.attribute("class") == Some("matrix"))
        .map(|m| m.descendants().filter(|n| n.has_tag_name("td")).map(text).collect())
        .expect("a table of classes against clusters");
    // Classes 0 and 1 in the clusters 0, 1 and 4.
    assert_eq!(cells, ["6", "", "", "", "5", "1"]);
}

#[test]
fn what_is_missing_is_left_out_and_the_page_says_so() {
    let mut bare = model("sdnmf-l", &[5]);
    bare.metadata.penalties.mu = vec![0.5];
    let text_of = |page: &Page, id: &str| text(section(&parse(page), id));
    let found = page(&bare, None, None);
    assert_eq!(found.shown, ["What was run", "Course of the training", "Sparsity", "Components"]);
    for (id, why) in [
        ("hierarchy", "Not shown: the model has one layer"),
        ("reconstruction", "Not shown: no data were given"),
        ("clusters", "Not shown: samples were not clustered"),
        ("course", "No curve of the error: the objective holds penalties"),
    ] {
        assert!(text_of(&found, id).contains(why), "{id}: {}", text_of(&found, id));
    }
    // Nothing that is not there is linked to.
    assert!(!found.html.contains("href=\"#clusters\"") && found.html.contains("href=\"#components\""));

    bare.metadata.image_shape = None;
    bare.metadata.feature_names = (0..12).map(|i| format!("gene {i} <&>")).collect();
    bare.metadata.history = History::default();
    let unlabelled = Clusters { labels: None, classes: Vec::new(), scores: Vec::new(), ..clusters() };
    let found = page(&bare, None, Some(unlabelled));
    assert_eq!(found.shown, ["What was run", "Sparsity", "Components", "Clusters"]);
    // The strongest features of every component, with value and name, the strongest first.
    let psi = bare.factors.components(1).unwrap();
    let mut order: Vec<usize> = (0..12).collect();
    order.sort_by(|&a, &b| psi[[b, 0]].total_cmp(&psi[[a, 0]]));
    let expected: String = order.iter().take(8).map(|&i| format!("{:.3}gene {i} <&>", psi[[i, 0]])).collect();
    assert!(text_of(&found, "components").contains(&expected), "{expected}: {}", text_of(&found, "components"));
    assert!(text_of(&found, "course").contains("no history"));
    let clusters = text_of(&found, "clusters");
    assert!(clusters.contains("have no labels") && clusters.contains("gene 1 <&>"), "{clusters}");
    assert_eq!(pictures(parse(&found).root()), 0);
}

#[test]
fn clusters_without_data_are_shown_by_their_reconstructions() {
    let model = model("dnmf", &[5, 3]);
    let page = page(&model, None, Some(clusters()));
    let document = parse(&page);
    let found = section(&document, "clusters");
    assert!(text(found).contains("reconstructed, as no data were given"));
    assert_eq!(pictures(found), 12);
    // The one sample of cluster 4 is all of it; those of class 1 in cluster 1 are its majority.
    assert!(text(found).contains("Cluster 4: 1 sample, 1 of class"));
}

/// The colours of the picture with this text instead of it.
fn colours(page: &Page, alt: &str) -> image::RgbImage {
    let document = parse(page);
    let img = document.descendants().find(|n| n.attribute("alt") == Some(alt)).unwrap_or_else(|| panic!("no {alt}"));
    let data = img.attribute("src").and_then(|s| s.strip_prefix("data:image/png;base64,")).expect("a PNG");
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, data).expect("base64");
    let picture = image::load_from_memory(&bytes).expect("a picture").into_rgb8();
    let size = (picture.width().to_string(), picture.height().to_string());
    assert_eq!((img.attribute("width"), img.attribute("height")), (Some(&*size.0), Some(&*size.1)));
    picture
}

#[test]
fn colour_signs_and_gradients_are_shown_as_what_they_are() {
    let shape = |height, width, channels| ImageShape::new(height, width, channels);
    let mut grey = model("dnmf", &[2]);
    grey.factors.w[0].column_mut(0).fill(0.0);
    grey.factors.w[0][[1, 0]] = 0.5;
    let picture = colours(&page(&grey, None, None), "component 0 of layer 1");
    assert_eq!((picture.dimensions(), picture.get_pixel(1, 0).0), ((3, 4), [255; 3]));

    let mut colour = grey.clone();
    colour.metadata.image_shape = Some(shape(2, 2, 3));
    let picture = colours(&page(&colour, None, None), "component 0 of layer 1");
    assert_eq!((picture.dimensions(), picture.get_pixel(0, 0).0), ((2, 2), [0, 255, 0]));

    let mut signed = model("semi-nmf", &[2]);
    signed.factors.w[0].column_mut(0).fill(0.0);
    signed.factors.w[0][[7, 0]] = -0.5;
    let found = page(&signed, None, None);
    assert!(found.html.contains("Blue is negative"));
    let picture = colours(&found, "component 0 of layer 1");
    assert_eq!((picture.get_pixel(1, 2).0, picture.get_pixel(0, 0).0), ([33, 102, 172], [247; 3]));

    signed.metadata.image_shape = Some(shape(3, 2, 1));
    signed.metadata.preprocess.igo = signed.metadata.image_shape;
    let found = page(&signed, None, None);
    let (cosine, sine) =
        (colours(&found, "component 0 of layer 1, cosine"), colours(&found, "component 0 of layer 1, sine"));
    assert_eq!((cosine.dimensions(), sine.dimensions()), ((2, 3), (2, 3)));
    assert!(cosine.pixels().all(|p| p.0 == [247; 3]));
    assert_eq!(sine.get_pixel(1, 0).0, [33, 102, 172]);
}

#[test]
fn deep_models_have_a_tree_that_is_not_too_large() {
    for (layers, expected) in [(vec![6, 6, 6], 6 * (1 + 5 + 25)), (vec![6, 6, 6, 6], 6 * (1 + 3 + 9 + 27))] {
        let page = page(&model("dnmf", &layers), None, None);
        let document = parse(&page);
        assert_eq!(pictures(section(&document, "hierarchy")), expected);
        let open = document.descendants().filter(|n| n.attribute("open").is_some()).count();
        assert_eq!(open, 2 * (layers.len() - 1), "two components with their strongest parts");
    }
}

#[test]
fn large_pictures_are_made_smaller_until_the_page_is_small_enough() {
    let mut large = model("dnmf", &[90]);
    let (height, width) = (300, 200);
    large.metadata.image_shape = Some(ImageShape::new(height, width, 3));
    let mut state = 1u32;
    large.factors.w[0] = Array2::from_shape_simple_fn((height * width * 3, 90), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32
    });
    let found = page(&large, None, None);
    assert!(found.html.len() <= LARGEST, "{} bytes", found.html.len());
    assert_eq!(colours(&found, "component 7 of layer 1").dimensions(), (64, 96));
    large.metadata.image_shape = Some(ImageShape::new(width, height, 3));
    assert_eq!(colours(&page(&large, None, None), "component 7 of layer 1").dimensions(), (96, 64));
}

fn refused<'a>(model: &'a Model, samples: Option<Samples<'a>>, clusters: Option<Clusters>) {
    let report = Report { model, name: "m", made: DAY, samples, clusters };
    assert!(matches!(report.page(), Err(Error::Shape { .. })));
}

#[test]
fn what_does_not_fit_the_model_is_an_error() {
    let model = model("dnmf", &[5, 3]);
    let (x, h) = (Array2::zeros((12, 12)), model.factors.h.clone());
    let samples = Samples { source: "", x: x.view(), h: h.view(), coefficients: "", names: &[] };
    let one = [String::new()];
    let (other_x, other_h) = (Array2::zeros((12, 11)), Array2::zeros((11, 3)));
    refused(&model, Some(Samples { x: other_x.view(), ..samples.clone() }), None);
    refused(&model, Some(Samples { h: other_h.view(), ..samples.clone() }), None);
    refused(&model, Some(Samples { names: &one, ..samples }), None);
    refused(&model, None, Some(Clusters { of: vec![0; 11], ..clusters() }));
    refused(&model, None, Some(Clusters { labels: Some(vec![Some(0); 11]), ..clusters() }));
    refused(&model, None, Some(Clusters { classes: vec!["one".into()], ..clusters() }));
}

#[test]
fn places_are_spread_and_do_not_all_meet_the_same_class() {
    assert_eq!(spread(3, 5), [0, 1, 2]);
    for n in [13, 100, 2000, 9999] {
        let places = spread(n, 12);
        assert_eq!(places.len(), 12);
        assert!(places.windows(2).all(|p| p[0] < p[1]) && places[11] < n);
        let widest = places.windows(2).map(|p| p[1] - p[0]).max().expect("gaps");
        assert!(widest <= n / 4, "{places:?}");
    }
    let classes: std::collections::BTreeSet<usize> = spread(2000, 12).iter().map(|i| i % 10).collect();
    assert!(classes.len() >= 6, "{classes:?}");
}

#[test]
fn a_page_is_written_as_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let found = page(&model("dnmf", &[5, 3]), None, None);
    let path = folder.path().join("report.html");
    found.save(&path).expect("written");
    assert_eq!(std::fs::read_to_string(&path).expect("read"), found.html);
    assert!(matches!(found.save(&folder.path().join("no/report.html")), Err(Error::Format { .. })));
}
