"""offtake schedule: the phases of a month."""

import click

from offtake.commands.terminal import emit_json, emit_table, json_option

SCHEMA = "offtake.schedule/1"


@click.command(help="Print the phases of a month, in order.")
@json_option
def command(as_json: bool) -> None:
    """Print what happens in a month and what each phase may write."""
    from offtake.model.month import PHASES

    rows = [(phase.name, phase.what, phase.writes) for phase in PHASES]
    heading = ("phase", "what", "writes")
    if as_json:
        phases = [dict(zip(heading, row, strict=True)) for row in rows]
        emit_json({"schema": SCHEMA, "phases": phases})
    else:
        emit_table([heading, *rows])
