//! `deepnmf export`: what a model has learned, for other programs.

use std::io::Write;
use std::path::{Path, PathBuf};

use deepnmf::Error;
use deepnmf::atomic::{NewFolder, write_atomically};
use deepnmf::data::npy_header;
use deepnmf::model::ModelSpec;
use deepnmf::report::montage::{GridOptions, grid, save_png};
use deepnmf::store::Model;
use ndarray::{Array2, ArrayView2};
use serde_json::json;

use super::Result;
use super::args::layer_of;
use super::files::{make_folder, output_folder, refuse_input};
use super::output::Output;
use super::table::{Table, write_npy};

/// Write the components of a model as arrays, tables and pictures, and the coefficients of its samples.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  deepnmf export faces.safetensors --out faces-parts

For every layer l: components-l.npy, a row for every component, in the unit of the samples as the fit scaled them (--scale); of images components-l.png, all on one \
sheet, and components-l/000.png, 001.png …, each on a scale of its own; of other samples components-l.csv, whose columns have the names \
of the features. coefficients.npy has a row for every sample of the training; its product with the components of the last layer is what the model makes of the \
scaled samples. The numbers of components are those of the report.")]
pub(crate) struct Args {
    /// A model file that `deepnmf fit` wrote
    model: PathBuf,
    /// The folder for the files; it is created if need be, and those of an earlier export are replaced
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Only the components of this layer, from 1 [default: all layers]
    #[arg(long, value_name = "L")]
    layer: Option<usize>,
}

pub(crate) fn run(args: Args, out: &Output) -> Result {
    for name in ["components", "coefficients"] {
        output_folder(&args.out, name, &[&args.model])?;
    }
    refuse_images(&args.out)?;
    let model = Model::load(&args.model)?;
    let depth = model.factors.depth();
    let layers = match args.layer {
        None => 1..=depth,
        Some(l) => {
            let l = layer_of(l, depth, &args.model)?;
            l..=l
        }
    };
    make_folder(&args.out)?;
    let mut to =
        Folder { new: NewFolder::create_in(&args.out)?, folder: args.out, written: Vec::new(), said: Vec::new() };
    for layer in layers {
        let components = model.factors.components(layer)?;
        let name = format!("components-{layer}");
        to.array(&format!("{name}.npy"), components.t())?;
        let pictures = to.pictures(&name, &components, &model)?;
        if !pictures {
            to.table(&format!("{name}.csv"), components.t(), &model.metadata.feature_names)?;
        }
    }
    to.array("coefficients.npy", model.factors.h.view())?;
    let said = to.replace(&args.model)?;
    if out.is_json() {
        let files: Vec<_> = said.iter().map(|(path, _)| path.display().to_string()).collect();
        return out.json(&json!({ "model": args.model.display().to_string(), "written": files }));
    }
    said.iter().try_for_each(|(path, what)| out.summary("written", &format!("{}: {what}", path.display())))
}

/// Pictures among images would later be read as samples.
fn refuse_images(folder: &Path) -> Result {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_own = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("components-"));
    match entries.filter(|path| image::ImageFormat::from_path(path).is_ok()).find(|path| !is_own(path)) {
        None => Ok(()),
        Some(image) => {
            let message = format!("--out: expected a folder without images, found {}", image.display());
            Err(Error::Config(message).into())
        }
    }
}

/// The folder that is written to: first to a new one in it, so that an earlier export is there until this one is whole.
struct Folder {
    folder: PathBuf,
    new: NewFolder,
    /// The files in the new folder, by their names in it.
    written: Vec<String>,
    /// What is said of them.
    said: Vec<(String, String)>,
}

impl Folder {
    /// Puts the new files in the place of those of an earlier export, and says what they are.
    fn replace(self, model: &Path) -> Result<Vec<(PathBuf, String)>> {
        let earlier = self.earlier();
        for file in earlier.iter().chain(&self.written.iter().map(|name| self.folder.join(name)).collect::<Vec<_>>()) {
            refuse_input(file, &[model])?;
            let folder = file.parent().unwrap_or(&self.folder);
            if file.is_dir() || folder.exists() && !folder.is_dir() {
                let (of, found) = if file.is_dir() { (&**file, "a folder") } else { (folder, "a file") };
                return Err(Error::format(
                    of,
                    format!("--out: expected none, or that of an earlier export, found {found}"),
                )
                .into());
            }
        }
        for file in &earlier {
            std::fs::remove_file(file).map_err(|e| Error::io(file, e))?;
        }
        // Those that have something else in them stay.
        earlier
            .iter()
            .filter_map(|file| file.parent().filter(|of| *of != self.folder))
            .for_each(|of| drop(std::fs::remove_dir(of)));
        for name in &self.written {
            let to = self.folder.join(name);
            let folder = to.parent().unwrap_or(&self.folder);
            std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
            std::fs::rename(self.new.path().join(name), &to).map_err(|e| Error::io(&to, e))?;
        }
        Ok(self.said.into_iter().map(|(name, what)| (self.folder.join(name), what)).collect())
    }

    /// The files of components that an earlier export has written, of all layers: otherwise those of two models would lie side by side.
    fn earlier(&self) -> Vec<PathBuf> {
        let is_number = |name: &str| name.parse::<usize>().is_ok();
        let is_picture = |path: &Path| {
            let number = path.file_stem().is_some_and(|stem| is_number(&stem.to_string_lossy()));
            number && path.extension().is_some_and(|ending| ending == "png")
        };
        let entries =
            |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut files = Vec::new();
        for path in entries(&self.folder) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(of_layer) = name.strip_prefix("components-") else { continue };
            match of_layer.split_once('.') {
                None if is_number(of_layer) => files.extend(entries(&path).filter(|path| is_picture(path))),
                Some((of_layer, "npy" | "png" | "csv")) if is_number(of_layer) => files.push(path),
                _ => {}
            }
        }
        files
    }

    /// Where a new file is written, in a folder that is there.
    fn place(&mut self, name: &str) -> Result<PathBuf> {
        let path = self.new.path().join(name);
        let folder = path.parent().unwrap_or(self.new.path());
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        self.written.push(name.into());
        Ok(path)
    }

    fn array(&mut self, name: &str, rows: ArrayView2<'_, f32>) -> Result {
        let path = self.place(name)?;
        write_atomically(&path, |file| {
            file.write_all(&npy_header("<f4", rows.dim()))?;
            write_npy(rows, file)
        })?;
        self.said.push((name.into(), format!("{} × {}", rows.nrows(), rows.ncols())));
        Ok(())
    }

    fn table(&mut self, name: &str, rows: ArrayView2<'_, f32>, features: &[String]) -> Result {
        let path = self.place(name)?;
        let components: Vec<_> = (0..rows.nrows()).map(|j| j.to_string()).collect();
        let feature = |i: usize| features.get(i).cloned().unwrap_or_else(|| format!("feature {i}"));
        let (header, mut table) = Table::new(',', &components, (0..rows.ncols()).map(feature));
        write_atomically(&path, |file| {
            file.write_all(header.as_bytes())?;
            table.write(rows, file)
        })?;
        self.said.push((name.into(), format!("the same, with the names of {} features", rows.ncols())));
        Ok(())
    }

    /// Writes pictures of the columns of `components` if they are images; returns whether they are.
    fn pictures(&mut self, name: &str, components: &Array2<f32>, model: &Model) -> Result<bool> {
        let Some(shape) = model.metadata.image_shape.filter(|shape| shape.features() == components.nrows()) else {
            return Ok(false);
        };
        let options = GridOptions::of(&ModelSpec::by_name(&model.metadata.model)?, components.view());
        let sheet = format!("{name}.png");
        save_png(&self.place(&sheet)?, &grid(components.view(), shape, &options)?)?;
        self.said.push((sheet, "all on one sheet".into()));
        let alone = GridOptions { gap: 0, min_side: 1, ..options };
        for (j, column) in components.columns().into_iter().enumerate() {
            let path = self.place(&format!("{name}/{j:03}.png"))?;
            save_png(&path, &grid(column.insert_axis(ndarray::Axis(1)), shape, &alone)?)?;
        }
        self.said.push((name.into(), format!("{} pictures", components.ncols())));
        Ok(true)
    }
}
