"""Where the project's programs are, for scripts that measure them."""

import os
import pathlib
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent


def worker(named: str | None) -> str | None:
    """The worker that was named, or else the one of target/release or target/debug; none where nothing was built."""
    if named:
        return named
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    for profile in ("release", "debug"):
        if (path := target / profile / "worker").is_file():
            return str(path)
    return None


def needed_worker(named: str | None) -> str:
    """The same; ends the script where there is none."""
    return worker(named) or sys.exit("no worker is built: cargo build --release --bins, or name one with --worker")
