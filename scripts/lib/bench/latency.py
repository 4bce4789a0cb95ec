"""How long ten pages take from their PUT to all their outputs."""

from __future__ import annotations

import datetime
import pathlib
import statistics
from typing import Any

from bench import emulated, facts, table
from bench.documents import Document, joined
from bench.emulated import moment
from bench.measured import Failed, until
from bench.place import Place, limit_for

PAGES = 10
# The first ones find cold caches and children that are not there yet.
WARM_UPS = 3
MEASURED = 20


def run(place: Place, documents: list[Document], formats: tuple[str, ...] = ("jpeg", "png")) -> int:
    """Measures and prints; answers the exit code."""
    folder = place.fresh("ten-pages")
    tens = [
        joined(documents, PAGES, folder / f"ten-{number}.pdf", first=number * PAGES)
        for number in range(WARM_UPS + MEASURED)
    ]
    lines = []
    for image_format in formats:
        print(f"one by one into a folder, {image_format} ...", flush=True)
        lines.append(line(f"folder, {image_format}", [], in_folder(place, tens, image_format)))
        if place.emulator is None:
            print("SKIPPED: through S3 and SQS: the AWS emulator is not installed")
            continue
        print(f"one by one through S3 and SQS, {image_format} ...", flush=True)
        lines.append(line(f"S3 and SQS, {image_format}", *through_cloud(place, tens, image_format)))
    head = ["ms", "PUT to outputs: median", "95th percentile", "the worker's part: median", "95th percentile"]
    print(f"\n{MEASURED} documents of {PAGES} pages, one after the other\n")
    print(table.render(head, lines))
    print(
        "\nThe worker's part is from its first stage to its last write; before it are the notification, the queue and the "
        "worker's look at the record. All times are those of this machine's clock: the PUT's beginning, and the record's."
    )
    print("\n".join(["", *facts.lines(place)]))
    return 0


def line(title: str, whole: list[float], own: list[float]) -> list[str]:
    def cells(values: list[float]) -> list[str]:
        if not values:
            return ["-", "-"]
        return [f"{1000 * statistics.median(values):.0f}", f"{1000 * percentile(values, 95):.0f}"]

    return [title, *cells(whole), *cells(own)]


def percentile(values: list[float], share: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)]


def own_part(record: dict[str, Any]) -> float:
    """Seconds from the beginning of the first stage to the last write."""
    first = record["stages"]["inspect"]
    return moment(record["updated_at"]) - (moment(first["finished_at"]) - int(first["millis"]) / 1000)


def require_done(name: str, record: dict[str, Any]) -> None:
    if record["status"] != "done":
        raise Failed(f"{name} is {record['status']}")


def in_folder(place: Place, tens: list[Document], image_format: str) -> list[float]:
    scratch = place.fresh("latency")
    outcome = place.worker.all_of(
        tens, scratch, image_format, limit_for(PAGES * len(tens)), arguments=("--jobs", "1")
    )
    return [own_part(record) for _, record in sorted(outcome.records.items())][WARM_UPS:]


def through_cloud(place: Place, tens: list[Document], image_format: str) -> tuple[list[float], list[float]]:
    assert place.emulator is not None
    whole, own = [], []
    scratch: pathlib.Path = place.fresh("latency")
    with emulated.Cloud(place.worker, place.emulator, scratch, image_format, 600) as cloud:
        for document in tens:
            body = document.path.read_bytes()
            begun = datetime.datetime.now(datetime.timezone.utc).timestamp()
            cloud.put(document.path.name, body)
            until(f"{document.path.name} has ended", 60, 0.05, lambda: cloud.record(document.path.name) is not None)
            record = cloud.record(document.path.name)
            assert record is not None
            require_done(document.path.name, record)
            whole.append(moment(record["updated_at"]) - begun)
            own.append(own_part(record))
        cloud.stop()
    return whole[WARM_UPS:], own[WARM_UPS:]
