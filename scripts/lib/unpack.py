"""usage: unpack.py FOLDER SUFFIX OUT

Writes the one member of the one wheel in FOLDER whose name ends with SUFFIX to OUT. With a SUFFIX that ends with a
slash, everything that is in folders of that name becomes one text, each member under its name.
"""

import pathlib
import shutil
import sys
import zipfile


def main(folder: str, suffix: str, out: str) -> None:
    wheels = sorted(pathlib.Path(folder).glob("*.whl"))
    if len(wheels) != 1:
        sys.exit(f"error: {folder} holds {len(wheels)} wheels, not one")
    with zipfile.ZipFile(wheels[0]) as wheel:
        if suffix.endswith("/"):
            join(wheel, suffix, out)
            return
        members = [name for name in wheel.namelist() if name.endswith(suffix)]
        if len(members) != 1:
            sys.exit(f"error: {wheels[0].name} has {len(members)} members ending in {suffix}, not one")
        with wheel.open(members[0]) as source, open(out, "wb") as target:
            shutil.copyfileobj(source, target)


def join(wheel: zipfile.ZipFile, within: str, out: str) -> None:
    members = sorted(name for name in wheel.namelist() if within in name and not name.endswith("/"))
    if not members:
        sys.exit(f"error: nothing of {wheel.filename} is in {within}")
    with open(out, "wb") as target:
        for member in members:
            target.write(f"==== {member.rpartition(within)[2]}\n\n".encode())
            target.write(wheel.read(member).rstrip() + b"\n\n")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
