"""Draw the pictures of the README and the manual: every chart of the baseline, a comparison, a waterfall.

Run ``python docs/assets/make.py`` after a change of results; it takes some minutes. CI draws the same
pictures from a few months of two runs into a folder that it throws away. Sizes and times are printed.
"""

import argparse
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import altair as alt

from offtake.experiments.charts import company_tones, save
from offtake.experiments.charts.difference import difference
from offtake.experiments.comparison import compare
from offtake.experiments.explaining.explanation import explain
from offtake.experiments.explaining.steps import deals_waterfall
from offtake.experiments.reporting.pictures import small_svg
from offtake.experiments.reporting.report import drawings
from offtake.experiments.results import Result
from offtake.experiments.run import run
from offtake.experiments.summary import first_supplier, focal

BASELINE, OTHER = "stargate-2025", "no-softbank"
SEEDS = 20
OF_README = "dependence"
"""Drawn as PNG too: not every reader of a README shows SVG."""
SIGNATURE = 8
"""Bytes before the first chunk of a PNG."""
FRAME = 12
"""Bytes of a chunk beside its data: length, kind and checksum."""


def every(base: Result, other: Result) -> dict[str, Callable[[], alt.TopLevelMixin]]:
    """Return what draws each picture, by the name of its file."""
    return {
        **drawings(base),
        "differences": lambda: difference(compare(base, other)),
        "waterfall": lambda: waterfall(base),
    }


def waterfall(base: Result) -> alt.TopLevelMixin:
    """Return which deals moved the focal lab's dependence up to the middle of the run."""
    lab = focal(base.scenario)
    cloud, month = first_supplier(base, lab), base.manifest["months"] * 7 // 12
    found = explain(base, lab, cloud, month=month, counterfactuals=0)
    return deals_waterfall(found, company_tones(base.trajectories, lab=lab))


def draw(base: Result, other: Result, folder: Path) -> Iterator[tuple[str, int, float]]:
    """Write the pictures; yield name, bytes and seconds of each."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in every(base, other).items():
        began = time.perf_counter()
        chart = make()
        path = folder / f"{name}.svg"
        path.write_text(small_svg(chart), encoding="utf-8")
        if name == OF_README:
            png(chart, folder / f"{name}.png")
        yield name, path.stat().st_size, time.perf_counter() - began


def png(chart: alt.TopLevelMixin, path: Path) -> None:
    """Write a chart as PNG, deflated as far as zlib can."""
    with TemporaryDirectory() as work:
        drawn = save(chart, Path(work), path.stem, title=path.stem)["png"].read_bytes()
    path.write_bytes(deflated(drawn))


def deflated(png: bytes) -> bytes:
    """Return the same picture in fewer bytes."""
    data, head, tail = b"", b"", b""
    for kind, body in chunks(png):
        if kind == b"IDAT":
            data += body
        elif data:
            tail += chunk(kind, body)
        else:
            head += chunk(kind, body)
    smaller = chunk(b"IDAT", zlib.compress(zlib.decompress(data), 9))
    return png[:SIGNATURE] + head + smaller + tail


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and data of each chunk of a PNG."""
    at = SIGNATURE
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + FRAME


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return one chunk of a PNG."""
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def main() -> None:
    """Run both scenarios and draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--months", type=int, default=None)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    given = parser.parse_args()
    base, other = (run(name, seeds=given.seeds, months=given.months) for name in (BASELINE, OTHER))
    for name, size, seconds in draw(base, other, given.out):
        print(f"{name:<16} {size / 1000:>6.0f} kB {seconds:>6.1f} s")  # noqa: T201


if __name__ == "__main__":
    main()
