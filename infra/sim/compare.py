"""usage: compare.py [--check]

Plays the template's scaling against the usual policies: bursts of 1, 100 and 10,000 documents into a service without
tasks, several seeds. Prints p95 from upload to done, cost on Fargate, and documents killed; medians over the seeds, but
the worst for what is killed or never done. --check also holds what infra/README.md claims, and fails when it does not.
"""

import math
import pathlib
import statistics
import sys
from dataclasses import dataclass

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "lib"))

import cfn  # noqa: E402
from policies import all_of  # noqa: E402
from scaling import simulate  # noqa: E402

BURSTS = (1, 100, 10_000)
SEEDS = range(1, 6)

# USD an hour in us-east-1, Fargate Linux on ARM, list prices of 3/2026.
VCPU_HOUR, GIB_HOUR = 0.03238, 0.00356


@dataclass(frozen=True)
class Row:
    """One policy and one burst, over the seeds."""

    policy: str
    documents: int
    p95: float
    usd: float
    killed: int
    unfinished: int


def rows(stack: cfn.Resolved) -> list[Row]:
    hour = int(stack.parameters["TaskCpu"]) / 1024 * VCPU_HOUR + int(stack.parameters["TaskMemory"]) / 1024 * GIB_HOUR
    made = []
    for documents in BURSTS:
        for index, policy in enumerate(all_of(stack)):
            results = [
                simulate(all_of(stack)[index], documents, seed, int(stack.parameters["MaxTasks"]), int(stack.parameters["DocumentsAtOnce"]))
                for seed in SEEDS
            ]
            made.append(Row(
                policy.name, documents, statistics.median(one.p95 for one in results),
                hour * statistics.median(one.task_hours for one in results),
                max(one.killed for one in results), max(one.unfinished for one in results),
            ))
    return made


def claims(table: list[Row]) -> list[tuple[str, bool]]:
    """What infra/README.md says about these numbers."""
    def of(name: str, documents: int) -> Row:
        return next(row for row in table if row.policy.startswith(name) and row.documents == documents)

    made = []
    for documents in BURSTS:
        ours = of("OURS", documents)
        others = [row for row in table if row.documents == documents and not row.policy.startswith(("OURS", "ours"))]
        made.append((f"{documents}: ours finishes every document and kills none", (ours.killed, ours.unfinished) == (0, 0)))
        # Two percent apart is the same: a step is five seconds.
        better = [
            row.policy for row in others
            if not row.unfinished and not row.killed and row.p95 < 0.98 * ours.p95 and row.usd < 0.98 * ours.usd
        ]
        made.append((f"{documents}: nobody is both faster and cheaper {better or ''}", not better))
    fast, ours = of("+1/+5/+20 on waiting, protected", 100), of("OURS", 100)
    made.append(("100: the steps are at most a tenth faster, and cost at least twice as much", fast.p95 > 0.9 * ours.p95 and fast.usd > 2 * ours.usd))
    for name in ("CDK", "target tracking, 10 waiting"):
        made.append((f"1: {name} never starts", of(name, 1).unfinished == 1))
    for name in ("+1/+5/+20 on waiting", "ours on waiting only"):
        made.append((f"10000: {name}, without protection, kills documents", of(name, 10_000).killed > 0))
    return made


def shown(table: list[Row]) -> str:
    """The table as infra/README.md has it."""
    head = "".join(f" {documents:,} at once: p95 s | USD | killed | never |" for documents in BURSTS)
    lines = [f"| policy |{head}", "|---|" + "--:|" * (4 * len(BURSTS))]
    for name in dict.fromkeys(row.policy for row in table):
        cells = "".join(
            f" {'–' if math.isinf(row.p95) else f'{row.p95:.0f}'} | {row.usd:.3f} | {row.killed} | {row.unfinished} |"
            for row in table if row.policy == name
        )
        lines.append(f"| {name} |{cells}")
    return "\n".join(lines)


def main(checks: bool) -> None:
    table = rows(cfn.resolve())
    print(shown(table))
    if checks:
        readme = (pathlib.Path(__file__).parent.parent / "README.md").read_text()
        outcome = [*claims(table), ("infra/README.md shows this table", shown(table) in readme)]
        for claim, holds in outcome:
            print(f"{'ok    ' if holds else 'FAILED'}  {claim}")
        sys.exit(not all(holds for _, holds in outcome))


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    main(sys.argv[1:] == ["--check"])
