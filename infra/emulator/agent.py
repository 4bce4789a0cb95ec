"""Plays ECS's agent: the emulator takes a task and starts nothing."""

import pathlib
import subprocess
import threading
import time

import boto3


class Agent:
    """Runs the program of each operator task that is started while it is at work, as the agent would: with the command
    and the role that the call named, the task definition's environment, and its output in the stack's log group."""

    def __init__(self, stack: str, log_group: str, programs: pathlib.Path, environment: dict[str, str], folder: pathlib.Path):
        self._cluster, self._log_group, self._programs = stack, log_group, programs
        self._environment, self._folder = environment, folder
        self.tasks: list[dict] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> "Agent":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        ecs = boto3.client("ecs")
        while not self._ended.is_set():
            arns = ecs.list_tasks(cluster=self._cluster, desiredStatus="RUNNING", family=f"{self._cluster}-operator")["taskArns"]
            for task in ecs.describe_tasks(cluster=self._cluster, tasks=arns)["tasks"] if arns else []:
                self.tasks.append(task)
                self._run(task["taskArn"].rpartition("/")[2], task["overrides"]["containerOverrides"][0]["command"])
                # The emulator has no other way to end it, and notes the exit code 0.
                ecs.stop_task(cluster=self._cluster, task=task["taskArn"])
            self._ended.wait(0.3)

    def _run(self, task: str, command: list[str]) -> None:
        ran = subprocess.run(
            [self._programs / command[0], *command[1:]], env=self._environment, cwd=self._folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
        )
        put_log(self._log_group, f"operator/operator/{task}", [*ran.stdout.splitlines(), f"exit code {ran.returncode}"])


def put_log(group: str, stream: str, lines: list[str]) -> None:
    """Writes lines as the driver awslogs does: one event each."""
    logs = boto3.client("logs")
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": line} for line in lines if line]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
