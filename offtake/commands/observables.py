"""offtake observables: what is measured each month."""

import click

from offtake.commands.terminal import emit_json, emit_table, json_option

SCHEMA = "offtake.observables/1"


@click.command(help="Print what is measured each month: name, unit and meaning.")
@json_option
def command(as_json: bool) -> None:
    """Print the one table that code, documents and this command share."""
    from offtake.model.observables import TABLE, load_observables

    load_observables()
    if as_json:
        rows = [
            {"name": o.name, "unit": o.unit, "meaning": o.meaning, "headline": o.headline}
            for o in TABLE
        ]
        emit_json({"schema": SCHEMA, "observables": rows})
    else:
        emit_table([("name", "unit", "meaning"), *((o.name, o.unit, o.meaning) for o in TABLE)])
