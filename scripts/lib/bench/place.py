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


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def limit_for(pages: int, seconds_a_page: float = 2.0) -> float:
    """How long a run over so many pages may take before it is ended, in seconds."""
    return 120 + pages * seconds_a_page
