#!/usr/bin/env python3
"""usage: scripts/lib/features.py

Asks cargo what builds with fewer features are made of, and fails when it is not what is said of them:

- each optional part of the worker can be left out, and what is large about it is then not compiled;
- the libraries of the index can be had without engines, models and SDKs;
- whatever the demo compiles of other people's code, a build of the workspace would compile in the same way, so that
  nothing is compiled twice by whoever tries the demo and then works on the project.
"""

import pathlib
import re
import subprocess
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
WORKER = "--package pagemill-worker --no-default-features".split()
ALL_FEATURES = {"cloud", "embedded", "llm", "minilm", "openai", "ppocr", "qdrant"}
HEAVY = {
    ("cloud",): {"aws-config", "aws-sdk-s3", "aws-sdk-sqs", "aws-sdk-secretsmanager", "aws-smithy-http-client"},
    ("embedded",): {"qdrant-edge"},
    ("llm",): {"async-openai"},
    ("minilm", "ppocr"): {"rten"},
    ("qdrant",): {"qdrant-client"},
}
"""What features of the worker bring, and nothing else does."""

INDEX_WITHOUT = {"qdrant-edge", "qdrant-client", "rten", "reqwest", "pdfium-render", "lopdf", "aws-config"}
"""What is not in the smallest pagemill-index."""

MADE_ANEW = {"hyper", "hyper-util", "reqwest", "tokio", "tokio-util", "tower"}
"""Other people's packages that the demo may have with fewer features than the workspace: little of other people's stands on
them, and their missing features would bring HTTP/2 and the debugging of locks."""


def tree(*selection: str) -> dict[str, set[str]]:
    """The packages of a build, each with the sets of features that it is compiled with."""
    command = ["cargo", "tree", "--locked", *selection, "--edges", "normal,build", "--prefix", "none", "--format", "{p} [{f}]"]
    printed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    found: dict[str, set[str]] = {}
    for line in printed.splitlines():
        if line:
            package, features = re.fullmatch(r"(\S+ v\S+).*? \[(.*)\](?: \(\*\))?", line).groups()
            found.setdefault(package, set()).add(features)
    return found


def names(packages: dict[str, set[str]]) -> set[str]:
    return {package.split()[0] for package in packages}


def selections() -> dict[str, list[str]]:
    """Cargo's options for each of the builds in scripts/lib/build.sh, by the names of its arrays."""
    script = "source scripts/lib/build.sh; for name in selection_of_workspace selection_of_demo; do declare -n chosen=$name; echo $name ${chosen[@]}; done"
    printed = subprocess.run(["bash", "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return {words[0]: words[1:] for words in map(str.split, printed.splitlines())}


def faults() -> list[str]:
    found = []
    whole = names(tree(*WORKER, "--features", ",".join(sorted(ALL_FEATURES))))
    for features, heavy in HEAVY.items():
        said = " and ".join(features)
        if gone := heavy - whole:
            found.append(f"{said} do not bring {', '.join(sorted(gone))} any more: correct HEAVY in scripts/lib/features.py")
        others = names(tree(*WORKER, "--features", ",".join(sorted(ALL_FEATURES.difference(features)))))
        if kept := heavy & others:
            found.append(f"a worker without {said} still compiles {', '.join(sorted(kept))}")
    if kept := INDEX_WITHOUT & names(tree("--package", "pagemill-index", "--no-default-features")):
        found.append(f"a pagemill-index without features still compiles {', '.join(sorted(kept))}")
    chosen = selections()
    workspace = tree(*chosen["selection_of_workspace"])
    tests = tree(*chosen["selection_of_workspace"], "--edges", "normal,build,dev")
    for package, features in sorted(workspace.items()):
        for extra in features - tests.get(package, features):
            found.append(
                f"{package}: the programs are compiled with [{extra}], the tests with "
                f"{' or '.join(f'[{one}]' for one in sorted(tests[package]))}: ask for the difference in crates/testkit/Cargo.toml"
            )
    for package, features in sorted(tree(*chosen["selection_of_demo"]).items()):
        name = package.split()[0]
        if name.startswith("pagemill-") or name in MADE_ANEW:
            continue
        for missing in features - workspace.get(package, set()):
            had = " or ".join(f"[{one}]" for one in sorted(workspace.get(package, set()))) or "nothing"
            found.append(
                f"{package}: the demo compiles it with [{missing}], the workspace with {had}: ask for the difference under "
                "`shared` in crates/samples/Cargo.toml, or everything that stands on it is compiled twice"
            )
    return found


def main() -> int:
    if sys.argv[1:]:
        print(__doc__)
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    found = faults()
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
