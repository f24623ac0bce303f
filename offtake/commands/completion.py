"""offtake completion: scripts for shells."""

import click
from click.shell_completion import ShellComplete, get_completion_class

from offtake.commands.terminal import Choice, emit

SHELLS = ("bash", "zsh", "fish")


@click.command(
    help="""Print the completion script of SHELL.

\b
  source <(offtake completion bash)
  offtake completion fish > ~/.config/fish/completions/offtake.fish
"""
)
@click.argument("shell", type=Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that asks offtake what may come next."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}.")
    complete = kind(ctx.find_root().command, {}, "offtake", "_OFFTAKE_COMPLETE")
    emit(ShellComplete.source(complete))  # the shell's own method would start the shell
