"""Runs one command and measures its whole process tree.

    python -m bench.meter --limit SECONDS --report FILE --log FILE [--no-samples] -- COMMAND ...

CPU time is that of every process of the tree, also of those that were killed or outlived their parent: this process
adopts orphans (PR_SET_CHILD_SUBREAPER), waits for all of them, and the kernel adds up what they used. Memory is sampled
twenty times a second (PSS, which costs more to ask for, five times), and ten times as often in the first second. After
the limit, or when the command has ended and left processes behind, these are killed. SIGTERM goes on to the command.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import pathlib
import resource
import signal
import subprocess
import threading
import time
from typing import Any

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
SAMPLE_SECONDS = 0.05
# A run that is over soon is looked at more often, or its peak would be missed.
FIRST_SECONDS, FIRST_SAMPLE_SECONDS = 1.0, 0.005
SAMPLES_PER_PSS = 4
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def tree(root: int) -> list[int]:
    """A process and everything below it."""
    found, left = [], [root]
    while left:
        pid = left.pop()
        found.append(pid)
        for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                left.extend(int(child) for child in children.read_text().split())
            except OSError:
                pass  # it has just ended
    return found


def rss(pid: int) -> int:
    try:
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except (OSError, IndexError):
        return 0


def kib_field(file: str, name: str) -> int:
    """A field such as `Pss:  123 kB`, in bytes."""
    try:
        with open(file, encoding="ascii") as lines:
            for line in lines:
                if line.startswith(name):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class Sampler(threading.Thread):
    """Looks at the memory of the tree until it is told to stop."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root = root
        self.ended = threading.Event()
        self.rss = self.pss = self.parent = self.processes = 0

    def run(self) -> None:
        number, begun = 0, time.monotonic()
        while not self.ended.is_set():
            pids = [pid for pid in tree(os.getpid()) if pid != os.getpid()]
            self.processes = max(self.processes, len(pids))
            self.rss = max(self.rss, sum(map(rss, pids)))
            self.parent = max(self.parent, kib_field(f"/proc/{self.root}/status", "VmHWM:"))
            if number % SAMPLES_PER_PSS == 0:
                self.pss = max(self.pss, sum(kib_field(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in pids))
            number += 1
            is_first = time.monotonic() - begun < FIRST_SECONDS
            self.ended.wait(FIRST_SAMPLE_SECONDS if is_first else SAMPLE_SECONDS)


def kill_all() -> int:
    """Kills every process below this one; answers how many there were."""
    pids = [pid for pid in tree(os.getpid()) if pid != os.getpid()]
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return len(pids)


def measure(command: list[str], limit: float, log: str, samples: bool) -> dict[str, Any]:
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "orphans can't be adopted")
    timed_out = threading.Event()

    def give_up() -> None:
        timed_out.set()
        kill_all()

    with open(log, "wb") as output:
        begun, began_at = time.monotonic(), time.time()
        # In a session of its own, so that Ctrl-C reaches it only through here.
        root = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )

    def pass_on(number: int, _: object) -> None:
        if root.poll() is None:
            os.kill(root.pid, number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    timer = threading.Timer(limit, give_up)
    timer.daemon = True
    timer.start()
    sampler = Sampler(root.pid)
    if samples:
        sampler.start()
    status = root.wait()
    wall = time.monotonic() - begun
    timer.cancel()
    sampler.ended.set()
    leftovers = kill_all()
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            break
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "status": status,
        "timed_out": timed_out.is_set(),
        "began_at": began_at,
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_rss": sampler.rss,
        "peak_pss": sampler.pss,
        "parent_peak": sampler.parent,
        "processes": sampler.processes,
        "leftovers": leftovers,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--limit", type=float, required=True)
    parser.add_argument("--report", required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("--no-samples", action="store_true")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    report = measure(arguments.command, arguments.limit, arguments.log, not arguments.no_samples)
    pathlib.Path(arguments.report).write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main()
