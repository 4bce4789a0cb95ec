"""usage: test.py PROGRAMS SAMPLES SCRATCH

Deploys the template to the emulator that AWS_ENDPOINT_URL names, by scripts/deploy; runs the real worker with the
environment that the deployed task definition gives it; and removes it by scripts/destroy. PROGRAMS is the folder of
worker and bulk-trigger, SAMPLES a folder of PDFs.
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import urllib.parse

import boto3
import yaml

HERE = pathlib.Path(__file__).parent
REPOSITORY = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lib")]

import cfn  # noqa: E402
import policy  # noqa: E402
from agent import Agent, put_log  # noqa: E402
from proxy import Recorder  # noqa: E402
from transform import transform  # noqa: E402

STACK = "pagemill-test"
IMAGE = "registry.example.com/pagemill@sha256:" + "0" * 64
DERIVED = ("pdf_page_images/", "extracted_text/", "extracted_links/", "extracted_structure/", "extracted_attachments/",
           "extracted_markdown/", "pdf-metadata/", "extracted_fields/", "processing/records/")

failed = 0


def check(what: str, holds: bool, detail: object = "") -> None:
    global failed
    failed += not holds
    print(f"{'ok    ' if holds else 'FAILED'}  {what}{'' if holds else f': {str(detail)[-3000:]}'}", flush=True)


def script(name: str, *arguments: str, **environment: str) -> tuple[int, str]:
    """Runs one of the scripts; its exit code and everything it printed."""
    ran = subprocess.run(
        [REPOSITORY / "scripts" / name, "--stack", STACK, *arguments],
        env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=240,
    )
    return ran.returncode, ran.stdout


def until(what: str, condition, seconds: float, process: subprocess.Popen | None = None):
    """Waits for the condition; its first true value, or a failed check."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and (process is None or process.poll() is None):
        if value := condition():
            check(what, True)
            return value
        time.sleep(0.3)
    check(what, False, "the program ended" if process and process.poll() is not None else f"not within {seconds:.0f} s")
    return None


class Stack:
    """The deployed stack, asked directly."""

    def __init__(self):
        self.s3, self.sqs = boto3.client("s3"), boto3.client("sqs")
        stack = boto3.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        self.bucket = self.outputs["BucketName"]

    def keys(self, prefix: str = "") -> set[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return {entry["Key"] for page in pages for entry in page.get("Contents", [])}

    def attributes(self, url: str) -> dict[str, str]:
        return self.sqs.get_queue_attributes(QueueUrl=self.outputs[url], AttributeNames=["All"])["Attributes"]

    def messages(self, url: str) -> int:
        return int(self.attributes(url)["ApproximateNumberOfMessages"])

    def record(self, path: str) -> dict:
        with contextlib.suppress(self.s3.exceptions.NoSuchKey):
            return json.loads(self.s3.get_object(Bucket=self.bucket, Key=f"processing/records/{path}.json")["Body"].read())
        return {}

    def statements(self, logical: str) -> list[dict]:
        """What the inline policies of a role allow."""
        resources = boto3.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
        role = next(one["PhysicalResourceId"] for one in resources if one["LogicalResourceId"] == logical)
        iam = boto3.client("iam")
        documents = [
            iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
        ]
        documents = [json.loads(urllib.parse.unquote(one)) if isinstance(one, str) else one for one in documents]
        return [statement for document in documents for statement in document["Statement"]]

    def environment(self, family: str, container: str) -> dict[str, str]:
        """What the deployed task definition gives a container. The emulator loses `Secrets`, so which there are comes
        from the template, and their values from the deployed secrets."""
        definition = boto3.client("ecs").describe_task_definition(taskDefinition=f"{STACK}-{family}")["taskDefinition"]
        given = {one["name"]: str(one["value"]) for one in definition["containerDefinitions"][0]["environment"]}
        task = {"worker": "WorkerTask", "operator": "OperatorTask"}[container]
        secrets = cfn.resolve().properties(task)["ContainerDefinitions"][0]["Secrets"]
        manager = boto3.client("secretsmanager")
        for secret in secrets:
            arn = self.outputs[secret["ValueFrom"].strip("<>") + "Secret"]
            given[secret["Name"]] = manager.get_secret_value(SecretId=arn)["SecretString"]
        return given


def deploys(template: str) -> Stack:
    network = ("NatGateways=none", "InterfaceEndpoints=both-azs")
    code, said = script(
        "deploy", "--template", template, "--yes", "--image", IMAGE, "QdrantUrl=http://qdrant.example.com:6334", *network,
        QDRANT_API_KEY="a-key-from-the-caller",
    )
    check("deploy creates the stack, then adds the worker", code == 0 and said.count("execute-change-set") == 2, said)
    if code:
        sys.exit(1)
    check("deploy does not print the API key", "a-key-from-the-caller" not in said)
    stack = Stack()
    code, said = script("deploy", "--template", template, "--yes", "--image", IMAGE)
    check("deploy again has nothing to change", code == 0 and "nothing to change" in said and "execute" not in said, said)
    code, said = script("deploy", "--template", template, "--yes", "--keep-image", "TaskCpu=4096", "TaskMemory=8192")
    definition = boto3.client("ecs").describe_task_definition(taskDefinition=f"{STACK}-worker")["taskDefinition"]
    check("deploy with a parameter updates the task", code == 0 and definition["cpu"] == "4096", said)
    code, said = script("deploy", "--template", template, "--yes", "--keep-image", "TaskCpv=1")
    check("deploy refuses a parameter that there is not", code != 0 and "TaskCpv" in said, said)
    return stack


def holds_what_was_promised(stack: Stack) -> None:
    queue, dead = stack.attributes("QueueUrl"), stack.attributes("DeadLetterQueueUrl")
    redrive = json.loads(queue["RedrivePolicy"])
    check("the queue moves to the dead letters after 100 receives",
          (redrive["deadLetterTargetArn"], int(redrive["maxReceiveCount"])) == (dead["QueueArn"], 100), redrive)
    check("a message is hidden for 45 minutes", queue["VisibilityTimeout"] == "2700", queue)
    check("the bucket keeps versions", stack.s3.get_bucket_versioning(Bucket=stack.bucket).get("Status") == "Enabled")
    wired = stack.s3.get_bucket_notification_configuration(Bucket=stack.bucket)["QueueConfigurations"]
    check("the bucket notifies the queue of PDFs that come and go", len(wired) == 4, wired)


def works(stack: Stack, programs: pathlib.Path, samples: pathlib.Path, scratch: pathlib.Path) -> None:
    recorder = Recorder(os.environ["AWS_ENDPOINT_URL"])
    given = stack.environment("worker", "worker")
    check("the task definition gives the worker its API key", given.get("QDRANT_API_KEY") == "a-key-from-the-caller", given)
    # There is no Qdrant here; everything else is as on ECS.
    for name in ("QDRANT_URL", "QDRANT_API_KEY"):
        print(f"changed   {name} of the task definition became PAGEMILL_VECTOR_DIR: no Qdrant runs here")
        given.pop(name)
    machine = {name: os.environ[name] for name in ("PATH", "PAGEMILL_RUNTIME", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")}
    run = machine | given | {"AWS_ENDPOINT_URL": recorder.url, "PAGEMILL_VECTOR_DIR": str(scratch / "vectors"), "TMPDIR": str(scratch)}
    container = cfn.resolve().properties("WorkerTask")["ContainerDefinitions"][0]

    log = (scratch / "worker.log").open("w")
    worker = subprocess.Popen([programs / "worker", *container["Command"]], env=run, cwd=scratch, stdout=log, stderr=log)
    try:
        put = {
            "source-pdfs/plain.pdf": "invoice.pdf",
            "source-pdfs/kept.pdf": "invoice.pdf",
            "source-pdfs/reports 2026/a+b ü.PDF": "report.pdf",
            "source-pdfs/locked.pdf": "hostile/encrypted.pdf",
            "source-pdfs/notes.txt": "invoice.pdf",
            "other/plain.pdf": "invoice.pdf",
        }
        for key, sample in put.items():
            stack.s3.upload_file(str(samples / sample), stack.bucket, key)
        for path, status in (("plain.pdf", "done"), ("kept.pdf", "done"), ("reports 2026/a+b ü.PDF", "done"), ("locked.pdf", "failed")):
            until(f"an upload of {path!r} ends as {status}", lambda: stack.record(path).get("status") == status, 120, worker)
        outputs = stack.keys()
        check("every kind of output is in the bucket", all(any(key.startswith(prefix) for key in outputs) for prefix in DERIVED), outputs)
        check("what is no PDF, or not a source, is left alone", len(stack.keys("processing/records/")) == 4, stack.keys("processing/records/"))
        until("the document that can never be processed is a dead letter", lambda: stack.messages("DeadLetterQueueUrl") == 1, 30, worker)
        stack.s3.delete_object(Bucket=stack.bucket, Key="source-pdfs/plain.pdf")
        until("what was derived from a source goes when the source goes",
              lambda: not stack.keys("extracted_text/plain") and not stack.keys("pdf_page_images/plain"), 60, worker)
        health = container["HealthCheck"]["Command"][1:]
        if health[1] in subprocess.run([programs / "worker", "--help"], capture_output=True, text=True).stdout.split():
            ran = subprocess.run([programs / "worker", *health[1:]], env=run, cwd=scratch, capture_output=True, text=True, timeout=30)
            check("the container's health check finds the worker healthy", ran.returncode == 0, ran.stdout + ran.stderr)
        else:
            print("SKIPPED: the container's health check: this worker has no such command")
        worker.terminate()
        check("SIGTERM ends the worker with 0", worker.wait(60) == 0, worker.returncode)
    finally:
        if worker.poll() is None:
            worker.kill()
        log.close()
    if failed:
        print((scratch / "worker.log").read_text()[-3000:])
    tails(stack, (scratch / "worker.log").read_text().splitlines())
    permitted("worker", stack.statements("TaskRole"), recorder.calls, {"ProtectTheTaskWhileItIsBusy", "UseTheKey"})

    operator = Recorder(os.environ["AWS_ENDPOINT_URL"])
    given = stack.environment("operator", "operator")
    run = machine | given | {"AWS_ENDPOINT_URL": operator.url}
    stack.s3.delete_object(Bucket=stack.bucket, Key="processing/pdf_process_history.json")
    with Agent(STACK, stack.outputs["WorkerLogGroup"], programs, run, scratch) as agent:
        for said, arguments in (
            ("would return 1", ["redrive", "--list"]),
            ("sent", ["operate", "bulk-trigger", "send", "--only-new"]),
            ("records say", ["operate", "bulk-trigger", "history", "rebuild"]),
            ("1 field decided", ["operate", "worker", "review", "correct", "kept.pdf", "BT-1", "A-17", "--by", "accounting"]),
            ("returned 1", ["redrive"]),
        ):
            code, shown = script(*arguments)
            check(f"scripts/{' '.join(arguments)} runs the operator's task and shows what it said",
                  code == 0 and said in shown and "exit code 0" in shown, shown)
        check("the operator's tasks have the operator's role", not any(task["overrides"].get("taskRoleArn") for task in agent.tasks), agent.tasks)
        code, shown = script("operate", "--as-worker", "worker", "config")
        check("scripts/operate --as-worker has the worker's role",
              code == 0 and agent.tasks[-1]["overrides"]["taskRoleArn"] == stack.outputs["WorkerRoleArn"], shown)
    check("the dead letter is in the queue again", stack.messages("DeadLetterQueueUrl") == 0 and stack.messages("QueueUrl") > 0)
    permitted("bulk-trigger", stack.statements("OperatorRole"), operator.calls, {"UseTheKey"})
    recorder.close()
    operator.close()


def tails(stack: Stack, log: list[str]) -> None:
    group = stack.outputs["WorkerLogGroup"]
    put_log(group, "worker/worker/first", log)
    code, said = script("tail", "--once")
    check(f"scripts/tail shows what the worker wrote ({len(log)} lines)", code == 0 and set(said.splitlines()) == set(filter(None, log)), said)
    code, said = script("tail", "--once", "--match", "locked.pdf")
    check("scripts/tail --match shows one document", code == 0 and said and all("locked.pdf" in line for line in said.splitlines()), said)
    code, said = script("tail", "--once", "--stack", "another")
    check("scripts/tail says when there is no such stack", code != 0 and "there is no stack another" in said, said)
    following = subprocess.Popen([REPOSITORY / "scripts/tail", "--stack", STACK], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    patience = threading.Timer(60, following.kill)
    patience.start()
    try:
        shown = [following.stdout.readline().rstrip("\n")]
        put_log(group, "worker/worker/second", [later := "a line that came later"])
        while shown[-1] not in ("", later):
            shown.append(following.stdout.readline().rstrip("\n"))
        check("scripts/tail shows lines as they come, each once", shown[-1] == later and len(shown) == len(list(filter(None, log))) + 1, shown[-3:])
        following.send_signal(signal.SIGINT)
        check("Ctrl-C ends it", following.wait() == 130, following.returncode)
    finally:
        patience.cancel()
        following.kill()
        following.wait()


def permitted(who: str, statements: list[dict], calls: set[policy.Call], not_seen: set[str]) -> None:
    """Every call is allowed, and but for those of `not_seen` every statement is needed for one."""
    refused = sorted(str(call) for call in calls if not policy.is_allowed(call, statements))
    check(f"the role allows everything that {who} did ({len({call.action for call in calls})} actions, {len(calls)} calls)",
          bool(calls) and not refused, refused)
    for call in sorted({(call.action, call.resource.split("/")[0]) for call in calls}):
        print(f"          {call[0]:28} {call[1]}")
    for statement in statements:
        rest = [one for one in statements if one is not statement]
        is_needed = any(not policy.is_allowed(call, rest) for call in calls)
        if statement.get("Sid") not in not_seen:
            check(f"without {statement['Sid']}, {who} would be refused", is_needed)


def goes(template: str, bucket: str) -> None:
    s3 = boto3.client("s3")
    exists = lambda: any(one["Name"] == bucket for one in s3.list_buckets()["Buckets"])  # noqa: E731
    code, said = script("destroy", "--confirm", STACK)
    check("destroy refuses while the queue has messages", code != 0 and "--discard-messages" in said, said)
    code, said = script("destroy", "--discard-messages")
    check("destroy refuses without the stack's name", code != 0 and "nothing was removed" in said, said)
    code, said = script("destroy", "--discard-messages", "--confirm", STACK)
    check("destroy removes the stack and keeps the bucket", code == 0 and exists(), said)
    code, said = script("destroy", "--confirm", STACK)
    check("destroy again has nothing to do", code == 0 and "there is no stack" in said, said)
    # The emulator shows the import and then refuses to execute it, so it is planned only.
    code, said = script("deploy", "--template", template, "--plan", "--image", IMAGE, "QdrantUrl=http://qdrant.example.com:6334",
                        "NatGateways=none", "InterfaceEndpoints=both-azs")
    check("deploy --plan shows that the bucket becomes part of the new stack, and changes nothing",
          code == 0 and "  Import   Bucket " in said and "nothing was changed" in said and "execute" not in said, said)
    code, said = script("destroy", "--discard-messages", "--confirm", STACK, "--delete-bucket", "--confirm-bucket", "another")
    check("destroy --delete-bucket refuses another name", code != 0 and exists(), said)
    code, said = script("destroy", "--discard-messages", "--confirm", STACK, "--delete-bucket", "--confirm-bucket", bucket)
    check("destroy --delete-bucket removes every version and the bucket", code == 0 and not exists(), said)


def main(programs: str, samples: str, scratch: str) -> None:
    print("== template, for the emulator")
    made, told = transform(cfn.load())
    print("\n".join(told))
    template = pathlib.Path(scratch) / "template.yaml"
    template.write_text(yaml.safe_dump(made, sort_keys=False))
    print("== create and update")
    stack = deploys(str(template))
    holds_what_was_promised(stack)
    print("== the worker, as the task definition says")
    works(stack, pathlib.Path(programs), pathlib.Path(samples), pathlib.Path(scratch))
    print("== delete")
    goes(str(template), stack.bucket)
    print(f"{failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
