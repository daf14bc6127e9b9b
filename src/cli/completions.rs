//! `deepnmf completions` and `deepnmf man`: for the shell, and for `man`.

use std::io::Write;

use clap_complete::Shell;

use super::Result;
use super::output::Output;

/// Print what a shell needs to complete the options of this command.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  deepnmf completions bash > ~/.local/share/bash-completion/completions/deepnmf")]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: Args, mut command: clap::Command, out: &Output) -> Result {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "deepnmf", &mut text);
    out.text(&text)
}

/// The manual: a page of the command, and one of every subcommand behind it.
pub(crate) fn man(mut command: clap::Command, out: &Output) -> Result {
    command.build();
    let mut text = Vec::new();
    let failed = |e| super::Failure::Stdout(e);
    clap_mangen::Man::new(command.clone()).render(&mut text).map_err(failed)?;
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        writeln!(text).map_err(failed)?;
        clap_mangen::Man::new(sub.clone()).render(&mut text).map_err(failed)?;
    }
    out.text(&text)
}
