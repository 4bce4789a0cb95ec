"""usage: findings.py checkov CHECKOV
       findings.py cdk-nag REPORT

Compares what a scanner finds in the template with what is accepted, with a reason, in accepted/<scanner>.txt. A finding
that is not accepted fails, and so does an acceptance that nothing needs any more. CHECKOV is the program, REPORT the
file that cdk-nag/scan.js leaves.
"""

import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent

Findings = dict[tuple[str, str], str]
"""Rule and resource, with what the scanner says."""


def checkov(program: str) -> Findings:
    ran = subprocess.run(
        [program, "--skip-download", "--compact", "--quiet", "--output", "json", "--file", HERE.parent / "template.yaml"],
        capture_output=True, text=True,
    )
    try:
        report = json.loads(ran.stdout)
    except json.JSONDecodeError:
        sys.exit(f"checkov answered no JSON: {ran.stdout[-500:]} {ran.stderr[-500:]}")
    if report["summary"]["passed"] == 0:
        sys.exit("checkov checked nothing")
    return {(one["check_id"], one["resource"].rsplit(".", 1)[1]): one["check_name"] for one in report["results"]["failed_checks"]}


def cdk_nag(report: str) -> Findings:
    plugins = json.loads(pathlib.Path(report).read_text())["pluginReports"]
    return {
        # A rule names the resource of a wildcard in brackets.
        (violation["ruleName"].split("[")[0], construct["constructPath"].rsplit("/", 1)[1]): violation["description"]
        for plugin in plugins if plugin["pluginName"] == "AwsSolutions"
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    }


def main(scanner: str, source: str) -> None:
    lines = (HERE / f"accepted/{scanner}.txt").read_text().splitlines()
    accepted = {tuple(words[:2]): words[2] for words in (line.split(None, 2) for line in lines if line and not line.startswith("#"))}
    found = {"checkov": checkov, "cdk-nag": cdk_nag}[scanner](source)
    for finding in sorted(found):
        state = "accepted" if finding in accepted else "FAILED  "
        print(f"{state}  {finding[0]:18} {finding[1]:30} {accepted.get(finding, found[finding])}")
    for finding in sorted(accepted.keys() - found.keys()):
        print(f"FAILED    {finding[0]:18} {finding[1]:30} is accepted, but is not found any more")
    print(f"{len(found)} found, {len(accepted)} accepted")
    sys.exit(found.keys() != accepted.keys())


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("checkov", "cdk-nag"):
        sys.exit(__doc__)
    main(*sys.argv[1:])
