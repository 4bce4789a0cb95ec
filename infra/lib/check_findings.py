"""Runs checkov over the template; every finding is accepted with a reason, and every acceptance still needed."""

import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent


def main() -> None:
    lines = (HERE / "checkov-accepted.txt").read_text().splitlines()
    accepted = {tuple(line.split(None, 2)[:2]): line.split(None, 2)[2] for line in lines if line and not line.startswith("#")}
    ran = subprocess.run(
        [pathlib.Path(sys.executable).parent / "checkov", "--skip-download", "--compact", "--quiet", "--output", "json",
         "--file", HERE.parent / "template.yaml"],
        capture_output=True, text=True,
    )
    try:
        report = json.loads(ran.stdout)
    except json.JSONDecodeError:
        sys.exit(f"checkov answered no JSON: {ran.stdout[-500:]} {ran.stderr[-500:]}")
    summary = report["summary"]
    found = {(one["check_id"], one["resource"].rsplit(".", 1)[1]): one["check_name"] for one in report["results"]["failed_checks"]}
    for finding in sorted(found):
        print(f"{'accepted' if finding in accepted else 'FAILED  '}  {finding[0]:12} {finding[1]:12} {accepted.get(finding, found[finding])}")
    for finding in sorted(accepted.keys() - found.keys()):
        print(f"FAILED    {finding[0]:12} {finding[1]:12} is accepted, but checkov does not find it any more")
    print(f"{summary['passed']} passed, {len(found)} found, {len(accepted)} accepted")
    sys.exit(summary["passed"] == 0 or found.keys() != accepted.keys())


if __name__ == "__main__":
    main()
