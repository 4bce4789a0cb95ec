"""What an image's bytes are."""

import json
import pathlib
import re

MB = 1_000_000

PARTS = {
    "worker": ("usr/local/bin/worker",),
    "bulk-trigger": ("usr/local/bin/bulk-trigger",),
    "libpdfium": ("opt/pagemill/libpdfium.so",),
    "MiniLM": ("opt/pagemill/models/minilm-*",),
    "wordllama": ("opt/pagemill/models/wordllama*",),
    "Tesseract": ("opt/pagemill/tesseract/*",),
    "PP-OCR": ("opt/pagemill/ppocr/*",),
    "licences": ("opt/pagemill/licences/*", "usr/share/doc/pagemill/*"),
}
"""What Pagemill adds to its base."""

MOST_MB = {"worker": 125, "bulk-trigger": 32, "libpdfium": 10, "MiniLM": 25, "wordllama": 20, "Tesseract": 42, "PP-OCR": 33, "licences": 4, "packages": 15, "unpacked": 372, "to be pulled": 180}
"""More than this is a surprise, which somebody should see: then the cause is found, or the bound raised with its reason."""


def report(root: pathlib.Path, inspected: dict, pushed: pathlib.Path):
    """Prints the image by layer and by part; yields what each may be at most, and whether it is."""
    layers = _layers(inspected, pushed)
    print(f"          {'unpacked':>9} {'pulled':>9}   layer, in MB")
    for unpacked, pulled, made_by in layers:
        print(f"          {unpacked / MB:9.1f} {pulled / MB:9.1f}   {made_by}")
    sizes = {name: sum(path.stat().st_size for pattern in patterns for path in root.glob(pattern)) for name, patterns in PARTS.items()}
    sizes["packages"] = sum(layer[0] for layer in layers if "apt-get install" in layer[2])
    sizes["unpacked"] = sum(layer[0] for layer in layers)
    sizes["to be pulled"] = sum(layer[1] for layer in layers)
    for name, most in MOST_MB.items():
        yield f"{name}: {sizes[name] / MB:.1f} MB, at most {most}", 0 < sizes[name] <= most * MB


def _layers(inspected: dict, pushed: pathlib.Path) -> list[tuple[int, int, str]]:
    """Bytes unpacked, bytes compressed, and the instruction of each layer that has any."""
    blob = lambda digest: json.loads((pushed / "blobs" / digest.replace(":", "/")).read_text())  # noqa: E731
    compressed = [layer["size"] for layer in blob(json.loads((pushed / "index.json").read_text())["manifests"][0]["digest"])["layers"]]
    unpacked = [layer["size"] for layer in json.loads(inspected["Manifest"])["layers"]]
    instructions = [step.get("created_by", "") for step in inspected["OCIv1"]["history"] if not step.get("empty_layer")]
    return list(zip(unpacked, compressed, map(_told, instructions), strict=True))


def _told(instruction: str) -> str:
    """An instruction without what is the same everywhere."""
    text = re.sub(r"/bin/sh -c|#\(nop\)|--mount=\S+|(dir|file):[0-9a-f]+", "", instruction)
    text = " ".join(text.split()).removeprefix("apt-get update && ")
    return "the base" if text in ("", "bash", "/bin/sh") else text[:80]
