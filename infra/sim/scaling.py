"""A queue, tasks that start and stop, and a policy that looks at late numbers: what each policy costs and loses.

Time goes in steps of five seconds. A task takes up to so many documents at once; a document takes a random time
(lognormal). CloudWatch's numbers are one minute apart and one minute old. A task that is told to stop has two minutes:
what is finished by then is finished, the rest is killed and waits again at once (as our worker releases it; others wait
for the visibility timeout, which would be worse).
"""

import math
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

STEP = 5
METRIC_PERIOD = 60
METRIC_LAG = 60
TASK_START = 45
GRACE = 110
MEAN_SECONDS = 60
SIGMA = 0.8
HORIZON = 4 * 3600
"""Seconds. What is not finished by then never is."""


class Policy(Protocol):
    """Decides how many tasks there should be."""

    name: str
    protects: bool

    def decide(self, waiting: int, taken: int, desired: int) -> int:
        """Called once a minute with the numbers of a minute ago."""
        ...


@dataclass
class Task:
    ready_at: float
    stops_at: float = math.inf
    work: list[tuple[float, int]] = field(default_factory=list)
    """When each of its documents will be finished, and which it is."""


@dataclass(frozen=True)
class Result:
    """One run."""

    p95: float
    """Seconds from upload to done, over those that were done; infinite when none was."""
    task_hours: float
    killed: int
    """Documents that were stopped in the middle; one may count several times."""
    unfinished: int


def simulate(policy: Policy, documents: int, seed: int, max_tasks: int, at_once: int) -> Result:
    """All documents are uploaded at time 0, to a service without tasks. The same seed gives the same documents."""
    chance = random.Random(seed)
    mean_log = math.log(MEAN_SECONDS) - SIGMA**2 / 2
    durations = [min(chance.lognormvariate(mean_log, SIGMA), 900) for _ in range(documents)]
    queue, tasks, done = deque(range(documents)), [], []
    history: deque[tuple[float, int, int]] = deque([(-METRIC_LAG, 0, 0)])
    desired = killed = 0
    task_seconds = 0.0
    now = 0.0
    idle_since = None
    while now < HORIZON:
        # What is finished, and what its task's end cuts off.
        for task in tasks:
            still = []
            for finish, document in task.work:
                if finish <= min(now, task.stops_at):
                    done.append(finish)
                elif task.stops_at <= now:
                    killed += 1
                    queue.appendleft(document)
                else:
                    still.append((finish, document))
            task.work = still
        tasks = [task for task in tasks if task.stops_at > now and not (task.stops_at < math.inf and not task.work)]
        # What is taken.
        for task in tasks:
            if task.ready_at <= now and task.stops_at == math.inf:
                while queue and len(task.work) < at_once:
                    document = queue.popleft()
                    task.work.append((now + durations[document], document))
        # What the policy sees and decides.
        if now % METRIC_PERIOD == 0:
            history.append((now, len(queue), sum(len(task.work) for task in tasks)))
            while len(history) > 1 and history[1][0] <= now - METRIC_LAG:
                history.popleft()
            _, waiting, taken = history[0]
            desired = max(0, min(max_tasks, policy.decide(waiting, taken, desired)))
        # What ECS does about it.
        alive = [task for task in tasks if task.stops_at == math.inf]
        for _ in range(desired - len(alive)):
            tasks.append(Task(ready_at=now + TASK_START))
        surplus = len(alive) - desired
        if surplus > 0:
            candidates = [task for task in alive if not (policy.protects and task.work)]
            chance.shuffle(candidates)
            for task in candidates[:surplus]:
                task.stops_at = now + (GRACE if task.work else 0)
        task_seconds += STEP * len(tasks)
        # The end: all is done and nothing runs, or nothing will ever happen.
        if len(done) == documents and not tasks:
            break
        idle_since = None if (tasks or desired) else (now if idle_since is None else idle_since)
        if idle_since is not None and now - idle_since > 1800:
            break
        now += STEP
    ordered = sorted(done)
    p95 = ordered[min(len(ordered) - 1, math.ceil(0.95 * len(ordered)) - 1)] if ordered else math.inf
    return Result(p95, task_seconds / 3600, killed, documents - len(done))
