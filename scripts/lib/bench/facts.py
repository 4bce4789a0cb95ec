"""The machine and the versions that numbers belong to."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import pathlib
import platform
import shutil
import subprocess

from bench.place import Place, cores

PEERS = ("pypdfium2", "simplejpeg", "pillow", "boto3", "pdf2image", "PyMuPDF")


def processor() -> str:
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "processor unknown"


def load() -> str:
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def poppler() -> str | None:
    """The version of poppler's programs, when they are there."""
    if not shutil.which("pdftoppm") or not shutil.which("pdftotext"):
        return None
    said = subprocess.run(["pdftoppm", "-v"], capture_output=True, text=True, check=False).stderr
    return said.splitlines()[0].rpartition(" ")[2] if said else "unknown"


def hashed(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.is_file() else "not there"


def lines(place: Place) -> list[str]:
    """What to print below a table."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    runtime = place.worker.runtime
    turbo = runtime / "libturbojpeg.so.0"
    version = subprocess.run([place.worker.program, "--version"], capture_output=True, text=True, check=False)
    peers = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PEERS)
    return [
        f"machine: {cores()} processors ({processor()}), {memory:.0f} GiB, Linux {platform.release()}; "
        f"load now {load()}; files in {place.scratch.parent}",
        f"ours: {version.stdout.strip()}, profile {place.profile}; libpdfium {hashed(runtime / 'libpdfium.so')}, "
        f"libturbojpeg {hashed(turbo) if turbo.is_file() else 'of the system'}",
        f"peers: Python {platform.python_version()}, {peers}, poppler {poppler() or 'not there'}",
    ]
