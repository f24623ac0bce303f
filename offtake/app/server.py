"""The page's server: for this machine only unless told otherwise, with nothing fetched from elsewhere."""

import os
import socket
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address

from offtake.app import assets
from offtake.app.guard import Asgi, Guard, Keys, Receive, Scope, Send

LOOPBACK = "127.0.0.1"
MOST_SESSIONS = 8
MOST_PORTS_TRIED = 20
SECONDS_TO_CLOSE = 3
DRAWING = "/offtake/vega.js"
SETTINGS: Mapping[str, str] = {
    "SOLARA_ASSETS_PROXY_CACHE_DIR": str(assets.FOLDER),
    "SOLARA_ASSETS_CDN": "http://127.0.0.1:9/",  # nobody answers there: a missing file fails at once
    "SOLARA_KERNEL_CULL_TIMEOUT": "10m",
    "SOLARA_MODE": "production",
    "SOLARA_SESSION_HTTP_ONLY": "True",
    "SOLARA_TELEMETRY_MIXPANEL_ENABLE": "False",
    "SOLARA_THEME_LOADER": "plain",
    "SOLARA_THEME_SHOW_BANNER": "False",
    "SOLARA_THEME_TITLE": "offtake",
}
"""What Solara is told before it is imported; it reads its settings from the environment only."""


class CannotServe(OSError):  # noqa: N818 - read as a sentence
    """The page cannot be served: an address is taken, or a file is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the page is served: a socket that is held, and the keys to it."""

    held: socket.socket
    host: str
    port: int
    keys: Keys = field(default_factory=Keys)

    @property
    def link(self) -> str:
        """The link that opens the page, once."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/?token={self.keys.token}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """What the Host header of a request may say."""
        names = {self.host, LOOPBACK, "localhost", "::1"} if is_loopback(self.host) else {self.host}
        return tuple(
            f"[{n}]:{self.port}" if ":" in n else f"{n}:{self.port}" for n in sorted(names)
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def hold(host: str, port: int | None) -> Place:
    """Bind an address before anybody is told of it.

    Where the port is taken, the next free one is; where none is given, the system chooses.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    problem: OSError | None = None
    for tried in (0,) if port is None else range(port, min(port + MOST_PORTS_TRIED, 2**16)):
        held = socket.socket(family, socket.SOCK_STREAM)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind((host, tried))
            held.listen()
        except OSError as error:
            held.close()
            problem = error
            continue
        return Place(held=held, host=host, port=held.getsockname()[1])
    reason = problem.strerror if problem else "there is no such port"
    raise CannotServe(f"cannot serve the page on {host}, port {port or 'any'}: {reason}")


def serve(place: Place, ready: Callable[[], object], *, page: str = "offtake.app.page") -> None:
    """Serve the page until somebody interrupts.

    Parameters
    ----------
    place
        The address that is held.
    ready
        Is called once, when the page answers.
    page
        Module of the page.
    """
    os.environ.update(SETTINGS, SOLARA_APP=page)
    warnings.filterwarnings("ignore", message="Cookies with samesite")  # ours is strict
    _refuse_missing_files()
    import uvicorn

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready()

    threading.Thread(target=drawing, name="offtake bundle", daemon=True).start()
    config = uvicorn.Config(
        guarded(place),
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=SECONDS_TO_CLOSE,
        loop="asyncio",
    )
    Announcing(config).run(sockets=[place.held])


def _refuse_missing_files() -> None:
    missing = assets.wrong()
    if missing:
        raise CannotServe(
            f"{len(missing)} front-end files are missing or changed, {missing[0]} is the first; "
            "an installed wheel has them, a checkout gets them with `make assets`"
        )


def guarded(place: Place) -> Asgi:
    """Return the whole application: the guard, our own file, and Solara's server behind them."""
    from solara.server import kernel_context
    from solara.server.starlette import app as solara_app

    def is_full(path: str) -> bool:
        known = set(kernel_context.contexts)
        return len(known) >= MOST_SESSIONS and not known.intersection(path.split("/"))

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == DRAWING:
            await _send_drawing(send)
        else:
            await solara_app(scope, receive, send)

    return Guard(front, place.keys, place.hosts, is_full)


async def _send_drawing(send: Send) -> None:
    import anyio.to_thread

    body = await anyio.to_thread.run_sync(drawing)
    headers = [
        (b"content-type", b"text/javascript; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"private, max-age=3600"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_drawing_lock = threading.Lock()


def drawing() -> bytes:
    """Return the script that draws charts, of the version that writes them in this environment."""
    with _drawing_lock:  # it takes two seconds to make, and must not be made twice
        return _bundle()


@cache
def _bundle() -> bytes:
    import vl_convert

    from offtake.experiments.page import VEGA_LITE

    script = vl_convert.javascript_bundle("window.offtakeEmbed = vegaEmbed;", vl_version=VEGA_LITE)
    return f"(function () {{\n{script}\n}})();".encode()  # its short names are the widgets' too
