"""offtake app: the interactive page of a scenario."""

import sys
import webbrowser
from importlib.util import find_spec

import click

from offtake.commands.codes import Code
from offtake.commands.terminal import ScenarioName, Terminal, emit, say, voice_options

LOOPBACK = "127.0.0.1"
LARGEST_PORT = 65_535
LARGEST_SEED = 2**31 - 1
BASELINE = "stargate-2025"
PAGES = {"ours": "offtake.app.page", "plain": "offtake.app.plain"}


@click.command(
    help="""Open a page on which SCENARIO, an embedded name or a TOML file, is played.

\b
  offtake app
  offtake app my.toml --port 8765
  ssh -L 8765:127.0.0.1:8765 HOST   # and there: offtake app --port 8765

The page is served to this computer only. Its link works once; the browser that opens it stays let in.
"""
)
@click.argument("scenario", type=ScenarioName(), default=BASELINE)
@click.option(
    "--seed", type=click.IntRange(0, LARGEST_SEED), default=1, help="Seed of the first run [1]."
)
@click.option(
    "--port",
    type=click.IntRange(1, LARGEST_PORT),
    metavar="N",
    help="Port, or the next that is free.",
)
@click.option(
    "--host", default=LOOPBACK, metavar="ADDRESS", help="Address to serve on [127.0.0.1]."
)
@click.option(
    "--i-understand-no-tls",
    "exposed",
    is_flag=True,
    help="Serve others than this computer, unencrypted.",
)
@click.option(
    "--plain", is_flag=True, help="Show the example page made with Mesa's own tools instead."
)
@click.option("--browser/--no-browser", default=None, help="Open a browser [on a terminal].")
@voice_options
@click.pass_obj
def command(
    _: Terminal,
    scenario: str,
    seed: int,
    port: int | None,
    host: str,
    exposed: bool,
    plain: bool,
    browser: bool | None,
) -> int:
    """Serve the page until somebody interrupts."""
    if find_spec("solara") is None or find_spec("uvicorn") is None:
        raise click.UsageError("the page needs an extra: pip install 'offtake[app]'")
    from offtake.app.opened import opened
    from offtake.app.server import hold, is_loopback, serve
    from offtake.model.reading import read

    if not is_loopback(host) and not exposed:
        raise click.UsageError(
            f"--host {host} would serve the page, unencrypted, to whoever reaches that address; a tunnel is "
            "safer (see --help), or add --i-understand-no-tls"
        )
    read(scenario)  # what is wrong with it is said here, before a page opens
    opened.scenario, opened.seed = scenario, seed
    place = hold(host, port)
    if not is_loopback(host):
        say(
            "warning  the page is served unencrypted to others; whoever sees the link can use it, once"
        )
    if port is not None and place.port != port:
        say(f"port {port} is taken; using {place.port}")

    def ready() -> None:
        emit(place.link)
        say(
            "live view, only for this computer; stop with Ctrl-C"
            if is_loopback(host)
            else "stop with Ctrl-C"
        )
        if browser or (browser is None and sys.stdout.isatty()):
            webbrowser.open(place.link)

    try:
        serve(place, ready, page=PAGES["plain" if plain else "ours"])
    except KeyboardInterrupt:
        say("stopped")
    return Code.DONE
