"""One large PDF with one renderer process and with two, and many small ones of the same pages."""

from __future__ import annotations

import statistics
import sys

from bench import facts, table
from bench.documents import Document, joined
from bench.measured import Usage
from bench.place import Place, limit_for

SMALL_PAGES = 10


def run(place: Place, documents: list[Document], pages: int, image_format: str = "jpeg") -> int:
    """Measures and prints; answers the exit code."""
    folder = place.fresh("scaling")
    large = [joined(documents, pages, folder / "large.pdf")]
    small = [
        joined(documents, SMALL_PAGES, folder / f"small-{first}.pdf", first=first)
        for first in range(0, pages, SMALL_PAGES)
    ]
    contestants = [
        (f"one of {pages} pages, one renderer process", large, "1"),
        (f"one of {pages} pages, two renderer processes", large, "2"),
        (f"{len(small)} of {SMALL_PAGES} pages, two renderer processes", small, "2"),
    ]
    usages: dict[str, list[Usage]] = {title: [] for title, _, _ in contestants}
    for number in range(1, place.rounds + 1):
        for title, given, children in contestants:
            print(f"round {number} of {place.rounds}: {title} ...", end=" ", file=sys.stderr, flush=True)
            outcome = place.worker.all_of(
                given, place.fresh("ours"), image_format, limit_for(pages), PAGEMILL_CHILDREN=children
            )
            usages[title].append(outcome.usage)
            print(f"{outcome.usage.wall:.1f} s", file=sys.stderr, flush=True)
    slowest = usages[contestants[0][0]]
    lines = []
    for title, _, _ in contestants:
        speed_up = statistics.median(one.wall / other.wall for one, other in zip(slowest, usages[title], strict=True))
        lines.append(
            [
                title,
                f"{statistics.median(usage.wall for usage in usages[title]):.1f}",
                f"{speed_up:.2f}",
                f"{statistics.median(1000 * usage.cpu / pages for usage in usages[title]):.2f}",
                table.mib(statistics.median(usage.peak_pss for usage in usages[title])),
            ]
        )
    print(f"\nfolder mode, {image_format}; medians of {place.rounds} rounds in turns\n")
    print(table.render(["", "seconds", "times as fast", "CPU ms a page", "sum of PSS, MiB"], lines))
    print("\n".join(["", *facts.lines(place)]))
    return 0
