"""Hostile files, one by one: how each ends, how long it takes, and what memory it costs."""

from __future__ import annotations

import fnmatch
import pathlib
import subprocess
import sys

from bench import facts, ours, table
from bench.documents import Document
from bench.measured import Failed
from bench.place import Place

# Longer than any deadline of one document.
LIMIT_SECONDS = 300


def files(place: Place, folder: pathlib.Path | None, patterns: list[str]) -> list[pathlib.Path]:
    """Those of a folder whose names match; without a folder, those that make-samples makes. None of them is opened."""
    if folder is None:
        folder = place.fresh("hostile-samples")
        subprocess.run([place.make_samples, folder, "--hostile"], check=True, stdout=subprocess.DEVNULL)
        folder /= "hostile"
    found = sorted(path for path in folder.rglob("*.pdf") if path.is_file())
    if patterns:
        found = [path for path in found if any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns)]
    if not found:
        raise Failed(f"{folder} has no file to measure")
    return found


def run(place: Place, paths: list[pathlib.Path], image_format: str = "jpeg") -> int:
    """Measures and prints; answers the exit code: 0 when every file ended with a result."""
    lines, untyped = [], []
    for path in paths:
        print(f"{path.name} ...", file=sys.stderr, flush=True)
        try:
            outcome = place.worker.local(
                [Document(path, 0)], place.fresh("ours"), image_format, LIMIT_SECONDS, PAGEMILL_CHILDREN="2"
            )
        except Failed as error:
            untyped.append(f"{path.name}: {error}")
            lines.append([path.name, "NO RESULT", "-", "-", "-", "-"])
            continue
        record = next(iter(outcome.records.values()), None)
        if record is None or record["status"] not in ("done", "partial", "failed"):
            untyped.append(f"{path.name}: it has no record that says how it ended")
        lines.append(
            [
                path.name,
                ours.verdict(record) if record else "NO RECORD",
                f"{outcome.usage.wall:.1f}",
                table.mib(outcome.usage.parent_peak),
                table.mib(outcome.usage.peak_rss),
                table.mib(outcome.usage.peak_pss),
            ]
        )
    print()
    head = ["file", "ends as", "seconds", "parent's RSS, MiB", "sum of RSS, MiB", "sum of PSS, MiB"]
    print(table.render(head, lines))
    print("\none file a run of `worker local`, with its start; peaks, of the parent as the kernel keeps it, else sampled")
    print("\n".join(["", *facts.lines(place)]))
    for complaint in untyped:
        print(f"FAILED: {complaint}")
    return 1 if untyped else 0
