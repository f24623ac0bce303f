"""offtake app: what it refuses before anything is served."""

import pytest

from offtake.app import server
from offtake.cli import call
from offtake.commands import app
from offtake.commands.codes import Code


@pytest.fixture(autouse=True)
def served(monkeypatch):
    """Note what would be served, and serve nothing."""
    places = []

    def serve(place, ready, *, page):
        places.append((place, page))
        ready()
        place.held.close()

    monkeypatch.setattr(server, "serve", serve)
    return places


def test_the_link_goes_to_stdout_and_advice_to_stderr(served, capsys):
    assert call(["app", "duopoly", "--no-browser"]) == Code.DONE
    told = capsys.readouterr()
    assert told.out == f"{served[0][0].link}\n"
    assert "stop with Ctrl-C" in told.err
    assert served[0][1] == "offtake.app.page"


def test_another_address_needs_two_words_and_is_warned_of(served, capsys):
    assert call(["app", "--host", "0.0.0.0", "--no-browser"]) == Code.USAGE
    assert "a tunnel is" in capsys.readouterr().err
    assert served == []
    accepted = ["app", "--host", "0.0.0.0", "--i-understand-no-tls", "--no-browser"]
    assert call(accepted) == Code.DONE
    assert "warning" in capsys.readouterr().err


def test_a_scenario_that_is_wrong_opens_no_page(served, tmp_path, capsys):
    file = tmp_path / "wrong.toml"
    file.write_text('format = 1\nname = "wrong"\nextends = "duopoly"\nmonhts = 3\n', "utf-8")
    assert call(["app", str(file)]) == Code.SCENARIO
    assert "months" in capsys.readouterr().err
    assert served == []


def test_a_taken_port_is_told_with_the_one_used_instead(served, capsys):
    held = server.hold("127.0.0.1", None)
    try:
        assert call(["app", "--port", str(held.port), "--no-browser"]) == Code.DONE
        assert f"port {held.port} is taken" in capsys.readouterr().err
        assert served[0][0].port != held.port
    finally:
        held.held.close()


def test_without_the_extra_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(app, "find_spec", lambda name: None)
    assert call(["app"]) == Code.USAGE
    assert "pip install 'offtake[app]'" in capsys.readouterr().err


def test_missing_front_end_files_are_named_with_the_remedy(monkeypatch):
    monkeypatch.setattr(server.assets, "wrong", lambda: ["vega@5/build/vega.min.js"])
    with pytest.raises(server.CannotServe, match=r"1 front-end files .*make assets"):
        server._refuse_missing_files()
