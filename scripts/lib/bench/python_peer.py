"""A contestant: Python as one would write it for speed, with processes on all cores.

    python python_peer.py --encoder simplejpeg|pillow-jpeg|pillow-png --sink none|folder|s3 --out PLACE FILE ...

Each page is loaded once for its image, its text and its links. With `s3`, the sources are read from the bucket too.
"""

from __future__ import annotations

import argparse
import ctypes
import io
import json
import multiprocessing
import os
import pathlib
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium_c

DPI = 150
QUALITY = 85
SUFFIX = {"simplejpeg": "jpg", "pillow-jpeg": "jpg", "pillow-png": "png"}


def links(pdf: pypdfium2.PdfDocument, page: pypdfium2.PdfPage) -> list[dict[str, Any]]:
    found = []
    position, link = ctypes.c_int(0), pdfium_c.FPDF_LINK()
    while pdfium_c.FPDFLink_Enumerate(page, position, link):
        rectangle = pdfium_c.FS_RECTF()
        pdfium_c.FPDFLink_GetAnnotRect(link, rectangle)
        action = pdfium_c.FPDFLink_GetAction(link)
        target: str | int | None = None
        if action:
            room = ctypes.create_string_buffer(2048)
            pdfium_c.FPDFAction_GetURIPath(pdf, action, room, len(room))
            target = room.value.decode("utf-8", "replace")
        else:
            destination = pdfium_c.FPDFLink_GetDest(pdf, link)
            target = pdfium_c.FPDFDest_GetDestPageIndex(pdf, destination) if destination else None
        box = [rectangle.left, rectangle.top, rectangle.right, rectangle.bottom]
        found.append({"target": target, "box": box})
    return found


def encode(page: pypdfium2.PdfPage, encoder: str) -> bytes:
    if encoder == "simplejpeg":
        import simplejpeg

        bitmap = page.render(scale=DPI / 72, prefer_bgrx=True, may_draw_forms=False)
        pixels = bitmap.to_numpy()
        colours = "BGRX" if pixels.shape[2] == 4 else "BGR"
        return simplejpeg.encode_jpeg(pixels, quality=QUALITY, colorspace=colours, colorsubsampling="420")
    image = page.render(scale=DPI / 72, may_draw_forms=False).to_pil()
    file = io.BytesIO()
    if encoder == "pillow-jpeg":
        image.convert("RGB").save(file, "JPEG", quality=QUALITY)
    else:
        image.save(file, "PNG")
    return file.getvalue()


class Sink:
    """Where outputs go."""

    def __init__(self, kind: str, out: str) -> None:
        self.kind, self.out = kind, out
        if kind == "s3":
            import boto3

            self.s3 = boto3.client("s3")

    def read(self, source: str) -> Any:
        if self.kind == "s3":
            return self.s3.get_object(Bucket=self.out, Key=f"peer-sources/{source}")["Body"].read()
        return source

    def write(self, key: str, body: bytes) -> None:
        if self.kind == "folder":
            path = pathlib.Path(self.out, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        elif self.kind == "s3":
            self.s3.put_object(Bucket=self.out, Key=f"peer/{key}", Body=body)


SINK: Sink
ENCODER: str


def begin(kind: str, out: str, encoder: str) -> None:
    global SINK, ENCODER
    SINK, ENCODER = Sink(kind, out), encoder


def process(source: str) -> int:
    pdf = pypdfium2.PdfDocument(SINK.read(source))
    name = pathlib.Path(source).name
    pages = []
    for number in range(len(pdf)):
        page = pdf[number]
        SINK.write(f"{name}/page-{number + 1:05}.{SUFFIX[ENCODER]}", encode(page, ENCODER))
        text_page = page.get_textpage()
        pages.append({"page": number + 1, "text": text_page.get_text_range(), "links": links(pdf, page)})
        text_page.close()
        page.close()
    pdf.close()
    SINK.write(f"{name}.json", json.dumps({"pages": pages}).encode())
    return len(pages)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--encoder", choices=sorted(SUFFIX), required=True)
    parser.add_argument("--sink", choices=("none", "folder", "s3"), required=True)
    parser.add_argument("--out", default="")
    parser.add_argument("sources", nargs="+")
    arguments = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    with multiprocessing.Pool(cores, begin, (arguments.sink, arguments.out, arguments.encoder)) as pool:
        print(sum(pool.imap_unordered(process, arguments.sources)))
        pool.close()
        pool.join()


if __name__ == "__main__":
    main()
