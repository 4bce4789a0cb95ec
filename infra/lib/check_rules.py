"""Runs every rule twice: over the template, where it must find nothing, and over its planted violation, where it must.

Prints a line for each; the exit code is 0 only when all hold.
"""

import sys

import cfn
import rules
import worker_rules  # noqa: F401 # registers its rules


def main() -> None:
    template = cfn.load()
    failed = 0
    for rule in rules.RULES:
        faults, planted = rule.faults(template), rule.planted_faults(template)
        holds = not faults and bool(planted)
        failed += not holds
        print(f"{'ok    ' if holds else 'FAILED'}  {rule.promise}")
        for fault in faults:
            print(f"          {fault}")
        if not planted:
            print("          the planted violation is not found")
    print(f"{len(rules.RULES)} rules, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
