"""Contestants as they are found in most projects: pdf2image with PyMuPDF, and poppler's own programs.

    python usual_peers.py pdf2image|poppler --out FOLDER FILE ...
"""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import os
import pathlib
import subprocess

POPPLER_DPI, QUALITY = 150, 85
PDF2IMAGE_DPI = 200  # its default


def pdf2image(out: str, source: str) -> int:
    import pdf2image
    import pymupdf

    folder = pathlib.Path(out, pathlib.Path(source).name)
    folder.mkdir(parents=True)
    images = pdf2image.convert_from_path(source, dpi=PDF2IMAGE_DPI)
    for number, image in enumerate(images, 1):
        image.save(folder / f"page-{number:05}.png")
    with pymupdf.open(source) as pdf:
        for number, page in enumerate(pdf, 1):
            (folder / f"page-{number:05}.txt").write_text(page.get_text(), encoding="utf-8")
            (folder / f"page-{number:05}.links").write_text(repr(page.get_links()), encoding="utf-8")
    return len(images)


def poppler(out: str, source: str) -> int:
    folder = pathlib.Path(out, pathlib.Path(source).name)
    folder.mkdir(parents=True)
    jpeg = ["-jpeg", "-jpegopt", f"quality={QUALITY}"]
    subprocess.run(["pdftoppm", "-q", "-r", str(POPPLER_DPI), *jpeg, source, folder / "page"], check=True)
    subprocess.run(["pdftotext", "-q", source, folder / "text.txt"], check=True)
    return len(list(folder.glob("page*")))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=("pdf2image", "poppler"))
    parser.add_argument("--out", required=True)
    parser.add_argument("sources", nargs="+")
    arguments = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    if arguments.peer == "poppler":
        # The work is in processes of its own already.
        with concurrent.futures.ThreadPoolExecutor(cores) as pool:
            print(sum(pool.map(functools.partial(poppler, arguments.out), arguments.sources)))
        return
    with concurrent.futures.ProcessPoolExecutor(cores) as pool:
        print(sum(pool.map(functools.partial(pdf2image, arguments.out), arguments.sources)))


if __name__ == "__main__":
    main()
