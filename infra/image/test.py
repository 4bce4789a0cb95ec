"""usage: test.py IMAGE INSPECTED PUSHED CANARY SAMPLES SCRATCH PROFILE

Looks at an image and runs it. IMAGE is where its files are, INSPECTED what buildah says about it, PUSHED the image as a
registry would hold it (an OCI layout), CANARY a word that must not be in it, SAMPLES a folder of PDFs. With - for
SAMPLES nothing is run. PROFILE is cargo's, of the programs: the size is judged for dist only. AWS_ENDPOINT_URL names
an emulator. The last line is "N passed, N failed, N skipped".
"""

import contextlib
import ctypes
import hashlib
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import time

import size
from container import Container, Image, read_only

CLOUD = pathlib.Path(__file__).parent.parent.parent / "scripts/lib/cloud.py"
USER = 10001
TESSERACT = ("libtesseract5", "liblept5", "libtiff6", "libpng16-16", "libjpeg62-turbo", "libwebp7", "libjbig0")
RUNTIME = {
    "libpdfium.so", "models/minilm-int8.onnx", "models/minilm-tokenizer.json", "models/wordllama.safetensors",
    "models/wordllama-tokenizer.json", "licences/pdfium.txt", "licences/minilm.md", "licences/wordllama.txt",
    "tesseract/eng.traineddata", "tesseract/deu.traineddata", "licences/tessdata.txt",
    "ppocr/PP-OCRv6_det_small.onnx", "ppocr/PP-OCRv6_rec_small.onnx", "licences/ppocr.md", "licences/ppocr.txt",
    *(f"licences/{package}.txt" for package in TESSERACT),
}
TOOLS = ("python3", "pip", "pip3", "gcc", "cc", "cargo", "rustc", "curl", "wget", "make", "git")

passed = failed = skipped = 0


def check(what: str, holds: bool, detail: object = "") -> bool:
    global passed, failed
    passed += bool(holds)
    failed += not holds
    print(f"{'ok    ' if holds else 'FAILED'}  {what}{'' if holds else f': {str(detail)[-3000:]}'}", flush=True)
    return bool(holds)


def skip(what: str, reason: str) -> None:
    global skipped
    skipped += 1
    print(f"SKIPPED: {what}: {reason}", flush=True)


def until(what: str, condition, seconds: float, process: subprocess.Popen) -> object:
    """Waits for the condition while the process runs; its first true value, or a failed check."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if value := condition():
            check(what, True)
            return value
        time.sleep(0.3)
    check(what, False, "the container ended" if process.poll() is not None else f"not within {seconds:.0f} s")
    return None


def everything(root: pathlib.Path):
    """Each file, folder and link of the image, without following links."""
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = pathlib.Path(folder, name)
            yield path, path.lstat()


def fingerprint(root: pathlib.Path) -> str:
    """What changes when anything in the image does."""
    lines = sorted(f"{path} {found.st_mode} {found.st_uid} {found.st_size} {found.st_mtime_ns}" for path, found in everything(root))
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def says_how_to_run(config: dict, inspected: str, canary: str) -> None:
    print("== what the image says")
    check("it runs as a user who is not root", config["User"] == f"{USER}:{USER}", config["User"])
    check("the worker itself is what runs, not a shell", (config["Entrypoint"], config["Cmd"]) == (["/usr/local/bin/worker"], ["run"]), config)
    check("SIGTERM stops it", config.get("StopSignal") == "SIGTERM", config)
    check("/scratch is its only volume, and where it works", (config.get("Volumes"), config["WorkingDir"]) == ({"/scratch": {}}, "/scratch"), config)
    check("its health is asked of the worker", config.get("Healthcheck", {}).get("Test") == ["CMD", "/usr/local/bin/worker", "health"], config)
    names = {one.split("=", 1)[0] for one in config["Env"]}
    check("it sets no variable but those of the Dockerfile", names == {"PATH", "PAGEMILL_RUNTIME", "TMPDIR"}, names)
    check("it carries its revision", config["Labels"]["org.opencontainers.image.revision"] == "tested", config)
    check("keys of the shell that built it are not in its description", canary not in inspected)


def holds_what_belongs(root: pathlib.Path, canary: str) -> None:
    print("== what is in it")
    # Also what is no text: a key could be in a binary.
    found = subprocess.run(["grep", "-rlF", "--devices=skip", canary, root], capture_output=True, text=True).stdout
    check("keys and builds that lay beside the sources are not in it", not found, found)
    runtime = root / "opt/pagemill"
    # The names of Tesseract's libraries differ by architecture and build.
    libraries = {path for path in (runtime / "tesseract").glob("lib*.so*") if path.is_file()}
    check("libpdfium, Tesseract, models and their licences are in it, and nothing else is beside them",
          {str(path.relative_to(runtime)) for path in runtime.rglob("*") if path.is_file() and path not in libraries} == RUNTIME
          and any(path.name.startswith("libtesseract") for path in libraries), list(runtime.rglob("*")))
    programs = {path.name for path in (root / "usr/local/bin").iterdir()}
    check("worker and bulk-trigger are in it", programs == {"worker", "bulk-trigger"}, programs)
    check("libjpeg-turbo is in it", list(root.glob("usr/lib/*/libturbojpeg.so.0")))
    texts = {
        "opt/pagemill/licences/pdfium.txt": "Copyright 2014 The PDFium Authors",
        "opt/pagemill/licences/minilm.md": "license: apache-2.0",
        "opt/pagemill/licences/wordllama.txt": "MIT License",
        "opt/pagemill/licences/tessdata.txt": "Apache License",
        "opt/pagemill/licences/libtesseract5.txt": "Apache",
        "usr/share/doc/pagemill/LICENSE": "Apache License",
        "usr/share/doc/pagemill/crate-licences.txt": "\ntokio ",
        "usr/share/doc/libturbojpeg0/copyright": "libjpeg-turbo",
    }
    missing = [name for name, words in texts.items() if not (root / name).is_file() or words.encode() not in (root / name).read_bytes()]
    check("the licences of all that is passed on are in it", not missing, missing)
    tools = [tool for tool in TOOLS for place in ("bin", "usr/bin", "usr/local/bin") if (root / place / tool).exists()]
    check("it has no tools to build or to fetch with", not tools, tools)
    rests = [place for place in ("setup", "build", "runtime", "programs", "root/.cache", "root/.cargo") if (root / place).exists()]
    rests += list((root / "var/lib/apt/lists").glob("*_*")) + list((root / "var/cache/apt/archives").glob("*.deb"))
    check("nothing is left of the build", not rests, rests)
    scratch = (root / "scratch").stat()
    check("/scratch is its user's, and stays writable when it is a tmpfs", (scratch.st_uid, stat.S_IMODE(scratch.st_mode)) == (USER, 0o1777), scratch)
    owned, writable = [], []
    for path, found in everything(root):
        name = str(path.relative_to(root))
        if found.st_uid == USER or found.st_gid == USER:
            owned.append(name)
        is_writable = found.st_mode & stat.S_IWOTH and not stat.S_ISLNK(found.st_mode) and not stat.S_ISCHR(found.st_mode)
        if is_writable and not found.st_mode & stat.S_ISVTX:
            writable.append(name)
        if name.startswith(("opt/", "usr/local/")) and (found.st_uid, found.st_gid) != (0, 0):
            owned.append(name)
    check("its user owns /scratch and nothing else; programs and runtime are root's", owned == ["scratch"], owned)
    check("nothing can be written by everybody, but for the folders of temporary files", not writable, writable)


def status(pid: int) -> dict[str, str]:
    """What the kernel says about a process."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def faults(found: dict[str, str]) -> list[str]:
    """What a process has that it should not have."""
    bad = [f"{name} {found[name]}" for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") if int(found[name], 16)]
    bad += [f"{name} {found[name]}" for name in ("Uid", "Gid") if set(found[name].split()) != {str(USER)}]
    bad += [f"{name} {found[name]}" for name, wanted in (("NoNewPrivs", "1"), ("Seccomp", "2")) if found[name] != wanted]
    return bad


def has_landlock() -> bool:
    """Whether this kernel has Landlock: what landlock_create_ruleset(2) answers when it is asked for its version."""
    return ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), ctypes.c_uint32(1)) > 0


def runs_alone(image: Image, samples: pathlib.Path, scratch: pathlib.Path) -> None:
    print("== run: one command, nothing around it")
    bundles, sources = scratch / "bundles", scratch / "sources"
    sources.mkdir()
    for sample in samples.glob("*.pdf"):
        shutil.copy(sample, sources)
    code, said = Container(image, bundles, "version").run("worker", "--version")
    check("worker --version", code == 0 and said.startswith("worker "), said)
    places = ("/", "/tmp", "/var/tmp", "/etc", "/opt/pagemill", "/usr/local/bin", "/dev", "/proc/sys/kernel", "/sys")
    tries = "; ".join(f"touch {place}/probe 2>/dev/null && echo {place}" for place in places)
    code, said = Container(image, bundles, "writes").run("/bin/sh", "-c", f"{tries}; touch /scratch/probe && echo ended")
    check("nothing but /scratch can be written", (code, said) == (0, "ended\n"), said)
    code, said = Container(image, bundles, "rights").run("/bin/cat", "/proc/self/status")
    bad = faults({name: value.strip() for name, _, value in (line.partition(":") for line in said.splitlines())})
    check("it has no capability, can gain none, and is filtered", code == 0 and not bad, bad)

    kept = scratch / "kept"
    kept.mkdir()
    os.chown(kept, USER, USER)
    place = {"destination": "/scratch", "type": "bind", "source": str(kept), "options": ["rbind", "rw", "nosuid", "nodev", "noexec"]}
    local = lambda name: Container(image, bundles, name, mounts=[read_only(sources, "/mnt")], scratch=place)  # noqa: E731
    code, said = local("local").run("worker", "local", "/mnt", "--out", "/scratch/out", seconds=300)
    records = [json.loads(path.read_text()) for path in (kept / "out/processing/records").rglob("*.json")]
    wanted = len(list(sources.iterdir()))
    check(f"worker local makes everything of {wanted} PDFs", code == 0 and [one["status"] for one in records] == ["done"] * wanted, said)
    check("a scan is read, with Tesseract of the image", any(one["ledger"].get("ocr") for one in records), said)
    images = [path.read_bytes()[:8] for path in (kept / "out/pdf_page_images").rglob("*.png")]
    check(f"pages are images ({len(images)})", images and set(images) == {b"\x89PNG\r\n\x1a\n"}, images[:3])
    question = "how high was the water in the third quarter?"
    code, said = local("search").run("worker", "search", "--out", "/scratch/out", "--limit", "1", question)
    check("worker search finds the page, with the model of the image", code == 0 and "report.pdf, page 3" in said, said)
    code, said = local("again").run("worker", "local", "/mnt", "--out", "/scratch/out")
    check("worker local again has nothing to do", code == 0 and "(0 processed, " in said, said)


def renderers(container: Container) -> list[int]:
    """The renderer processes of a container."""
    found = []
    for pid in container.processes():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if b"renderer" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1:]:
                found.append(pid)
    return found


def serves(image: Image, samples: pathlib.Path, scratch: pathlib.Path) -> None:
    import boto3

    print("== run: the service, against an AWS emulator")
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    made = subprocess.run([sys.executable, CLOUD, "create", "pagemill-image"], capture_output=True, text=True, check=True).stdout
    given = dict(line.removeprefix("export ").split("=", 1) for line in made.splitlines())
    bucket = given["S3_BUCKET"]
    given |= {name: os.environ[name] for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    given |= {"PAGEMILL_VECTOR_DIR": "/scratch/vectors", "PAGEMILL_DRAIN_SECONDS": "60"}
    service = Container(image, scratch / "bundles", "service", given)
    code, said = Container(image, scratch / "bundles", "doctor", given).run("/usr/local/bin/worker", "doctor")
    check("worker doctor finds nothing that must be mended", code == 0 and "FAIL" not in said, said)
    walls = [line for line in said.splitlines() if line.split()[1:2] == ["sandbox"]]
    missing = [line for line in walls if not line.startswith("ok ")]
    if has_landlock():
        check(f"every layer of the renderers' sandbox is up in the container ({len(walls)})", walls and not missing, said)
    else:
        skip("every layer of the renderers' sandbox is up in the container", "this kernel has no Landlock")

    def records() -> dict[str, str]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="processing/records/")
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return {key: json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())["status"] for key in keys}

    def put(sample: str, name: str) -> None:
        s3.upload_file(str(samples / sample), bucket, f"source-pdfs/{name}")

    log = scratch / "service.log"
    with log.open("w") as output:
        process = subprocess.Popen(service.command(*image.config["Entrypoint"], *image.config["Cmd"]), stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        health = image.config["Healthcheck"]["Test"][1:]
        until("the image's health check finds it healthy", lambda: service.is_running() and service.inside(*health)[0] == 0, 60, process)
        for name in sorted(path.name for path in samples.glob("*.pdf")):
            put(name, name)
        put("hostile/encrypted.pdf", "locked.pdf")
        wanted = len(list(samples.glob("*.pdf"))) + 1
        looked_at: dict[int, dict[str, str]] = {}
        seen = until("renderers are at work", lambda: renderers(service), 60, process) or []
        for pid in service.processes():
            # One may end while it is looked at.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                looked_at[pid] = status(pid)
        bad = [f"{'renderer' if pid in seen else 'worker'}: {fault}" for pid, found in looked_at.items() for fault in faults(found)]
        filters = {pid: int(found["Seccomp_filters"]) for pid, found in looked_at.items()}
        lowest = min(filters.values(), default=0)
        check("renderers have a filter of their own beside the engine's", any(filters.get(pid, 0) > lowest for pid in seen), filters)
        check("no process in the container has a capability, can gain one, or is unfiltered", not bad, bad)
        until(f"{wanted} uploads end", lambda: len([one for one in records().values() if one in ("done", "failed")]) == wanted, 180, process)
        ended = sorted(records().values())
        check("one of them failed, for want of a password; the others are done", ended == ["done"] * (wanted - 1) + ["failed"], ended)
        dead = [pid for pid in service.processes() if status(pid)["State"].startswith("Z")]
        check("as the first process of its container, it leaves no dead ones behind", not dead, dead)

        many = 12
        for number in range(many):
            put("report.pdf", f"many/{number}.pdf")
        until("it is in the middle of more work", lambda: len(records()) > wanted, 60, process)
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(90)
        except subprocess.TimeoutExpired:
            code = "none within 90 s"
        check("SIGTERM in the middle of work ends it with 0", code == 0, code)
        counted = sqs.get_queue_attributes(QueueUrl=given["SQS_QUEUE_URL"], AttributeNames=["All"])["Attributes"]
        left = int(counted["ApproximateNumberOfMessages"]) + int(counted["ApproximateNumberOfMessagesNotVisible"])
        done = len([one for one in records().values() if one == "done"]) - (wanted - 1)
        check(f"what it did not finish is in the queue again ({done} done, {left} waiting)", done + left >= many, counted)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if failed:
        print(log.read_text()[-3000:])


def main(root: str, inspected: str, pushed: str, canary: str, samples: str, scratch: str, profile: str) -> None:
    text = pathlib.Path(inspected).read_text()
    image = Image.load(root, inspected)
    says_how_to_run(image.config, text, canary)
    holds_what_belongs(pathlib.Path(root), canary)
    print("== its size")
    sizes = list(size.report(pathlib.Path(root), json.loads(text), pathlib.Path(pushed)))
    if profile == "dist":
        for what, is_within in sizes:
            check(what, is_within)
    else:
        skip("its size", f"the programs are of the profile {profile}, and dist is what is deployed")
    if samples != "-":
        before = fingerprint(pathlib.Path(root))
        runs_alone(image, pathlib.Path(samples), pathlib.Path(scratch))
        serves(image, pathlib.Path(samples), pathlib.Path(scratch))
        check("all of this left the image as it was", fingerprint(pathlib.Path(root)) == before)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(failed > 0)


if __name__ == "__main__":
    if len(sys.argv) != 8:
        sys.exit(__doc__)
    main(*sys.argv[1:])
