"""What every measurement is given: programs, folders, options."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil

from bench.emulated import Emulator
from bench.ours import Worker


@dataclasses.dataclass(frozen=True)
class Place:
    """Where things are, and how long a measurement may take."""

    worker: Worker
    raw_limit: pathlib.Path
    make_samples: pathlib.Path
    emulator: Emulator | None
    profile: str
    scratch: pathlib.Path
    rounds: int

    @property
    def library(self) -> pathlib.Path:
        """The folder of these modules."""
        return pathlib.Path(__file__).parent

    def fresh(self, name: str) -> pathlib.Path:
        """An empty folder below the scratch folder."""
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


# Where Linux keeps files in memory, and what must be free there: the outputs of 5,000 pages are 2 GiB.
MEMORY = pathlib.Path("/dev/shm")
MEMORY_BYTES = 4 << 30


def scratch_folder(asked: pathlib.Path | None, home: pathlib.Path) -> pathlib.Path:
    """Where documents and outputs are put.

    In memory, if there is room: on ext4 a file costs the more to create, the more others were deleted in the last
    minutes, and every run deletes what it wrote.
    """
    if asked is not None:
        return asked.resolve()
    try:
        has_room = shutil.disk_usage(MEMORY).free >= MEMORY_BYTES and os.access(MEMORY, os.W_OK)
    except OSError:
        has_room = False
    return MEMORY if has_room else home


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def limit_for(pages: int, seconds_a_page: float = 2.0) -> float:
    """How long a run over so many pages may take before it is ended, in seconds."""
    return 120 + pages * seconds_a_page
