//! `shaders/map.wgsl`: the elementwise formulas. A kernel is made of the row of a formula and the kinds of its inputs.

use super::super::matrix::Matrix;
use super::super::pipeline::{self, Key, Spec, word};
use super::super::recorder::Recorder;
use crate::Result;
use crate::backend::formula::{Formula, Input, Kind, MOST_INPUTS, Operand, Output};
use crate::backend::{Element, Storage};

/// A formula with the kinds of its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) struct Program {
    formula: Formula,
    kinds: [Option<Kind>; MOST_INPUTS],
}

impl Program {
    pub(in super::super) fn new(formula: Formula, kinds: impl IntoIterator<Item = Kind>) -> Self {
        let mut program = Self { formula, kinds: [None; MOST_INPUTS] };
        program.kinds.iter_mut().zip(kinds).for_each(|(place, kind)| *place = Some(kind));
        program
    }

    /// The names and kinds of the inputs.
    fn inputs(&self) -> impl Iterator<Item = (&'static str, Kind)> {
        let names = self.formula.row::<f32>().inputs.iter();
        names.zip(self.kinds).filter_map(|(Input(name, ..), kind)| Some((*name, kind?)))
    }

    fn source(&self) -> String {
        let row = self.formula.row::<f32>();
        let mut parts = [const { String::new() }; 5];
        let [fields, bindings, of_column, of_entry, stores] = &mut parts;
        let mut binding = 0;
        let mut bind = |name: &str, access: &str| {
            *bindings += &format!("@group(0) @binding({binding}) var<storage, {access}> of_{name}: array<f32>;\n");
            binding += 1;
        };
        for Output(name, before) in row.outputs {
            bind(name, "read_write");
            let value = if before.is_some() { format!("of_{name}[at]") } else { "0.0".into() };
            *of_entry += &format!("var {name} = {value};\n");
            *stores += &format!("of_{name}[at] = {name};\n");
        }
        for (name, kind) in self.inputs() {
            if is_bound(kind) {
                bind(name, "read");
            }
            if let Some(kind) = field(kind) {
                *fields += &format!("{name}: {kind}, ");
            }
            let (to, value) = match kind {
                Kind::Each => (&mut *of_entry, format!("of_{name}[at]")),
                Kind::Columns => (&mut *of_column, format!("of_{name}[j]")),
                Kind::Rows => (&mut *of_entry, format!("of_{name}[p.row0 + i]")),
                Kind::Entry => (&mut *of_column, format!("of_{name}[p.{name}]")),
                Kind::Number => (&mut *of_column, format!("p.{name}")),
                Kind::Diagonal => (&mut *of_entry, format!("select(0.0, p.{name}, p.row0 + i == j)")),
            };
            *to += &format!("let {name} = {value};\n");
        }
        let places = [
            ("$FIELDS", fields.as_str()),
            ("$BINDINGS", bindings),
            ("$FUNCTIONS", row.functions),
            ("$OF_COLUMN", of_column),
            ("$OF_ENTRY", of_entry),
            ("$BODY", row.body),
            ("$STORES", stores),
        ];
        let frame = include_str!("../../../../shaders/map.wgsl");
        places.iter().fold(frame.into(), |text: String, (place, part)| text.replace(place, part))
    }
}

impl pipeline::Program for Program {
    fn key(&self) -> Key {
        let variant = self.kinds.iter().fold(0, |all, kind| 8 * all + kind.map_or(0, |kind| kind as u64 + 1));
        Key { label: self.formula.row::<f32>().name, variant }
    }

    fn spec(&self) -> Spec {
        let row = self.formula.row::<f32>();
        let read = self.inputs().filter(|(_, kind)| is_bound(*kind)).map(|_| false);
        let fields = self.inputs().filter(|(_, kind)| field(*kind).is_some());
        Spec {
            label: row.name,
            source: self.source().into(),
            writes: row.outputs.iter().map(|_| true).chain(read).collect(),
            // Four counts, and a number or a place of every input that has one.
            immediate_bytes: 4 * (4 + fields.count()),
            reads: Storage::F32,
            trusted: false,
            constants: &[],
        }
    }
}

fn is_bound(kind: Kind) -> bool {
    !matches!(kind, Kind::Number | Kind::Diagonal)
}

/// The type of its parameter.
fn field(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Each | Kind::Columns | Kind::Rows => None,
        Kind::Entry => Some("u32"),
        Kind::Number | Kind::Diagonal => Some("f32"),
    }
}

pub(in super::super) fn record(
    recorder: &mut Recorder,
    formula: Formula,
    outputs: &[&mut Matrix],
    inputs: &[Operand<'_, Matrix>],
) -> Result<()> {
    let program = Program::new(formula, inputs.iter().map(Operand::kind));
    let first = &outputs[0];
    for (i, (_, row0, rows)) in first.each_shard().enumerate() {
        let mut params = vec![word(rows)?, word(first.cols)?, word(first.ld)?, word(row0)?];
        let mut buffers: Vec<_> = outputs.iter().map(|out| &out.shards[i]).collect();
        for input in inputs {
            match *input {
                Operand::Each(m) => buffers.push(&m.shards[i]),
                Operand::Columns(d) | Operand::Rows(d) => buffers.push(d.vector()?),
                Operand::Entry(d, at) => {
                    buffers.push(d.vector()?);
                    params.push(word(at)?);
                }
                Operand::Number(number) | Operand::Diagonal(number) => params.push(f32::of(number).to_bits()),
            }
        }
        let grid = recorder.elementwise(rows, first.cols);
        recorder.dispatch_bytes(&program, &buffers, bytemuck::cast_slice(&params), grid)?;
    }
    Ok(())
}
