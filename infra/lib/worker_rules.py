"""Rules between the template and the worker's source: its variables, and the calls that it makes."""

import json
import pathlib
import re

import cfn
from policy import as_list
from rules import EVERYTHING, Faults, add_statement, drop, put, role_statements, rule

REPOSITORY = pathlib.Path(__file__).parent.parent.parent

NOT_SET = {
    "QDRANT_API_KEY_SECRET_ARN": "ECS gives the key itself, so that the worker's role needs no access to the secret",
    "LLM_API_KEY_SECRET_ARN": "the same",
    "PAGEMILL_VECTOR_DIR": "a task has no disk that outlives it",
    "PAGEMILL_RUNTIME": "the image sets it",
    "ECS_AGENT_URI": "ECS sets it",
    "PAGEMILL_STATUS_FILE": "in /scratch, which is the default",
    "PAGEMILL_STATUS_SECONDS": "the default; the health check's interval goes with it",
    "PAGEMILL_METRICS": "on, which is the default",
    "PAGEMILL_LEASE_SECONDS": "the default; the queue's own timeout is not it",
    "PAGEMILL_CHILDREN": "as many as the task has processors, which is the default",
}
"""Variables that the worker reads and the template leaves alone, and why."""

TABLE = re.compile(r"^\| `(?P<name>[A-Z0-9_]+)` \| (?P<default>.*?) \|", re.MULTILINE)


def variables() -> dict[str, bool]:
    """What the worker reads, and which of it is secret: docs/CONFIGURATION.md, which is made from the code."""
    text = (REPOSITORY / "docs/CONFIGURATION.md").read_text()
    return {found["name"]: found["default"].startswith("(secret)") for found in TABLE.finditer(text)}


@rule("every variable that the template sets is one that the worker reads",
      put("WorkerTask", "ContainerDefinitions", 0, "Environment", 0, "Name", value="S3_BUKET"))
def _(template: dict) -> Faults:
    stack = cfn.resolve(template, **EVERYTHING)
    known = variables()
    for task in ("WorkerTask", "OperatorTask"):
        container = stack.properties(task)["ContainerDefinitions"][0]
        for kind, is_secret in (("Environment", False), ("Secrets", True)):
            for one in container[kind]:
                if known.get(one["Name"]) is not is_secret:
                    yield f"{task}: {one['Name']} is no {'secret' if is_secret else 'variable'} of the worker"


@rule("every variable that the worker reads is set, or left alone for a reason", drop("WorkerTask", "ContainerDefinitions", 0, "Environment", 2))
def _(template: dict) -> Faults:
    container = cfn.resolve(template, **EVERYTHING).properties("WorkerTask")["ContainerDefinitions"][0]
    given = {one["Name"] for kind in ("Environment", "Secrets") for one in container[kind]}
    known = variables()
    for name in known:
        if name not in given and name not in NOT_SET:
            yield f"{name} is not set: set it, or say why in NOT_SET"
    for name in NOT_SET:
        if name in given or name not in known:
            yield f"{name} is in NOT_SET for nothing"


@rule("a person's commands have the worker's environment", drop("OperatorTask", "ContainerDefinitions", 0, "Environment", 4))
def _(template: dict) -> Faults:
    for parameters in ({}, EVERYTHING):
        stack = cfn.resolve(template, **parameters)
        worker, operator = (stack.properties(task)["ContainerDefinitions"][0] for task in ("WorkerTask", "OperatorTask"))
        for kind in ("Environment", "Secrets"):
            if worker[kind] != operator[kind]:
                yield f"{parameters}: {kind} differs"


SDK_CALLS = {
    "get_object": {"s3:GetObject", "s3:GetObjectVersion"},
    "head_object": {"s3:GetObject", "s3:GetObjectVersion"},
    "head_bucket": {"s3:ListBucket"},
    "list_objects_v2": {"s3:ListBucket"},
    "put_object": {"s3:PutObject"},
    "create_multipart_upload": {"s3:PutObject"},
    "upload_part": {"s3:PutObject"},
    "complete_multipart_upload": {"s3:PutObject"},
    "abort_multipart_upload": {"s3:AbortMultipartUpload"},
    "delete_object": {"s3:DeleteObject"},
    "delete_objects": {"s3:DeleteObject"},
    "receive_message": {"sqs:ReceiveMessage"},
    "delete_message": {"sqs:DeleteMessage"},
    "change_message_visibility": {"sqs:ChangeMessageVisibility"},
    "send_message_batch": {"sqs:SendMessage"},
    "get_queue_attributes": {"sqs:GetQueueAttributes"},
    "get_queue_url": {"sqs:GetQueueUrl"},
}
"""Calls of the AWS SDK in the source, and the actions that they need."""

ELSEWHERE = {
    "get_secret_value": "only for *_SECRET_ARN, which the template does not set",
    "get_bucket_versioning": "worker doctor asks, and skips what it may not ask",
    "get_bucket_notification_configuration": "worker doctor asks, and skips what it may not ask",
    "list_object_versions": "worker doctor takes its probe away by it, and the lifecycle does otherwise",
}
"""Calls in the source that the deployed worker never makes, and why."""

WITHOUT_A_CALL = {
    "ecs:GetTaskProtection": "through the ECS agent, not the SDK",
    "ecs:UpdateTaskProtection": "through the ECS agent, not the SDK",
    "kms:Decrypt": "by S3 and SQS, for the worker",
    "kms:GenerateDataKey": "by S3 and SQS, for the worker",
}
"""Actions of the worker's role that no call in the source needs directly, and why."""

SDK_CALL = re.compile(r"\bclient(?:\(\))?\s*\.\s*([a-z_0-9]+)\(\)")


def calls_in_source() -> set[str]:
    found = set()
    for folder in ("worker/src", "crates/storage/src", "crates/queue/src", "crates/pipeline/src"):
        for path in (REPOSITORY / folder).rglob("*.rs"):
            if "aws_" in (text := path.read_text()) or "client" in text:
                found |= set(SDK_CALL.findall(text))
    return found - {"clone", "config", "as_ref"}


@rule("the worker's role allows every call of the AWS SDK in the source, and nothing else",
      add_statement("TaskRole", {"Effect": "Allow", "Action": "s3:PutObjectAcl", "Resource": "arn:aws:s3:::x/y"}))
def _(template: dict) -> Faults:
    allowed = {
        action for role, statement in role_statements(cfn.resolve(template, **EVERYTHING)) if role == "TaskRole"
        for action in as_list(statement["Action"])
    }
    needed = set(WITHOUT_A_CALL)
    for call in sorted(calls_in_source()):
        if call in ELSEWHERE:
            continue
        if call not in SDK_CALLS:
            yield f"{call} is new: say in SDK_CALLS which actions it needs"
        needed |= SDK_CALLS.get(call, set())
    for action in sorted(needed - allowed):
        yield f"{action} is needed and not allowed"
    for action in sorted(allowed - needed):
        yield f"{action} is allowed and not needed"


@rule("the template's own metrics are ones that the worker writes", put("DependencyAlarm", "MetricName", value="BreakersOpen"))
def _(template: dict) -> Faults:
    stack = cfn.resolve(template)
    documented = set(re.findall(r"^\| `(\w+)` \|", (REPOSITORY / "docs/METRICS.md").read_text(), re.MULTILINE))
    environment = stack.properties("WorkerTask")["ContainerDefinitions"][0]["Environment"]
    namespace = next(one["Value"] for one in environment if one["Name"] == "PAGEMILL_METRICS_NAMESPACE")
    named = [(name, one["MetricName"]) for name, one in stack.of_type("AWS::CloudWatch::Alarm").items() if one.get("Namespace") == namespace]
    used = named + [
        ("Dashboard", name)
        for widget in json.loads(stack.properties("Dashboard")["DashboardBody"])["widgets"]
        if namespace in (text := json.dumps(widget))
        for name in re.findall(r'"[^"]*", "([A-Z][A-Za-z]+)"', text) + re.findall(r"MetricName=(\w+)", text)
    ]
    if len(named) != 1 or len(used) < 5:
        yield f"only {used} are used"
    for place, name in used:
        if name not in documented:
            yield f"{place}: {name} is in no line of docs/METRICS.md"


@rule("the runbook has every alarm that wakes somebody", put("StuckAlarm", "AlarmName", value={"Fn::Sub": "${AWS::StackName}-hangs"}))
def _(template: dict) -> Faults:
    runbook = (REPOSITORY / "docs/RUNBOOK.md").read_text()
    for name, alarm in cfn.resolve(template).of_type("AWS::CloudWatch::Alarm").items():
        if "<Alarms>" in alarm["AlarmActions"] and f"`{alarm['AlarmName'].removeprefix('pagemill-')}`" not in runbook:
            yield name
