"""Peak memory of the whole process tree, for documents from small to large."""

from __future__ import annotations

import sys

from bench import facts, table
from bench.documents import Document, joined
from bench.place import Place, limit_for

SIZES = (10, 100, 1_000, 5_000)
BASE = 100


def run(place: Place, documents: list[Document], sizes: tuple[int, ...] = SIZES, image_format: str = "jpeg") -> int:
    """Measures and prints; answers the exit code."""
    folder = place.fresh("memory")
    lines, at_base = [], 0
    for pages in sizes:
        print(f"{pages} pages ...", file=sys.stderr, flush=True)
        document = joined(documents, pages, folder / f"{pages}.pdf")
        outcome = place.worker.all_of(
            [document], place.fresh("ours"), image_format, limit_for(pages), PAGEMILL_CHILDREN="2"
        )
        usage = outcome.usage
        if pages == BASE:
            at_base = usage.peak_pss
        lines.append(
            [
                f"{pages} pages",
                table.mib(document.path.stat().st_size),
                table.mib(usage.peak_pss),
                f"{(usage.peak_pss - at_base) / 2**20:+.0f}" if at_base else "",
                table.mib(usage.peak_rss),
                table.mib(usage.parent_peak),
                f"{usage.wall:.1f}",
            ]
        )
        document.path.unlink()
    print(f"\none document, folder mode, {image_format}, two renderer processes\n")
    head = ["", "file, MiB", "sum of PSS, MiB", f"more than {BASE} pages", "sum of RSS, MiB", "parent's RSS, MiB", "s"]
    print(table.render(head, lines))
    print("\nPeaks: of the tree, sampled; of the parent, as the kernel keeps it (VmHWM). The bytes of the file are among them.")
    print("\n".join(["", *facts.lines(place)]))
    return 0
