"""Runs every rule twice: over the template or Dockerfile.worker, where it must find nothing, and over its planted violation, where it must.

Prints a line for each; the exit code is 0 only when all hold.
"""

import sys

import cfn
import dockerfile_rules
import rules
import worker_rules  # noqa: F401 # registers its rules


def main() -> None:
    template, dockerfile = cfn.load(), dockerfile_rules.DOCKERFILE.read_text()
    subjects = [(rule, template) for rule in rules.RULES] + [(rule, dockerfile) for rule in dockerfile_rules.RULES]
    failed = 0
    for rule, subject in subjects:
        faults, planted = rule.faults(subject), rule.planted_faults(subject)
        holds = not faults and bool(planted)
        failed += not holds
        print(f"{'ok    ' if holds else 'FAILED'}  {rule.promise}")
        for fault in faults:
            print(f"          {fault}")
        if not planted:
            print("          the planted violation is not found")
    print(f"{len(subjects)} rules, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
