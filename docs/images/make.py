"""Draw the picture of the README: on whom the focal lab of the baseline depends, over 20 seeds.

Run ``python docs/images/make.py`` after a change of results; it takes about a minute.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from offtake.experiments.charts import dependence, save
from offtake.experiments.results import Result
from offtake.experiments.run import run
from offtake.experiments.summary import focal

BASELINE = "stargate-2025"
SEEDS = 20
STEM = "dependence"
SIGNATURE = 8
"""Bytes before the first chunk of a PNG."""
FRAME = 12
"""Bytes of a chunk beside its data: length, kind and checksum."""


def draw(result: Result, folder: Path) -> Path:
    """Write the picture of a result, deflated as far as zlib can."""
    lab = focal(result.scenario)
    marks = sorted((event.on, event.what) for event in result.scenario.events.values())
    chart = dependence(result.trajectories, marks, lab)
    with TemporaryDirectory() as work:
        drawn = save(chart, Path(work), STEM, title=f"{BASELINE}: {STEM}")["png"].read_bytes()
    path = folder / f"{STEM}.png"
    path.write_bytes(deflated(drawn))
    return path


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


if __name__ == "__main__":
    draw(run(BASELINE, seeds=SEEDS), Path(__file__).parent)
