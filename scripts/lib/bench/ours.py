"""Pagemill itself, in folder mode."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
from typing import Any

from bench.documents import Document, pages_of, staged
from bench.measured import Failed, Usage, run

DPI = 150
JPEG_QUALITY = 85
# Exit codes of `worker local`: everything in place; some documents failed.
DONE, DOCUMENTS_FAILED = 0, 1


def settings(image_format: str) -> dict[str, Any]:
    """Images, text and links; no metadata and no vectors."""
    return {
        "goal": "extraction",
        # What the others do not do: pages without text are drawn and not read.
        "ocr": {"enabled": False},
        "pages": {"format": image_format, "dpi": DPI, "jpeg_quality": JPEG_QUALITY},
    }


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a run left."""

    usage: Usage
    records: dict[str, dict[str, Any]]
    bytes_written: int

    def pages_done(self) -> int:
        """Pages with an image and a text."""
        return sum(pages_done(record) for record in self.records.values())


def pages_done(record: dict[str, Any]) -> int:
    ledger = record.get("ledger", {})
    if record["status"] not in ("done", "partial"):
        return 0
    return int(ledger.get("pages", 0)) - len(ledger.get("failed", {}))


def verdict(record: dict[str, Any]) -> str:
    """How a document ended, in a word or two."""
    if failure := record.get("failure"):
        return str(failure["reason"])
    failed = record.get("ledger", {}).get("failed", {})
    reasons = sorted(set(failed.values()))
    return f"{record['status']}, {len(failed)} pages {'/'.join(reasons)}" if failed else str(record["status"])


@dataclasses.dataclass(frozen=True)
class Worker:
    """The program, and where it finds its libraries."""

    program: pathlib.Path
    runtime: pathlib.Path

    def environment(self, **more: str) -> dict[str, str]:
        return {"PAGEMILL_RUNTIME": str(self.runtime), "RUST_LOG": "error", **more}

    def local(
        self,
        documents: list[Document],
        scratch: pathlib.Path,
        image_format: str,
        limit: float,
        *,
        arguments: tuple[str, ...] = (),
        **environment: str,
    ) -> Outcome:
        """Processes documents from a folder into a folder, which is gone afterwards."""
        source, out = scratch / "in", scratch / "out"
        staged(documents, source)
        shutil.rmtree(out, ignore_errors=True)
        config = scratch / "app_config.json"
        config.write_text(json.dumps(settings(image_format)), encoding="utf-8")
        command = [str(self.program), "local", str(source), "--out", str(out), "--config", str(config), *arguments]
        usage, _ = run(command, scratch, limit, self.environment(**environment), good=(DONE, DOCUMENTS_FAILED))
        records = {}
        for path in sorted((out / "processing" / "records").rglob("*.json")):
            record = json.loads(path.read_text(encoding="utf-8"))
            records[record["source"].removeprefix("source-pdfs/")] = record
        written = sum(path.stat().st_size for path in (out / "pdf_page_images").rglob("*") if path.is_file())
        shutil.rmtree(out)
        shutil.rmtree(source)
        return Outcome(usage, records, written)

    def all_of(
        self,
        documents: list[Document],
        scratch: pathlib.Path,
        image_format: str,
        limit: float,
        *,
        arguments: tuple[str, ...] = (),
        **environment: str,
    ) -> Outcome:
        """The same, and every page must be there at the end."""
        outcome = self.local(documents, scratch, image_format, limit, arguments=arguments, **environment)
        if outcome.pages_done() != pages_of(documents):
            odd = [f"{name}: {verdict(record)}" for name, record in outcome.records.items() if record["status"] != "done"]
            raise Failed(f"{outcome.pages_done()} of {pages_of(documents)} pages were done: {'; '.join(odd)}")
        return outcome
