"""Hypothesis profiles: `ci` draws the same examples everywhere, `dev` looks for new ones."""

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True, max_examples=15, deadline=None)
settings.register_profile("dev", max_examples=60, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))
