//! `deepnmf demo`: a fit of built-in data, with pictures.

use std::path::{Path, PathBuf};
use std::time::Instant;

use deepnmf::atomic::NewFile;
use deepnmf::backend::Precision;
use deepnmf::data::{self, Features, LoadOptions, Samples, Scale};
use deepnmf::model::ModelSpec;
use deepnmf::report::montage::{GridOptions, grid, save_png};
use deepnmf::train::Config;
use serde_json::json;

use super::Result;
use super::args::DeviceArg;
use super::files::{make_folder, quoted};
use super::job::Job;
use super::output::{Output, written};
use super::report::about;

/// Learn the parts of 2,000 built-in pictures of clothes, in two layers, and show them.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  deepnmf demo --out clothes && open clothes/report.html")]
pub(crate) struct Args {
    /// The folder for the model, the pictures and the page; it is created if need be, and existing files are replaced
    #[arg(long, value_name = "FOLDER", default_value = "deepnmf-demo")]
    out: PathBuf,
    #[command(flatten)]
    device: DeviceArg,
}

const MODEL: &str = "sdnmf-l";
const LAYERS: [usize; 2] = [100, 25];
const SOURCE: &str = "Fashion-MNIST (built in)";

pub(crate) fn run(args: Args, out: &Output) -> Result {
    let config = Config::new(ModelSpec::by_name(MODEL)?, LAYERS);
    make_folder(&args.out)?;
    let mut engine = args.device.open(out)?;

    let start = Instant::now();
    let set = data::embedded::fashion_mnist()?;
    let mut shown = set.clone();
    let (source, features) = (SOURCE.into(), Features::Values);
    let (reading, scale, precision) = (LoadOptions::default(), Scale::UnitL2, Precision::F32);
    let path = args.out.join("model.safetensors");
    let file = NewFile::create(&path)?;
    let set = set.with_x(Samples::Held);
    let job = Job {
        set,
        source,
        reading,
        scale,
        features,
        split: None,
        precision,
        start,
        until: None,
        checkpoints: None,
        part: None,
        path: path.clone(),
        file: Some(file),
    };
    let fitted = job.run(&mut engine, &config, out)?;

    let file = path;
    let pictures: Vec<_> = (1..=LAYERS.len()).map(|l| args.out.join(format!("parts-layer-{l}.png"))).collect();
    if let Some(shape) = fitted.model.metadata.image_shape {
        for (l, path) in pictures.iter().enumerate() {
            let components = fitted.model.factors.components(l + 1)?;
            save_png(path, &grid(components.view(), shape, &GridOptions::default())?)?;
        }
    }
    fitted.model.metadata.preprocess.apply(&mut shown.x)?;
    let page = args.out.join("report.html");
    about(&mut engine, &fitted.model, &file, (shown, SOURCE), out)?.save(&page)?;
    if out.is_json() {
        let mut value = fitted.json(&file);
        let names: Vec<_> = pictures.iter().map(|p| p.display().to_string()).collect();
        value["pictures"] = json!(names);
        value["report"] = json!(page.display().to_string());
        return out.json(&value);
    }
    fitted.summary(out)?;
    explain(&file, &pictures, &page, out)
}

fn explain(file: &Path, pictures: &[PathBuf], page: &Path, out: &Output) -> Result {
    for path in std::iter::once(file).chain(pictures.iter().map(PathBuf::as_path)).chain([page]) {
        out.summary("written", &written(path))?;
    }
    let [k1, k2] = LAYERS;
    let text = format!(
        "
parts-layer-1.png shows the {k1} parts of the first layer (W_1): collars, sleeves, soles, edges. Every picture is a sum
of a few of them. parts-layer-2.png shows what the second layer makes of these: {k2} whole garments (W_1 W_2).
report.html has all of it on one page: which parts make up which garment, reconstructions, clusters.

Next:
  deepnmf fit YOUR_IMAGES/ --resize 32x32 --layers 100,25
  deepnmf transform {} YOUR_IMAGES/ --resize 28x28 --out H.npy
  deepnmf devices",
        quoted(file)
    );
    if out.is_quiet() { Ok(()) } else { out.line(&text) }
}
