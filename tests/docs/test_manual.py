"""The manual builds, and its pages fetch nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FETCHED = re.compile(r"<(?:script|img|link|iframe)\b[^>]*\b(?:src|href)=\"?(?:https?:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manual") / "site"
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=True,
        timeout=120,
    )
    return folder


def test_every_page_of_the_manual_is_built(site):
    pages = {page.relative_to(ROOT / "docs") for page in ROOT.glob("docs/**/*.md")}
    assert {page for page in pages if not (site / page.with_suffix(".html")).is_file()} == set()


def test_no_page_fetches_from_elsewhere(site):
    for page in site.rglob("*.html"):
        assert FETCHED.findall(page.read_text(encoding="utf-8")) == [], page


@pytest.mark.parametrize("text", ['<script src="https://a.b/c.js">', "<img alt=x src=//a.b/c.png>"])
def test_a_page_that_fetches_from_elsewhere_would_be_seen(text):
    assert FETCHED.search(text)
