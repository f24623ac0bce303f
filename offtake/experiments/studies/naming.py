"""Words that study files and runs share: the lever for scenarios, and months as text."""

import re

from offtake.model.scenario import Scenario

SCENARIO = "scenario"
"""Name of the lever that stands for the scenario where a study has several."""
MODEL = "offtake.model.market:Market"
"""What a run runs, unless a test says otherwise."""
MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])\Z")


def month_of(text: str, scenario: Scenario) -> int | None:
    """Return a month such as 2026-06 as its number from the scenario's start."""
    found = MONTH.match(text)
    if not found:
        return None
    return (int(found[1]) - scenario.start.year) * 12 + int(found[2]) - scenario.start.month
