"""The guard: whom it lets in, and what else it refuses."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from offtake.app.guard import COOKIE, HEADERS, Guard, Keys
from offtake.app.server import CannotServe, Place, hold, is_loopback

HOST = "127.0.0.1:8765"
OURS = f"http://{HOST}"


class Inside:
    """An application that only says it was reached."""

    def __init__(self):
        self.reached = 0

    async def __call__(self, scope, receive, send):
        self.reached += 1
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"inside"})
        else:
            await send({"type": "websocket.accept"})


class Door:
    """A guarded application to knock at."""

    def __init__(self, *, full=False):
        self.inside, self.keys = Inside(), Keys()
        self.guard = Guard(self.inside, self.keys, [HOST], lambda path: full)

    def knock(self, kind="http", method="GET", path="/", query="", **headers):
        given = {"host": HOST, **headers}
        listed = [(k.encode(), v.encode()) for k, v in given.items()]
        scope = {"type": kind, "path": path, "query_string": query.encode(), "headers": listed}
        sent = []

        async def send(message):
            sent.append(message)

        async def receive():
            return {"type": "http.request"}

        with ThreadPoolExecutor(1) as apart:  # browser tests leave a loop running in this thread
            asked = self.guard({**scope, "method": method}, receive, send)
            apart.submit(asyncio.run, asked).result()
        return sent[0]

    @property
    def cookie(self):
        return f"{COOKIE}={self.keys.cookie}"


def test_the_token_is_exchanged_for_a_cookie_once():
    door = Door()
    query = f"token={door.keys.token}"
    first = door.knock(query=query)
    headers = dict(first["headers"])
    assert first["status"] == 303
    assert headers[b"location"] == b"/"
    assert b"HttpOnly; SameSite=Strict" in headers[b"set-cookie"]
    assert door.knock(query=query)["status"] == 403
    assert door.knock(query=query, cookie=door.cookie)["status"] == 303
    assert door.inside.reached == 0


def test_a_wrong_token_leaves_the_right_one_good():
    door = Door()
    assert door.knock(query="token=wrong")["status"] == 403
    assert door.knock(query=f"token={door.keys.token}")["status"] == 303


@pytest.mark.parametrize("path", ["/", "/offtake/vega.js", "/_solara/cdn/x", "/resourcez"])
def test_nothing_is_served_without_the_cookie(path):
    door = Door()
    assert door.knock(path=path)["status"] == 403
    assert door.knock(path=path, cookie=f"{COOKIE}=guess")["status"] == 403
    assert door.knock(path=path, cookie="\x00=;;")["status"] == 403
    assert door.inside.reached == 0
    assert door.knock(path=path, cookie=door.cookie)["status"] == 200


@pytest.mark.parametrize("host", ["attacker.example", "127.0.0.1:1", "", "localhost"])
def test_another_host_is_refused_even_with_the_cookie(host):
    door = Door()
    assert door.knock(cookie=door.cookie, host=host)["status"] == 403
    assert door.knock("websocket", cookie=door.cookie, origin=OURS, host=host)["code"] == 1008
    assert door.inside.reached == 0


@pytest.mark.parametrize("origin", ["http://attacker.example", "null", f"https://{HOST}", ""])
def test_a_websocket_or_a_change_from_elsewhere_is_refused(origin):
    door = Door()
    said = {"origin": origin} if origin else {}
    assert door.knock("websocket", cookie=door.cookie, **said)["code"] == 1008
    assert door.knock(method="POST", cookie=door.cookie, **said)["status"] == 403
    assert door.inside.reached == 0


def test_the_page_itself_gets_through_with_every_security_header():
    door = Door()
    assert door.knock("websocket", cookie=door.cookie, origin=OURS)["type"] == "websocket.accept"
    assert door.knock(method="POST", cookie=door.cookie, origin=OURS)["status"] == 200
    headers = dict(door.knock(cookie=door.cookie)["headers"])
    assert {name.decode() for name in headers} >= set(HEADERS)
    assert b"frame-ancestors 'none'" in headers[b"content-security-policy"]


def test_a_session_too_many_is_told_politely():
    door = Door(full=True)
    assert door.knock(cookie=door.cookie)["status"] == 503
    assert door.knock("websocket", cookie=door.cookie, origin=OURS)["code"] == 1013


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("x.org", False)],
)
def test_only_loopback_addresses_count_as_this_machine(host, loopback):
    assert is_loopback(host) is loopback


def test_a_taken_port_gives_the_next_free_one():
    first = hold("127.0.0.1", None)
    second = hold("127.0.0.1", first.port)
    try:
        assert second.port > first.port
        assert first.keys.token != second.keys.token
        assert f":{second.port}/?token=" in second.link
    finally:
        first.held.close()
        second.held.close()


def test_an_address_that_is_not_ours_cannot_be_held():
    with pytest.raises(CannotServe, match=r"cannot serve the page on 203\.0\.113\.7"):
        hold("203.0.113.7", None)


def test_the_page_answers_to_every_name_of_the_loopback_address():
    place = Place(held=socket.socket(), host="127.0.0.1", port=8765)
    assert set(place.hosts) == {"127.0.0.1:8765", "localhost:8765", "[::1]:8765"}
    place.held.close()
