"""The one table: everybody over the same documents, in turns."""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict

from bench import facts, table
from bench.documents import Document, pages_of, spread
from bench.measured import Failed
from bench.place import Place
from bench.rows import RAW, ROWS, Result, Row


def run(place: Place, documents: list[Document], only: list[str], slow_pages: int) -> int:
    """Measures and prints; answers the exit code."""
    chosen, skipped = choose(place, only)
    part = spread(documents, slow_pages)
    results: dict[str, list[Result]] = defaultdict(list)
    failed: dict[str, str] = {}
    began_with = facts.load()
    for number in range(1, place.rounds + 1):
        for row in chosen:
            if row.key in failed:
                continue
            print(f"round {number} of {place.rounds}: {row.title} ...", end=" ", file=sys.stderr, flush=True)
            try:
                result = row.measure(place, part if row.slow else documents)
            except Failed as error:
                failed[row.key] = str(error)
                print("FAILED", file=sys.stderr, flush=True)
                continue
            results[row.key].append(result)
            cost = 1000 * result.usage.cpu / result.pages
            print(f"{cost:.1f} CPU ms a page, {result.wall:.1f} s", file=sys.stderr, flush=True)
    print(
        f"\n{len(documents)} documents, {pages_of(documents)} pages; medians of {place.rounds} rounds, one run of each "
        f"row in a round; load at the beginning {began_with}\n"
    )
    lines = [
        line(row, part if row.slow else documents, results[row.key], results[RAW])
        for row in chosen
        if results[row.key]
    ]
    head = ["", "pages", "CPU ms a page", "x the limit", "pages a second", "sum of RSS, MiB", "sum of PSS, MiB"]
    print(table.render(head, lines))
    print(
        "\nCPU: user and system time of the whole process tree. x the limit: against the first row of the same round, for "
        "the same documents. A row of fewer pages is of documents from all over the list. Memory: peak of the tree, "
        "sampled 20 times a second (PSS 5 times). S3 and SQS: the emulator runs on the same processors and is not "
        "counted; the time is from the first PUT to the last commit."
    )
    print("\n".join(["", *facts.lines(place)]))
    for title, reason in skipped:
        print(f"SKIPPED: {title}: {reason}")
    for key, reason in failed.items():
        print(f"FAILED: {key}: {reason}")
    return 1 if failed else 0


def choose(place: Place, only: list[str]) -> tuple[list[Row], list[tuple[str, str]]]:
    """The rows to measure, and those that can't be, with the reason."""
    chosen, skipped = [], []
    for row in ROWS:
        # What everything is compared with is always measured.
        if row.key != RAW and (row.key not in only if only else row.extra):
            continue
        reason = row.missing()
        if row.cloud and place.emulator is None:
            reason = "the AWS emulator is not installed"
        if reason:
            skipped.append((row.title, reason))
        else:
            chosen.append(row)
    return chosen, skipped


def line(row: Row, documents: list[Document], results: list[Result], limits: list[Result]) -> list[str]:
    median = statistics.median
    ratios = [result.usage.cpu / cost_of(documents, limit) for result, limit in zip(results, limits, strict=False)]
    return [
        row.title,
        str(results[0].pages),
        f"{median(1000 * result.usage.cpu / result.pages for result in results):.2f}",
        f"{median(ratios):.2f}" if ratios else "-",
        f"{median(result.pages / result.wall for result in results):.1f}",
        table.mib(median(result.usage.peak_rss for result in results)),
        table.mib(median(result.usage.peak_pss for result in results)),
    ]


def cost_of(documents: list[Document], limit: Result) -> float:
    """CPU seconds of some of the documents in a run of the raw limit, with their share of its start."""
    of_these = sum(limit.by_document[document.path] for document in documents)
    return limit.usage.cpu * of_these / sum(limit.by_document.values())
