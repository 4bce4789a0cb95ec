"""Commands under the meter, from the side of the bench."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable


class Failed(Exception):
    """A run did not do what it was to do; the message says what and where its log is."""


@dataclasses.dataclass(frozen=True)
class Usage:
    """What a process tree used. Seconds and bytes."""

    status: int
    timed_out: bool
    began_at: float
    wall: float
    cpu: float
    peak_rss: int
    peak_pss: int
    parent_peak: int
    processes: int
    leftovers: int


class Run:
    """A command that is running under the meter, in a scratch folder that keeps its log."""

    def __init__(
        self,
        command: list[str],
        scratch: pathlib.Path,
        limit: float,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.log = scratch / "log"
        self.report = scratch / "report.json"
        self.report.unlink(missing_ok=True)
        self.log.write_bytes(b"")
        meter = [sys.executable, "-m", "bench.meter", "--limit", str(limit)]
        meter += ["--report", str(self.report), "--log", str(self.log), "--", *command]
        self.limit = limit
        self.process = subprocess.Popen(meter, env={**os.environ, **(environment or {})}, cwd=scratch)

    def is_running(self) -> bool:
        return self.process.poll() is None

    def stop(self, patience: float = 60) -> Usage:
        """SIGTERM to the command, then its usage."""
        if self.is_running():
            self.process.send_signal(signal.SIGTERM)
        return self.wait(patience)

    def wait(self, patience: float | None = None) -> Usage:
        try:
            self.process.wait(patience if patience is not None else self.limit + 30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"the command did not end; see {self.log}") from None
        if not self.report.is_file():
            raise Failed(f"the meter ended with {self.process.returncode}; see {self.log}")
        return Usage(**json.loads(self.report.read_text(encoding="utf-8")))

    def kill(self) -> None:
        """Ends the meter; a command that outlives it is ended too."""
        from bench import meter

        pids = meter.tree(self.process.pid)
        for pid in reversed(pids):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_running():
            self.kill()


def run(
    command: list[str],
    scratch: pathlib.Path,
    limit: float,
    environment: dict[str, str] | None = None,
    good: tuple[int, ...] = (0,),
) -> tuple[Usage, str]:
    """Runs a command to its end; answers its usage and what it said."""
    with Run(command, scratch, limit, environment) as running:
        usage = running.wait()
        said = running.said()
    if usage.timed_out:
        raise Failed(f"{command[0]} was ended after {limit:.0f} s; its last words:\n{tail(said)}")
    if usage.status not in good:
        raise Failed(f"{command[0]} ended with {usage.status}; its last words:\n{tail(said)}")
    return usage, said


def tail(said: str) -> str:
    return "\n".join("  " + line for line in said.splitlines()[-8:])


def until(what: str, patience: float, pause: float, holds: Callable[[], bool]) -> None:
    """Waits until something holds."""
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            raise Failed(f"waited {patience:.0f} s in vain until {what}")
        time.sleep(pause)
