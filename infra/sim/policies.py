"""Our policy, read from the template, and the usual ones."""

import math
from dataclasses import dataclass

import cfn


@dataclass
class Ladder:
    """`Ladder`, `ToZero` and their alarms of infra/template.yaml."""

    name: str
    protects: bool
    stack: cfn.Resolved
    counts_taken: bool = True

    def __post_init__(self):
        work, rest = self.stack.properties("WorkAlarm"), self.stack.properties("NoWorkAlarm")
        self._threshold = work["Threshold"]
        self._rest_threshold, self._rest_periods = rest["Threshold"], rest["EvaluationPeriods"]
        self._steps = self.stack.properties("Ladder")["StepScalingPolicyConfiguration"]["StepAdjustments"]
        self._zero = self.stack.properties("ToZero")["StepScalingPolicyConfiguration"]["StepAdjustments"][0]["ScalingAdjustment"]
        self._rested = 0

    def decide(self, waiting: int, taken: int, desired: int) -> int:
        work = waiting + (taken if self.counts_taken else 0)
        self._rested = self._rested + 1 if work < self._rest_threshold else 0
        if self._rested >= self._rest_periods:
            return self._zero
        if work < self._threshold:
            return desired
        above = work - self._threshold
        return next(
            step["ScalingAdjustment"] for step in self._steps
            if step["MetricIntervalLowerBound"] <= above < step.get("MetricIntervalUpperBound", math.inf)
        )


@dataclass
class QueueProcessingDefaults:
    """The defaults of CDK's QueueProcessingFargateService: steps on what waits; down by one when nothing does."""

    name: str = "CDK QueueProcessing defaults"
    protects: bool = False

    def decide(self, waiting: int, taken: int, desired: int) -> int:
        if waiting == 0:
            return desired - 1
        return desired + (5 if waiting >= 500 else 1 if waiting >= 100 else 0)


@dataclass
class Steps:
    """+1, +5, +20 by what waits; to zero when nothing waited for five minutes."""

    name: str
    protects: bool
    _rested: int = 0

    def decide(self, waiting: int, taken: int, desired: int) -> int:
        self._rested = self._rested + 1 if waiting == 0 else 0
        if self._rested >= 5:
            return 0
        if waiting == 0:
            return desired
        return desired + (20 if waiting >= 100 else 5 if waiting >= 10 else 1)


@dataclass
class TargetTracking:
    """So many documents a task: up after three minutes above, down after fifteen below nine tenths, as the service does."""

    name: str
    protects: bool
    counts_taken: bool
    wakes: bool
    """Whether alarms of its own take it from zero to one and back; target tracking alone can't divide by zero tasks."""
    target: float = 10
    _above: int = 0
    _below: int = 0
    _rested: int = 0

    def decide(self, waiting: int, taken: int, desired: int) -> int:
        work = waiting + (taken if self.counts_taken else 0)
        self._rested = self._rested + 1 if waiting + taken == 0 else 0
        if desired == 0:
            return 1 if self.wakes and work else 0
        if self.wakes and self._rested >= 3:
            return 0
        value = work / desired
        self._above = self._above + 1 if value > self.target else 0
        self._below = self._below + 1 if value < 0.9 * self.target else 0
        if self._above >= 3:
            return math.ceil(work / self.target)
        if self._below >= 15:
            return max(1, math.ceil(work / self.target))
        return desired


def all_of(stack: cfn.Resolved) -> list:
    """Fresh policies: they remember what they saw. Ours is the last of the first group."""
    return [
        QueueProcessingDefaults(),
        Steps("+1/+5/+20 on waiting", protects=False),
        Steps("+1/+5/+20 on waiting, protected", protects=True),
        TargetTracking("target tracking, 10 waiting a task", protects=False, counts_taken=False, wakes=False),
        TargetTracking("target tracking, 10 in all, woken", protects=True, counts_taken=True, wakes=True),
        Ladder("OURS: ladder on all work, protected", True, stack),
        Ladder("ours without protection", False, stack),
        Ladder("ours on waiting only, no protection", False, stack, counts_taken=False),
    ]
