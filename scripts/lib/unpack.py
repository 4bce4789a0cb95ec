"""usage: unpack.py FOLDER SUFFIX OUT

Writes the one member of the one wheel in FOLDER whose name ends with SUFFIX to OUT.
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
        members = [name for name in wheel.namelist() if name.endswith(suffix)]
        if len(members) != 1:
            sys.exit(f"error: {wheels[0].name} has {len(members)} members ending in {suffix}, not one")
        with wheel.open(members[0]) as source, open(out, "wb") as target:
            shutil.copyfileobj(source, target)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
