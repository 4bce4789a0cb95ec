"""Pagemill in the cloud that an AWS emulator plays: PUT a source, wait for its record."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3

from bench import measured, ours
from bench.documents import Document, pages_of
from bench.measured import Failed, Usage

RECORDS = "processing/records/"
BUCKET = "pagemill-bench"


@dataclasses.dataclass(frozen=True)
class Emulator:
    """The emulator's program, and what plays the cloud's set-up."""

    program: pathlib.Path
    library: pathlib.Path

    @contextlib.contextmanager
    def running(self) -> Iterator[dict[str, str]]:
        """Starts an emulator with nothing in it; gives what its clients need in their environment."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        endpoint = f"http://127.0.0.1:{port}"
        # Not ours to measure, and in a folder of its own, for it may keep files.
        with tempfile.TemporaryDirectory() as home:
            own = {"BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
            process = subprocess.Popen(
                [self.program],
                env={**os.environ, **own},
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                measured.until("the emulator answers", 60, 0.1, lambda: answers(endpoint))
                yield {
                    "AWS_ENDPOINT_URL": endpoint,
                    "AWS_REGION": "us-east-1",
                    "AWS_DEFAULT_REGION": "us-east-1",
                    "AWS_ACCESS_KEY_ID": "test",
                    "AWS_SECRET_ACCESS_KEY": "test",
                }
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def set_up(self, environment: dict[str, str]) -> dict[str, str]:
        """Bucket, queue, dead-letter queue, notification; answers the variables of a worker."""
        script = [sys.executable, str(self.library / "cloud.py"), "create", BUCKET]
        said = subprocess.run(script, env={**os.environ, **environment}, check=True, capture_output=True, text=True)
        exports = (line.removeprefix("export ").split("=", 1) for line in said.stdout.splitlines())
        return {name: value.strip("'") for name, value in exports}


def answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def client(environment: dict[str, str], service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


class Cloud:
    """An emulator with a worker at its queue."""

    def __init__(
        self, worker: ours.Worker, emulator: Emulator, scratch: pathlib.Path, image_format: str, limit: float
    ) -> None:
        self.worker, self.emulator, self.scratch = worker, emulator, scratch
        self.image_format, self.limit = image_format, limit
        self.stack = contextlib.ExitStack()

    def __enter__(self) -> Cloud:
        with contextlib.ExitStack() as stack:
            environment = stack.enter_context(self.emulator.running())
            variables = self.emulator.set_up(environment)
            self.s3 = client(environment, "s3")
            settings = json.dumps(ours.settings(self.image_format))
            self.s3.put_object(Bucket=BUCKET, Key="config/app_config.json", Body=settings.encode())
            vectors, status = self.scratch / "vectors", self.scratch / "status.json"
            shutil.rmtree(vectors, ignore_errors=True)
            status.unlink(missing_ok=True)
            variables |= self.worker.environment(
                PAGEMILL_VECTOR_DIR=str(vectors),
                PAGEMILL_STATUS_FILE=str(status),
                PAGEMILL_METRICS="off",
                RUST_LOG="error,pagemill_worker=info",
            )
            self.running = stack.enter_context(
                measured.Run(
                    [str(self.worker.program), "run"], self.scratch, self.limit, {**environment, **variables}
                )
            )
            measured.until("the worker is ready", 60, 0.02, lambda: self.is_ready())
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def is_ready(self) -> bool:
        if not self.running.is_running():
            raise Failed(f"the worker ended:\n{measured.tail(self.running.said())}")
        return '"ready"' in self.running.said()

    def put(self, name: str, body: bytes) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=f"source-pdfs/{name}", Body=body)

    def record(self, name: str) -> dict[str, Any] | None:
        """The record of one document, once that has ended."""
        try:
            body = self.s3.get_object(Bucket=BUCKET, Key=f"{RECORDS}{name}.json")["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None
        record = json.loads(body)
        return record if record["status"] in ("done", "partial", "failed") else None

    def wait_for(self, names: list[str], pause: float = 0.5) -> dict[str, dict[str, Any]]:
        """Waits until documents have ended. Asks rarely: the emulator runs on the same processors."""
        ended: dict[str, dict[str, Any]] = {}

        def all_ended() -> bool:
            if not self.running.is_running():
                raise Failed(f"the worker ended:\n{measured.tail(self.running.said())}")
            for name in names:
                if name in ended:
                    continue
                record = self.record(name)
                if record is None:
                    # The others are hardly further: they began later.
                    return False
                ended[name] = record
            return True

        measured.until(f"{len(names)} documents have ended", self.limit, pause, all_ended)
        return ended

    def stop(self) -> Usage:
        return self.running.stop()


def moment(timestamp: str) -> float:
    """A time of a record (RFC 3339) in seconds since 1970."""
    # Python 3.10 reads neither `Z` nor nanoseconds.
    whole, _, rest = timestamp.removesuffix("Z").partition(".")
    seconds = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.timezone.utc).timestamp()
    return seconds + float(f"0.{rest or 0}")


def process(
    worker: ours.Worker,
    emulator: Emulator,
    documents: list[Document],
    scratch: pathlib.Path,
    image_format: str,
    limit: float,
) -> tuple[Usage, float]:
    """PUTs all documents to a waiting worker; answers its usage and the seconds from the first PUT to the last commit."""
    with Cloud(worker, emulator, scratch, image_format, limit) as cloud:
        begun = datetime.datetime.now(datetime.timezone.utc).timestamp()
        names = [f"{number:04}-{document.path.name}" for number, document in enumerate(documents)]
        for name, document in zip(names, documents, strict=True):
            cloud.put(name, document.path.read_bytes())
        records = cloud.wait_for(names)
        usage = cloud.stop()
    done = sum(ours.pages_done(record) for record in records.values())
    if done != pages_of(documents):
        raise Failed(f"{done} of {pages_of(documents)} pages were done")
    ended = max(moment(record["updated_at"]) for record in records.values())
    return usage, ended - begun
