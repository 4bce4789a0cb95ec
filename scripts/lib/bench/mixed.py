"""Good documents with 2 % hostile ones among them, against the good ones alone."""

from __future__ import annotations

import pathlib
import statistics
import sys
from typing import Any

from bench import facts, ours, table
from bench.documents import Document, pages_of
from bench.emulated import moment
from bench.measured import Failed
from bench.place import Place, limit_for

GOOD_PER_HOSTILE = 49
MOST_HOSTILE = 6
FINAL = ("done", "partial", "failed")


def run(place: Place, documents: list[Document], hostile: list[pathlib.Path], image_format: str = "jpeg") -> int:
    """Measures and prints; answers the exit code: 0 when every document is accounted for."""
    # From all over the list of hostile files.
    step = max(1, len(hostile) // MOST_HOSTILE)
    bad = [Document(path, 0) for path in hostile[::step][:MOST_HOSTILE]]
    good = [documents[number % len(documents)] for number in range(GOOD_PER_HOSTILE * len(bad))]
    among: list[Document] = []
    for number, document in enumerate(good):
        among.append(document)
        if number % GOOD_PER_HOSTILE == GOOD_PER_HOSTILE // 2:
            among.append(bad[number // GOOD_PER_HOSTILE])
    pages = pages_of(good)
    rates: dict[str, list[float]] = {"alone": [], "mixed": []}
    costs: dict[str, list[float]] = {"alone": [], "mixed": []}
    ends: dict[str, str] = {}
    for number in range(1, place.rounds + 1):
        for kind, given in (("alone", good), ("mixed", among)):
            print(f"round {number} of {place.rounds}: {kind} ...", end=" ", file=sys.stderr, flush=True)
            outcome = place.worker.local(given, place.fresh("ours"), image_format, limit_for(pages))
            records = {int(name.partition("-")[0]): record for name, record in outcome.records.items()}
            ended = account(given, bad, records, ends)
            rates[kind].append(pages / (ended - outcome.usage.began_at))
            costs[kind].append(1000 * outcome.usage.cpu / pages)
            print(f"{rates[kind][-1]:.1f} good pages a second", file=sys.stderr, flush=True)
    alone, mixed = statistics.median(rates["alone"]), statistics.median(rates["mixed"])
    lost = statistics.median(1 - one / other for one, other in zip(rates["mixed"], rates["alone"], strict=True))
    print(f"\n{len(good)} good documents, {pages} pages; {len(bad)} hostile; {image_format}, medians of {place.rounds} rounds\n")
    dear = statistics.median(one / other - 1 for one, other in zip(costs["mixed"], costs["alone"], strict=True))
    head = ["", "good pages a second", "CPU ms a good page"]
    lines = [
        ["the good ones alone", f"{alone:.1f}", f"{statistics.median(costs['alone']):.2f}"],
        ["with the hostile ones", f"{mixed:.1f}", f"{statistics.median(costs['mixed']):.2f}"],
    ]
    print(table.render(head, lines))
    print(f"\nthroughput lost: {100 * lost:.1f} %, CPU time more: {100 * dear:.1f} %; every good document is done, every hostile one has its result:")
    print("\n".join(f"  {name}: {end}" for name, end in sorted(ends.items())))
    print("\n".join(["", *facts.lines(place)]))
    return 0


def account(
    given: list[Document], bad: list[Document], records: dict[int, dict[str, Any]], ends: dict[str, str]
) -> float:
    """Looks at how every document ended; answers when the last good one did, in seconds since 1970."""
    hostile = {document.path for document in bad}
    last = 0.0
    for number, document in enumerate(given):
        record = records.get(number)
        if record is None or record["status"] not in FINAL:
            raise Failed(f"{document.path.name} is lost: it has no record that says how it ended")
        if document.path in hostile:
            ends[document.path.name] = ours.verdict(record)
        elif ours.pages_done(record) != document.pages:
            raise Failed(f"{document.path.name} is not whole: {ours.verdict(record)}")
        else:
            last = max(last, moment(record["updated_at"]))
    return last
