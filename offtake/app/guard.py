"""Who may talk to the page: a browser on this machine that was given the link, and nobody else.

Being bound to the loopback address is not enough: any web page the user visits can send requests there. So
every request must carry the cookie that the printed link was exchanged for, must name this server as its
host, and must come from this server's own page where it opens a websocket or changes something.
"""

import hmac
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

type Scope = MutableMapping[str, Any]
type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "offtake"
READING = ("GET", "HEAD")
USED_UP = (
    "This page opens with the link that `offtake app` prints, once. Start it again for a new one."
)
POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013
HEADERS = {
    # Vue compiles its templates in the browser and evaluates widgets' scripts: hence the two unsafes.
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval';"
        " style-src 'self' 'unsafe-inline';"
        " img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none';"
        " base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Keys:
    """The token of the link, good for one exchange, and the secret of the cookie it is exchanged for."""

    def __init__(self) -> None:
        self.token: str | None = secrets.token_urlsafe(32)
        self.cookie = secrets.token_urlsafe(32)

    def exchange(self, token: str) -> bool:
        """Use the token up; return whether it was the right one."""
        is_right = self.token is not None and _same(token, self.token)
        if is_right:
            self.token = None
        return is_right

    def opens(self, cookie: str) -> bool:
        """Whether a cookie is the right one."""
        return _same(cookie, self.cookie)


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(), secret.encode())


class Guard:
    """Lets requests through to an application, or answers them itself.

    Parameters
    ----------
    app
        What is guarded.
    keys
        Token and cookie.
    hosts
        What the Host header may say, port included.
    is_full
        Whether a session that a websocket asks for would be one too many.
    """

    def __init__(
        self, app: Asgi, keys: Keys, hosts: Collection[str], is_full: Callable[[str], bool]
    ) -> None:
        self._app, self._keys, self._hosts = app, keys, frozenset(hosts)
        self._origins = frozenset(f"http://{host}" for host in hosts)
        self._is_full = is_full

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        match scope["type"]:
            case "http":
                await self._http(scope, receive, _with_headers(send))
            case "websocket":
                await self._websocket(scope, receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        if headers.get("host") not in self._hosts:
            return await _answer(send, 403, "This address is not the page's own.")
        if not self._comes_from_here(scope, headers):
            return await _answer(send, 403, "Only the page itself may ask for this.")
        token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if token and (self._keys.exchange(token) or self._has_cookie(headers)):
            return await _answer(send, 303, "", {"location": "/", "set-cookie": self._cookie()})
        if not self._has_cookie(headers):
            return await _answer(send, 403, USED_UP)
        if scope["path"] == "/" and self._is_full(""):
            return await _answer(
                send, 503, "All sessions are taken. Close one of the page's windows first."
            )
        return await self._app(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        is_ours = (
            headers.get("host") in self._hosts
            and headers.get("origin") in self._origins
            and self._has_cookie(headers)
        )
        if not is_ours:
            return await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        if self._is_full(scope["path"]):
            return await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})
        return await self._app(scope, receive, send)

    def _comes_from_here(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        """Whether a request that changes something, or says where it comes from, comes from the page."""
        origin = headers.get("origin")
        return origin in self._origins if origin or scope["method"] not in READING else True

    def _has_cookie(self, headers: Mapping[str, str]) -> bool:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return found is not None and self._keys.opens(found.value)

    def _cookie(self) -> str:
        return f"{COOKIE}={self._keys.cookie}; Path=/; HttpOnly; SameSite=Strict"


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _with_headers(send: Send) -> Send:
    """Return a `send` that adds the security headers to every response."""
    ours = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *ours]}
        await send(message)

    return sending


async def _answer(
    send: Send, status: int, text: str, headers: Mapping[str, str] | None = None
) -> None:
    body = text.encode()
    given = {
        "content-type": "text/plain; charset=utf-8",
        "cache-control": "no-store",
        **(headers or {}),
    }
    listed = [(name.encode(), value.encode()) for name, value in given.items()]
    listed.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": listed})
    await send({"type": "http.response.body", "body": body})
