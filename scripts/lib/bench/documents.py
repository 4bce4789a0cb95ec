"""The documents that are measured."""

from __future__ import annotations

import csv
import dataclasses
import pathlib
import shutil
import subprocess
from collections.abc import Iterable

import pypdfium2


@dataclasses.dataclass(frozen=True)
class Document:
    """A PDF and how many pages PDFium finds in it."""

    path: pathlib.Path
    pages: int


def pages_of(documents: Iterable[Document]) -> int:
    return sum(document.pages for document in documents)


def count(path: pathlib.Path) -> int:
    with pypdfium2.PdfDocument(path) as pdf:
        return len(pdf)


def named(place: pathlib.Path) -> list[Document]:
    """The PDFs of a folder, of a list (one path a line, or a table whose first column is `file`), or one PDF."""
    if place.is_dir():
        paths = sorted(place.rglob("*.pdf"))
    elif place.suffix.lower() == ".pdf":
        paths = [place]
    else:
        with place.open(encoding="utf-8", newline="") as lines:
            rows = [row[0] for row in csv.reader(lines, delimiter="\t") if row]
        paths = [place.parent / row for row in rows if row.lower().endswith(".pdf")]
    found = []
    for path in paths:
        try:
            found.append(Document(path.resolve(), count(path)))
        except (pypdfium2.PdfiumError, OSError) as error:
            print(f"left out: {path}: {error}")
    return found


def generated(make_samples: pathlib.Path, folder: pathlib.Path, pages: int) -> list[Document]:
    """The samples of make-samples, as often under other names as it takes to have so many pages."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([make_samples, folder / "samples"], check=True, stdout=subprocess.DEVNULL)
    samples = named(folder / "samples")
    documents = list(samples)
    turn = 1
    while pages_of(documents) < pages:
        for sample in samples:
            copy = folder / "samples" / f"{sample.path.stem}-{turn}.pdf"
            shutil.copyfile(sample.path, copy)
            documents.append(Document(copy, sample.pages))
        turn += 1
    return documents


def spread(documents: list[Document], pages: int) -> list[Document]:
    """Documents from all over the list, until they have so many pages; all of them when they have fewer."""
    total = pages_of(documents)
    if total <= pages:
        return documents
    chosen: list[Document] = []
    seen = 0
    for document in documents:
        # Whether the share of what was seen asks for one more.
        if pages_of(chosen) < (seen + document.pages) * pages / total - document.pages / 2:
            chosen.append(document)
        seen += document.pages
    return chosen or documents[:1]


def staged(documents: Iterable[Document], folder: pathlib.Path) -> dict[str, Document]:
    """Copies documents into a fresh folder, each under a name of its own; answers them by that name."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names: dict[str, Document] = {}
    for number, document in enumerate(documents):
        name = f"{number:04}-{document.path.name}"
        shutil.copyfile(document.path, folder / name)
        names[name] = document
    return names


def joined(documents: list[Document], pages: int, out: pathlib.Path, first: int = 0) -> Document:
    """One PDF of so many pages: those of the documents in a circle, from the page `first` of it on."""
    sources = [(pypdfium2.PdfDocument(document.path), document.pages) for document in documents]
    circle = [(pdf, index) for pdf, length in sources for index in range(length)]
    joint = pypdfium2.PdfDocument.new()
    taken = 0
    while taken < pages:
        pdf, index = circle[(first + taken) % len(circle)]
        # As many of its pages at once as follow each other: what they share is then in the file once.
        run = min(pages - taken, len(pdf) - index)
        joint.import_pages(pdf, list(range(index, index + run)))
        taken += run
    out.parent.mkdir(parents=True, exist_ok=True)
    joint.save(out)
    joint.close()
    for pdf, _ in sources:
        pdf.close()
    return Document(out, pages)
