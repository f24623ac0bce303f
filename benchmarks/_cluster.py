"""A Ray cluster of two nodes on loopback, each the processes of one `ray start`."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

HEAD, OTHER = "127.0.0.2", "127.0.0.3"
TAKEN_BY_WORKERS = range(10_002, 20_000)
PATIENCE_SECONDS = 90
STORE_BYTES = 80_000_000


class Cluster:
    """Two nodes of one processor each; they and whoever joins know one token.

    `root` is put on the path of their workers, so that models can be imported.
    """

    def __init__(self, root: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ray-"))
        self.port, self.client_port = free_port(), free_port()
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(root),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(16),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_initial_delay_ms": "1000",
        }
        self.nodes: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        """Where a node of the cluster joins it."""
        return f"{HEAD}:{self.port}"

    @property
    def client_address(self) -> str:
        """Where anybody else joins it."""
        return f"ray://{HEAD}:{self.client_port}"

    def __enter__(self) -> Self:
        head = ("--head", f"--port={self.port}", f"--ray-client-server-port={self.client_port}")
        own = ("--include-dashboard=false", f"--temp-dir={self.folder}")
        self._start(HEAD, *head, *own)
        wait_until(lambda: answers(HEAD, self.port) and answers(HEAD, self.client_port))
        self._start(OTHER, f"--address={self.address}")
        wait_until(lambda: b"Ray runtime started" in self.said(1))
        return self

    def __exit__(self, *_: object) -> None:
        for node in reversed(self.nodes):
            self.kill(node)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, address: str, *arguments: str) -> None:
        common = ("--block", "--num-cpus=1", f"--object-store-memory={STORE_BYTES}")
        ray = Path(sys.executable).parent / "ray"
        with self._log(len(self.nodes)).open("wb") as log:
            node = subprocess.Popen(
                [ray, "start", *common, f"--node-ip-address={address}", *arguments],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.nodes.append(node)

    def _log(self, number: int) -> Path:
        return self.folder / f"node-{number}.log"

    def said(self, number: int) -> bytes:
        """Return what a node printed; raises RuntimeError if it has ended."""
        said = self._log(number).read_bytes()
        if self.nodes[number].poll() is not None:
            raise RuntimeError(f"node {number} ended: {said[-500:].decode(errors='replace')}")
        return said

    def kill(self, node: subprocess.Popen[bytes]) -> None:
        """End every process of a node at once."""
        for process in family(node.pid):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        node.wait()

    def workers(self, node: subprocess.Popen[bytes], task: str) -> list[int]:
        """Return the processes of a node that work on a task; they carry its name."""
        return [process for process in family(node.pid) if f"ray::{task}" in command(process)]


def free_port() -> int:
    """Return a port that nobody listens on."""
    while True:
        with socket.socket() as found:
            found.bind((HEAD, 0))
            port = found.getsockname()[1]
        if port not in TAKEN_BY_WORKERS:
            return port


def answers(host: str, port: int) -> bool:
    """Tell whether somebody listens on a port."""
    with socket.socket() as tried:
        tried.settimeout(1)
        return tried.connect_ex((host, port)) == 0


def wait_until(condition) -> None:
    """Poll until something has come about."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError("it never came about")
        time.sleep(0.05)


def family(root: int) -> list[int]:
    """Return a process and all that descend from it, by Linux's own list."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                told = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(told[1])
    found = [root]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found


def command(process: int) -> str:
    """Return the command line of a process; nothing once it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text(errors="replace")
    except OSError:
        return ""
