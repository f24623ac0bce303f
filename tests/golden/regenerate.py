"""Write the golden tables anew: `python -m tests.golden.regenerate`.

They change only in a commit that says which behaviour changed and why the new numbers are right.
"""

import json
from pathlib import Path

from tests.golden.summaries import RUNS, summary

FOLDER = Path(__file__).parent


def main() -> None:
    """Write one file a run."""
    for name in RUNS:
        text = json.dumps(summary(name), indent=1, sort_keys=False)
        (FOLDER / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
