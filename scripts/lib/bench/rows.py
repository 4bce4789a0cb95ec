"""The rows of the table: who is measured, and how one run of each is made."""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import shutil
import sys
from collections.abc import Callable

from bench import emulated, facts, measured
from bench.documents import Document, pages_of
from bench.measured import Failed, Usage
from bench.place import Place, cores, limit_for

RAW = "raw"


@dataclasses.dataclass(frozen=True)
class Result:
    """One run of one row. `wall` is what counts for throughput, in seconds."""

    usage: Usage
    wall: float
    pages: int
    # CPU seconds a document, where they are known.
    by_document: dict[pathlib.Path, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Row:
    """A contestant."""

    key: str
    title: str
    measure: Callable[[Place, list[Document]], Result]
    # Takes many times as long as ours, and is measured on a part of the documents.
    slow: bool = False
    # Needs the emulator.
    cloud: bool = False
    # Why it can't be measured here, if it can't.
    missing: Callable[[], str | None] = lambda: None
    # Left out unless it is asked for by name.
    extra: bool = False


def raw(processes: int) -> Callable[[Place, list[Document]], Result]:
    def measure(place: Place, documents: list[Document]) -> Result:
        scratch, pages = place.fresh(RAW), pages_of(documents)
        command = [str(place.raw_limit), "--processes", str(processes)]
        command += [str(document.path) for document in documents]
        usage, said = measured.run(command, scratch, limit_for(pages), place.worker.environment())
        report = json.loads(said.splitlines()[-1])
        if report["pages"] != pages or report["failed"]:
            raise Failed(f"{report['pages']} of {pages} pages were done, {report['failed']} failed")
        by_document = {pathlib.Path(name): of["cpu_micros"] / 1e6 for name, of in report["documents"].items()}
        return Result(usage, usage.wall, pages, by_document)

    return measure


def ours_folder(image_format: str) -> Callable[[Place, list[Document]], Result]:
    def measure(place: Place, documents: list[Document]) -> Result:
        pages = pages_of(documents)
        scratch = place.fresh("ours")
        outcome = place.worker.all_of(documents, scratch, image_format, limit_for(pages))
        return Result(outcome.usage, outcome.usage.wall, pages)

    return measure


def ours_cloud(image_format: str) -> Callable[[Place, list[Document]], Result]:
    def measure(place: Place, documents: list[Document]) -> Result:
        assert place.emulator is not None
        pages = pages_of(documents)
        scratch = place.fresh("ours-cloud")
        usage, wall = emulated.process(
            place.worker, place.emulator, documents, scratch, image_format, limit_for(pages)
        )
        return Result(usage, wall, pages)

    return measure


def peer(script: str, *arguments: str, folder: bool = True) -> Callable[[Place, list[Document]], Result]:
    def measure(place: Place, documents: list[Document]) -> Result:
        scratch, pages = place.fresh("peer"), pages_of(documents)
        command = [sys.executable, str(place.library / script), *arguments]
        if folder:
            command += ["--out", str(scratch / "out")]
        command += [str(document.path) for document in documents]
        usage, said = measured.run(command, scratch, limit_for(pages))
        require(said, pages)
        shutil.rmtree(scratch / "out", ignore_errors=True)
        return Result(usage, usage.wall, pages)

    return measure


def peer_cloud(encoder: str) -> Callable[[Place, list[Document]], Result]:
    def measure(place: Place, documents: list[Document]) -> Result:
        assert place.emulator is not None
        scratch, pages = place.fresh("peer"), pages_of(documents)
        with place.emulator.running() as environment:
            s3 = emulated.client(environment, "s3")
            s3.create_bucket(Bucket=emulated.BUCKET)
            names = [f"{number:04}-{document.path.name}" for number, document in enumerate(documents)]
            for name, document in zip(names, documents, strict=True):
                s3.put_object(Bucket=emulated.BUCKET, Key=f"peer-sources/{name}", Body=document.path.read_bytes())
            command = [sys.executable, str(place.library / "python_peer.py"), "--encoder", encoder]
            command += ["--sink", "s3", "--out", emulated.BUCKET, *names]
            usage, said = measured.run(command, scratch, limit_for(pages), environment)
        require(said, pages)
        return Result(usage, usage.wall, pages)

    return measure


def require(said: str, pages: int) -> None:
    """A peer says last how many pages it did."""
    if not said.split() or said.split()[-1] != str(pages):
        raise Failed(f"not all of {pages} pages were done:\n{measured.tail(said)}")


def no_poppler() -> str | None:
    return None if facts.poppler() else "poppler-utils is not installed"


ROWS = [
    Row(RAW, "raw limit: PDFium and libjpeg-turbo, one process, no output", raw(1)),
    Row("raw-all", "raw limit, one process a processor", raw(cores())),
    Row("ours-jpeg", "Pagemill, folder, JPEG", ours_folder("jpeg")),
    Row("ours-png", "Pagemill, folder, PNG", ours_folder("png")),
    Row("ours-webp", "Pagemill, folder, WebP (lossless)", ours_folder("webp"), extra=True),
    Row("ours-s3-jpeg", "Pagemill, S3 and SQS, JPEG", ours_cloud("jpeg"), cloud=True),
    Row("ours-s3-png", "Pagemill, S3 and SQS, PNG", ours_cloud("png"), cloud=True),
    Row(
        "python",
        "best Python: pypdfium2, simplejpeg, no output",
        peer("python_peer.py", "--encoder", "simplejpeg", "--sink", "none", folder=False),
    ),
    Row(
        "python-folder",
        "best Python, into a folder",
        peer("python_peer.py", "--encoder", "simplejpeg", "--sink", "folder"),
    ),
    Row("python-s3", "best Python, S3 by boto3", peer_cloud("simplejpeg"), cloud=True),
    Row("pillow-s3", "pypdfium2, Pillow JPEG, S3 by boto3", peer_cloud("pillow-jpeg"), cloud=True),
    Row(
        "pillow-png",
        "pypdfium2, Pillow PNG by default, into a folder",
        peer("python_peer.py", "--encoder", "pillow-png", "--sink", "folder"),
        slow=True,
    ),
    Row(
        "pdf2image",
        "pdf2image at 200 dpi, PyMuPDF text, into a folder",
        peer("usual_peers.py", "pdf2image"),
        slow=True,
        missing=no_poppler,
    ),
    Row(
        "poppler",
        "pdftoppm -jpeg and pdftotext, into a folder",
        peer("usual_peers.py", "poppler"),
        slow=True,
        missing=no_poppler,
    ),
]


def keys(value: str) -> list[str]:
    """Names of rows, separated by commas."""
    names = value.split(",")
    known = [row.key for row in ROWS]
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"no row {', '.join(unknown)}; there are {' '.join(known)}")
    return names
