"""usage: see scripts/bench --help"""

from __future__ import annotations

import argparse
import os
import pathlib
import signal
import sys
import tempfile

from bench import documents, emulated, hostile, latency, main_table, memory, mixed, ours, rows, scaling
from bench.measured import Failed
from bench.place import Place, scratch_folder

# Pages of the generated documents, when none are given.
GENERATED_PAGES = 200
QUICK_PAGES = 24
SECTIONS = ("latency", "scaling", "memory", "hostile", "mixed")


def main() -> int:
    arguments = parse()
    # So that scratch folders and children go when the command is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    program = pathlib.Path(os.environ["BENCH_PROGRAMS"])
    ministack = os.environ.get("BENCH_EMULATOR")
    home = pathlib.Path(os.environ["BENCH_HOME"])
    runtime = pathlib.Path(os.environ["PAGEMILL_RUNTIME"]).resolve()
    folder = scratch_folder(arguments.scratch, home)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pagemill-bench-", dir=folder) as scratch:
        place = Place(
            worker=ours.Worker(program / "worker", runtime),
            raw_limit=program / "raw-limit",
            make_samples=program / "make-samples",
            emulator=emulated.Emulator(pathlib.Path(ministack), pathlib.Path(__file__).parent.parent)
            if ministack
            else None,
            profile=os.environ["BENCH_PROFILE"],
            scratch=pathlib.Path(scratch),
            rounds=1 if arguments.quick else arguments.rounds,
        )
        try:
            return measure(arguments, place)
        except Failed as error:
            print(f"FAILED: {error}")
            return 1
        except KeyboardInterrupt:
            return 130


def measure(arguments: argparse.Namespace, place: Place) -> int:
    """Runs what was asked for; answers the exit code."""
    if arguments.section == "hostile":
        return hostile.run(place, hostile.files(place, arguments.documents, arguments.match))
    quick = arguments.quick
    if arguments.documents:
        found = documents.named(arguments.documents)
        if not found:
            raise Failed(f"no usable PDF in {arguments.documents}")
    else:
        pages = QUICK_PAGES if quick else GENERATED_PAGES
        found = documents.generated(place.make_samples, place.fresh("generated"), pages)
    match arguments.section:
        case "latency":
            return latency.run(place, found)
        case "scaling":
            return scaling.run(place, found, 100 if quick else 2_000)
        case "memory":
            return memory.run(place, found, (10, 100) if quick else memory.SIZES)
        case "mixed":
            return mixed.run(place, found, hostile.files(place, arguments.hostile, arguments.match))
        case _:
            return main_table.run(place, found, arguments.only, QUICK_PAGES if quick else arguments.pages)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench")
    given = sys.argv[1:]
    section = given.pop(0) if given[:1] and given[0] in SECTIONS else "table"
    parser.add_argument("documents", nargs="?", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--scratch", type=pathlib.Path)
    if section == "table":
        parser.add_argument("--pages", type=int, default=120)
        parser.add_argument("--only", type=rows.keys, default=[])
    if section in ("hostile", "mixed"):
        parser.add_argument("--match", type=lambda value: value.split(","), default=[])
    if section == "mixed":
        parser.add_argument("--hostile", type=pathlib.Path)
    return parser.parse_args(given, argparse.Namespace(section=section))


if __name__ == "__main__":
    sys.exit(main())
