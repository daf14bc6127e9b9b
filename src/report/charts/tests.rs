use super::draw::{Five, visible};
use super::frame::COLOURS;
use super::*;
use plotters::style::RGBColor;

fn series(label: &str, points: &[(f64, f64)]) -> Series {
    Series::new(label, points.iter().copied())
}

fn three_kinds() -> [Chart; 3] {
    let points: Vec<_> = (0..20).map(|i| (f64::from(i), 1000.0 / (1.0 + f64::from(i)).powi(3))).collect();
    let lines = vec![series("SDNMF/L <AUC 0.91>", &points), series("NMF & Co", &[(0.0, 3.0), (19.0, 1.0)])];
    let groups = vec![
        Group { label: "SDNMF/L".into(), values: vec![0.5, 0.6, 0.7, 0.65, 0.95], reference: Some(0.66), colour: 0 },
        Group { label: "GNMF".into(), values: vec![0.3, 0.35], reference: None, colour: 1 },
    ];
    let bars = vec![
        Bar { label: "R1".into(), value: 0.8, deviation: Some(0.05), reference: Some(0.77) },
        Bar { label: "RL1".into(), value: 0.6, deviation: None, reference: None },
    ];
    [
        Chart::lines("Course \"of\" <f>", Axis::new("iteration"), Axis::new("objective").log(), lines),
        Chart::boxes("NMI", Axis::new("normalized mutual information").limits(0.0, 1.0), groups, "printed value"),
        Chart::bars("AC", Axis::new("accuracy"), bars, "printed value"),
    ]
}

/// The texts of an SVG, which has to be XML.
fn texts(svg: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(svg).expect("XML");
    assert_eq!(document.root_element().tag_name().name(), "svg");
    let texts = document.descendants().filter(|n| n.has_tag_name(("http://www.w3.org/2000/svg", "text")));
    texts.filter_map(|n| n.text()).map(|t| t.trim().to_string()).collect()
}

#[test]
fn control_characters_of_names_do_not_break_the_xml() {
    let bar = Bar { label: "eyes\u{1b}[2J\n\u{0}".into(), value: 0.5, ..Bar::default() };
    let svg = Chart::bars("A\u{8}C", Axis::new("\u{1}"), vec![bar], "printed").to_svg().expect("drawn");
    let found = texts(&svg);
    assert!(found.iter().any(|t| t == "eyes\u{FFFD}[2J\u{FFFD}\u{FFFD}"), "{found:?}");
}

#[test]
fn every_kind_is_xml_that_says_its_labels() {
    let expected: [&[&str]; 3] = [
        &[
            "Course \"of\" <f>",
            "iteration",
            "objective (logarithmic)",
            "SDNMF/L <AUC 0.91>",
            "NMF & Co",
            "1",
            "10",
            "100",
            "1000",
            "5",
        ],
        &["NMI", "normalized mutual information", "SDNMF/L", "GNMF", "printed value", "0.0", "1.0"],
        &["AC", "accuracy", "R1", "RL1", "printed value", "0.0"],
    ];
    for (chart, expected) in three_kinds().iter().zip(expected) {
        for svg in [chart.to_svg().expect("drawn"), chart.to_inline_svg().expect("drawn")] {
            let found = texts(&svg);
            for text in expected {
                assert!(found.iter().any(|t| t == text), "`{text}` in {found:?}");
            }
        }
    }
}

#[test]
fn without_reference_values_the_legend_does_not_speak_of_them() {
    let [_, boxes, bars] = three_kinds();
    for mut chart in [boxes, bars] {
        match &mut chart.content {
            Content::Boxes { groups, .. } => groups.iter_mut().for_each(|g| g.reference = None),
            Content::Bars { bars, .. } => bars.iter_mut().for_each(|b| b.reference = None),
            Content::Lines(_) => {}
        }
        assert!(!texts(&chart.to_svg().expect("drawn")).contains(&"printed value".to_string()));
    }
}

/// Numbers of an attribute of all elements of a kind.
fn points(svg: &str) -> Vec<(f64, f64)> {
    let document = roxmltree::Document::parse(svg).expect("XML");
    let lists = document.descendants().filter_map(|n| n.attribute("points")).flat_map(str::split_whitespace);
    let pair = |p: &str| p.split_once(',').map(|(x, y)| (x.parse().expect("a number"), y.parse().expect("a number")));
    lists.map(|p| pair(p).expect("a pair")).collect()
}

#[test]
fn what_lies_beyond_the_limits_is_cut_off() {
    let wild = series("", &[(-5.0, -1e9), (0.2, 0.5), (f64::NAN, 0.1), (0.4, 1e300), (0.6, 0.5), (1e12, 0.5)]);
    let axis = || Axis::new("").limits(0.0, 1.0);
    let svg = Chart::lines("", axis(), axis(), vec![wild]).to_svg().expect("drawn");
    let points = points(&svg);
    assert!(points.len() >= 6, "{points:?}");
    for (x, y) in points {
        assert!((0.0..=480.0 * 8.0).contains(&x) && (0.0..=320.0 * 8.0).contains(&y), "{x} {y}");
    }
}

#[test]
fn a_line_is_cut_at_the_edges_and_interrupted_where_there_is_no_value() {
    let places = [Some((-1.0, 0.5)), Some((0.5, 0.5)), Some((0.5, 2.0)), None, Some((0.2, 0.2)), Some((0.3, 0.3))];
    let expected = [vec![(0.0, 0.5), (0.5, 0.5), (0.5, 1.0)], vec![(0.2, 0.2), (0.3, 0.3)]];
    assert_eq!(visible(&places), expected);
    // Out and in again is two lines.
    assert_eq!(visible(&[Some((0.5, 0.5)), Some((0.5, 1.5)), Some((0.8, 0.5))]).len(), 2);
    assert!(visible(&[Some((0.5, 1.5)), Some((0.8, 1.1))]).is_empty());
}

#[test]
fn a_logarithmic_axis_leaves_out_what_is_not_positive() {
    let lines = vec![series("a", &[(0.0, 0.0), (1.0, -3.0), (2.0, 10.0), (3.0, 1000.0)])];
    let svg = Chart::lines("", Axis::new("x"), Axis::new("y").log(), lines).to_svg().expect("drawn");
    let found = texts(&svg);
    assert!(found.contains(&"100".into()), "{found:?}");
    // The horizontal axis begins where there is something.
    assert!(found.contains(&"2.0".into()) && !found.contains(&"0.0".into()), "{found:?}");
}

#[test]
fn quartiles_are_numpys_and_whiskers_end_at_values() {
    let five = Five::of(&[1.0, 2.0, 3.0, 4.0, 100.0]).expect("values");
    assert_eq!(five, Five { low: 1.0, lower: 2.0, median: 3.0, upper: 4.0, high: 4.0 });
    let five = Five::of(&[1.0, 2.0]).expect("values");
    assert_eq!(five, Five { low: 1.0, lower: 1.25, median: 1.5, upper: 1.75, high: 2.0 });
    assert_eq!(Five::of(&[7.0]), Some(Five { low: 7.0, lower: 7.0, median: 7.0, upper: 7.0, high: 7.0 }));
    assert_eq!(Five::of(&[]), None);
}

#[test]
fn points_of_a_short_curve_are_marked_and_have_their_deviation() {
    let axes = || (Axis::new("k"), Axis::new("AC"));
    let draw = |s: Series| {
        let (x, y) = axes();
        Chart::lines("", x, y, vec![s]).to_svg().expect("drawn")
    };
    let points = [(20.0, 0.4), (45.0, 0.6), (70.0, 0.7)];
    let circles = |svg: &str| svg.matches("<circle").count();
    let (plain, with) =
        (draw(Series::new("", points)), draw(Series::with_deviations("", points.map(|(x, y)| (x, y, 0.1)))));
    assert_eq!((circles(&plain), circles(&with)), (3, 3));
    // A line and two ends for each, in the colour of the series.
    let bars = |svg: &str| svg.matches("opacity=\"0.6\" stroke=\"#4078A8\"").count();
    assert_eq!((bars(&plain), bars(&with)), (0, 9), "{with}");
    // The axis has room for them.
    assert!(texts(&with).contains(&"0.8".into()) && !texts(&plain).contains(&"0.8".into()));
    let long = (0..30).map(|i| (f64::from(i), 1.0 + f64::from(i)));
    assert_eq!(circles(&draw(Series::new("", long))), 0);
}

#[test]
fn a_long_title_has_more_lines() {
    let title = "Scores of held-out faces over the number of components of the first layer and of the second one";
    let bar = Bar { value: 1.0, ..Bar::default() };
    let svg = Chart::bars(title, Axis::new("AC"), vec![bar], "").to_svg().expect("drawn");
    let lines: Vec<_> = texts(&svg).into_iter().filter(|t| !t.is_empty() && title.contains(t.as_str())).collect();
    assert!(lines.len() > 1 && lines.join(" ") == title, "{lines:?}");
}

#[test]
fn nothing_to_draw_and_too_large_a_picture_are_errors() {
    let empty = Chart::lines("t", Axis::new("x"), Axis::new("y"), vec![series("a", &[(f64::NAN, 1.0)])]);
    assert!(matches!(empty.to_svg(), Err(Error::Data(m)) if m.contains("`t`") && m.contains("found none")));
    let [lines, ..] = three_kinds();
    assert!(matches!(lines.sized(9000, 10).to_svg(), Err(Error::TooLarge { needed: 9000, .. })));
    let bars = (0..400).map(|i| Bar { value: f64::from(i), ..Bar::default() }).collect();
    assert!(matches!(Chart::bars("", Axis::new(""), bars, "").to_svg(), Err(Error::TooLarge { .. })));
}

#[test]
fn an_inline_chart_takes_the_colour_of_the_page() {
    for chart in three_kinds() {
        let (page, paper) = (chart.to_inline_svg().expect("drawn"), chart.to_svg().expect("drawn"));
        assert!(page.contains("\"currentColor\"") && !page.contains(frame::INK_TEXT));
        assert!(!paper.contains("currentColor") && paper.contains(frame::INK_TEXT));
        let document = roxmltree::Document::parse(&page).expect("XML");
        assert_eq!(document.root_element().attribute("aria-label"), Some(chart.title.as_str()));
    }
}

#[test]
fn a_png_has_letters_and_colours_and_is_as_large_as_it_should_be() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for chart in three_kinds() {
        let path = folder.path().join("chart.png");
        chart.save_png(&path).expect("written");
        let picture = image::open(&path).expect("a picture").into_rgb8();
        let (width, height) = chart.measured().expect("a size");
        assert_eq!(picture.dimensions(), (width * PNG_SCALE, height * PNG_SCALE));
        let count = |colour: RGBColor| picture.pixels().filter(|p| p.0 == [colour.0, colour.1, colour.2]).count();
        // The title stands at the top, before anything else is drawn there.
        let ink = picture.enumerate_pixels().filter(|(_, y, p)| *y < 50 && p.0.iter().all(|v| *v < 80)).count();
        assert!(ink > 50, "{ink} dark pixels in the title");
        assert!(count(RGBColor(255, 255, 255)) > 10_000);
    }
    let path = folder.path().join("chart.svg");
    let [lines, ..] = three_kinds();
    lines.save_svg(&path).expect("written");
    assert_eq!(std::fs::read_to_string(&path).expect("read"), lines.to_svg().expect("drawn"));
    assert!(matches!(lines.save_png(&folder.path().join("no/chart.png")), Err(Error::Format { .. })));
}

/// Linear light of a colour.
fn linear(c: RGBColor) -> [f64; 3] {
    [c.0, c.1, c.2].map(|v| f64::from(v) / 255.0).map(|v| match v {
        v if v <= 0.040_45 => v / 12.92,
        v => ((v + 0.055) / 1.055).powf(2.4),
    })
}

fn multiply(m: [[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
    m.map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum())
}

fn lab(light: [f64; 3]) -> [f64; 3] {
    let xyz = multiply(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]],
        light.map(|v| v.clamp(0.0, 1.0)),
    );
    let white = [0.9505, 1.0, 1.089];
    let f = |i: usize| match xyz[i] / white[i] {
        t if t > 0.008_856 => t.cbrt(),
        t => 7.787 * t + 16.0 / 116.0,
    };
    [116.0 * f(1) - 16.0, 500.0 * (f(0) - f(1)), 200.0 * (f(1) - f(2))]
}

/// Machado, Oliveira and Fernandes 2009: complete protanopia, deuteranopia, tritanopia.
const SIGHTS: [[[f64; 3]; 3]; 4] = [
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    [[0.152_286, 1.052_583, -0.204_868], [0.114_503, 0.786_281, 0.099_216], [-0.003_882, -0.048_116, 1.051_998]],
    [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]],
    [[1.255_528, -0.076_749, -0.178_779], [-0.078_411, 0.930_809, 0.147_602], [0.004_733, 0.691_367, 0.303_900]],
];

#[test]
fn colours_can_be_told_apart_by_everyone_and_seen_on_light_and_dark() {
    for (s, sight) in SIGHTS.iter().enumerate() {
        for (i, a) in COLOURS.iter().enumerate() {
            for (j, b) in COLOURS.iter().enumerate().skip(i + 1) {
                let (a, b) = (lab(multiply(*sight, linear(*a))), lab(multiply(*sight, linear(*b))));
                let distance = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                assert!(distance > 20.0, "sight {s}, colours {i} and {j}: ΔE {distance:.1}");
            }
        }
    }
    let luminance = |c: RGBColor| linear(c).iter().zip([0.2126, 0.7152, 0.0722]).map(|(v, w)| v * w).sum::<f64>();
    let dark = luminance(RGBColor(0x16, 0x19, 0x1D));
    for (i, c) in COLOURS.iter().enumerate() {
        let (on_white, on_dark) = (1.05 / (luminance(*c) + 0.05), (luminance(*c) + 0.05) / (dark + 0.05));
        assert!(on_white >= 3.0 && on_dark >= 3.0, "colour {i}: {on_white:.1} on white, {on_dark:.1} on dark");
    }
}

/// A model file may hold any finite number: a chart of it is no larger than one of others, and counts no further.
#[test]
fn the_largest_and_smallest_numbers_are_drawn_like_others() {
    let courses: [&[f64]; 4] =
        [&[1e308, 1.0, 1e-308], &[f64::MAX, f64::MIN_POSITIVE], &[5e-324, 5e-324], &[f64::MIN, 0.0, f64::MAX]];
    for course in courses {
        let points: Vec<_> = course.iter().enumerate().map(|(i, f)| (i as f64, *f)).collect();
        for axis in [Axis::new("f").log(), Axis::new("f")] {
            let chart = Chart::lines("", Axis::new("iteration"), axis, vec![series("", &points)]);
            let svg = chart.to_svg().expect("drawn");
            assert!(svg.len() < 20_000, "{course:?}: {} bytes", svg.len());
            assert!(texts(&svg).iter().all(|t| !t.contains("NaN") && !t.contains("inf")), "{svg}");
        }
    }
}
