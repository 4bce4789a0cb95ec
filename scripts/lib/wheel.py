"""usage: wheel.py VERSION PROGRAMS OUT

Writes OUT/pagemill-VERSION-py3-none-PLATFORM.whl: the programs of the folder PROGRAMS, and `pagemill-setup` with what it
needs. Prints its path.

A wheel is a zip file with a list of its members. maturin, which makes wheels of Rust programs, takes the programs of one
package; these are of two, and compiled already.
"""

import base64
import hashlib
import pathlib
import platform
import stat
import sys
import zipfile

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ("worker", "bulk-trigger")
SETUP = """#!/bin/sh
# Brings libpdfium and the models into .pagemill of the current folder, where the worker looks for them, or into
# $PAGEMILL_RUNTIME. The pip of this environment fetches them.
here=$(cd "$(dirname "$0")" && pwd)
PATH=$here:$PATH PAGEMILL_RUNTIME=${PAGEMILL_RUNTIME:-$PWD/.pagemill} exec bash "$here/../share/pagemill/scripts/setup" "$@"
"""


def members(version: str, programs: pathlib.Path) -> dict[str, bytes]:
    """All files but the list of them, by their names in the wheel."""
    data, info = f"pagemill-{version}.data", f"pagemill-{version}.dist-info"
    made = {f"{data}/scripts/{name}": (programs / name).read_bytes() for name in PROGRAMS}
    made[f"{data}/scripts/pagemill-setup"] = SETUP.encode()
    for name in ("scripts/setup", "scripts/lib/unpack.py"):
        made[f"{data}/data/share/pagemill/{name}"] = (REPOSITORY / name).read_bytes()
    made[f"{info}/licenses/LICENSE"] = (REPOSITORY / "LICENSE").read_bytes()
    made[f"{info}/licenses/crate-licences.txt"] = (programs / "crate-licences.txt").read_bytes()
    made[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.4\nName: pagemill\nVersion: {version}\nSummary: PDFs become page images, text, links, metadata and vectors\n"
        "License-Expression: Apache-2.0\nLicense-File: LICENSE\nLicense-File: crate-licences.txt\nRequires-Python: >=3.9\n"
    ).encode()
    made[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: pagemill\nRoot-Is-Purelib: false\nTag: py3-none-linux_{platform.machine()}\n"
    ).encode()
    return made


def write(path: pathlib.Path, version: str, contents: dict[str, bytes]) -> None:
    record = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            # pip makes a program only of what says that it is a regular file.
            entry.external_attr = (stat.S_IFREG | (0o755 if "/scripts/" in name else 0o644)) << 16
            # The first level: programs shrink little more at the others, and take many times as long.
            wheel.writestr(entry, content, compresslevel=1)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{name},sha256={digest},{len(content)}")
        own = f"pagemill-{version}.dist-info/RECORD"
        wheel.writestr(zipfile.ZipInfo(own, (2020, 1, 1, 0, 0, 0)), "\n".join([*record, f"{own},,", ""]))


def main(version: str, programs: str, out: str) -> None:
    folder = pathlib.Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"pagemill-{version}-py3-none-linux_{platform.machine()}.whl"
    write(path, version, members(version, pathlib.Path(programs)))
    print(path)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
