"""Three whole runs stay as they are until a change says why they move (`make golden`)."""

import json
from pathlib import Path

import pytest

from tests.golden.summaries import RUNS, summary

FOLDER = Path(__file__).parent
LOOSE = 1e-8
"""Relative: the files keep nine digits."""


@pytest.fixture(scope="module", params=RUNS)
def run(request: pytest.FixtureRequest) -> tuple[dict, dict]:
    """Return what a run gives now, and what is kept of it."""
    kept = json.loads((FOLDER / f"{request.param}.json").read_text(encoding="utf-8"))
    return summary(request.param), kept


def test_every_kept_part_is_still_given(run: tuple[dict, dict]):
    found, kept = run
    assert found.keys() == kept.keys()
    assert found["last"].keys() == kept["last"].keys()


@pytest.mark.parametrize("part", ["events", "contracts", "sites_kw", "committed_kw_months"])
def test_events_and_kilowatts_are_as_kept(run: tuple[dict, dict], part: str):
    found, kept = run
    assert found[part] == kept[part]


@pytest.mark.parametrize("part", ["deposits_cents", "claims_cents"])
def test_money_is_as_kept_to_the_cent(run: tuple[dict, dict], part: str):
    found, kept = run
    assert found[part] == kept[part]


def test_last_values_are_as_kept(run: tuple[dict, dict]):
    found, kept = run
    for observable, values in kept["last"].items():
        assert found["last"][observable] == pytest.approx(values, rel=LOOSE, nan_ok=True), (
            observable
        )
