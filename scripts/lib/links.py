#!/usr/bin/env python3
"""Checks that the links of the documents lead somewhere: links.py [--fix]

Every relative link in a Markdown file of the repository must name a file that is there, and an anchor a heading. A link to a
line (`[`name`](file.rs#L12)`) must lead to the line that defines what the link names; --fix moves those that don't. The way of a
document in docs/ARCHITECTURE.md, from the queue to the commit, must open few files.
"""

import re
import subprocess
import sys
from pathlib import Path

LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
WAY = (Path("docs/ARCHITECTURE.md"), "## The same, step by step", 25)
"""A section, and how many source files its links may lead to at most: whoever follows a document through the program opens these."""

FENCE = re.compile(r"^```.*?^```", re.M | re.S)


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    text = re.sub(r"[`*]|\[|\]\([^)]*\)", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def headings(path: Path) -> set[str]:
    text = FENCE.sub("", path.read_text())
    found: dict[str, int] = {}
    anchors = set()
    for line in re.findall(r"^#+ +(.*)$", text, re.M):
        name = slug(line)
        count = found.get(name, 0)
        anchors.add(f"{name}-{count}" if count else name)
        found[name] = count + 1
    return anchors


def defining_lines(path: Path, name: str) -> list[int]:
    word = re.escape(name.split("::")[-1].strip("()"))
    text = path.read_text().splitlines()
    for pattern in [rf"\b(?:fn|struct|enum|trait|const|static|mod|type)\s+{word}\b", rf"^\s*{word}\b\s*[:=({{,]"]:
        lines = [number for number, line in enumerate(text, 1) if re.search(pattern, line)]
        if lines:
            return lines
    return []


def files_of_the_way() -> set[str]:
    document, heading, _ = WAY
    section = re.search(rf"^{heading}\n(.*?)(?=^## )", document.read_text(), re.M | re.S)
    if not section:
        raise SystemExit(f"{document}: no section {heading}: correct WAY in scripts/lib/links.py")
    targets = (target.partition("#")[0] for _, target in LINK.findall(section[1]))
    return {target for target in targets if target.endswith(".rs")}


def main() -> int:
    fix = "--fix" in sys.argv[1:]
    wrong = []
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"], capture_output=True, text=True, check=True)
    for document in map(Path, listed.stdout.split()):
        text = document.read_text()
        changed = text
        for label, target in LINK.findall(FENCE.sub("", text)):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (document.parent / path) if path else document
            if not file.exists():
                wrong.append(f"{document}: {target}: no such file")
                continue
            line = re.fullmatch(r"L(\d+)", anchor)
            name = re.fullmatch(r"`([^`]+)`", label)
            if line and name and not re.search(r"[./]", name[1]):
                lines = defining_lines(file, name[1])
                if int(line[1]) in lines:
                    continue
                if fix and lines:
                    changed = changed.replace(f"[{label}]({target})", f"[{label}]({path}#L{lines[0]})")
                else:
                    wrong.append(f"{document}: {target}: line does not define {name[1]} (lines {lines}); run scripts/lib/links.py --fix")
            elif line:
                # Nothing says what stands there.
                if fix:
                    changed = changed.replace(f"[{label}]({target})", f"[{label}]({path})")
                else:
                    wrong.append(f"{document}: {target}: a link to a line must name what the line defines")
            elif anchor and file.suffix == ".md" and anchor not in headings(file):
                wrong.append(f"{document}: {target}: no such heading")
        if changed != text:
            document.write_text(changed)
    document, heading, most = WAY
    if len(files := files_of_the_way()) > most:
        wrong.append(f"{document}: {heading.strip('# ')}: {len(files)} files, and {most} are enough: a stranger gives up")
    print("\n".join(wrong) if wrong else "all links of the documents lead somewhere")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
