"""Requests to AWS as IAM sees them, and whether a role's policy allows them."""

import fnmatch
import json
import urllib.parse
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Call:
    """One permission that a request needs."""

    action: str
    resource: str

    def __str__(self) -> str:
        return f"{self.action:32} {self.resource}"


def calls(method: str, target: str, headers: dict[str, str], body: bytes, status: int) -> list[Call]:
    """The permissions that a request needs. `headers` in lower case; `status` is the answer's.

    Facts: "Required permissions for Amazon S3 API operations" of the S3 user guide; the service authorization reference
    of SQS and Secrets Manager.
    """
    operation = headers.get("x-amz-target", "")
    if operation:
        return _of_json_service(operation, json.loads(body or b"{}"))
    return _of_s3(method, target, headers, body, status)


def _of_json_service(operation: str, request: dict) -> list[Call]:
    service, _, name = operation.partition(".")
    if service == "AmazonSQS":
        queue = request.get("QueueName") or request.get("QueueUrl", "").rsplit("/", 1)[-1]
        return [Call(f"sqs:{name.removesuffix('Batch')}", f"queue {queue}")]
    if service == "secretsmanager":
        return [Call(f"secretsmanager:{name}", f"secret {request.get('SecretId')}")]
    return [Call(f"{service}:{name}", "unknown")]


def _of_s3(method: str, target: str, headers: dict[str, str], body: bytes, status: int) -> list[Call]:
    path, _, query_text = target.partition("?")
    query = urllib.parse.parse_qs(query_text, keep_blank_values=True)
    bucket, _, key = urllib.parse.unquote(path.lstrip("/")).partition("/")
    if not key:
        if method == "POST" and "delete" in query:
            keys = _between(body.decode(), "<Key>", "</Key>")
            return [Call("s3:DeleteObject", f"{bucket}/{key}") for key in keys]
        if method == "HEAD" or (method == "GET" and ("list-type" in query or not query)):
            return [Call("s3:ListBucket", bucket)]
        return [Call(f"s3:{method} {'&'.join(sorted(query))}", bucket)]
    object_name = f"{bucket}/{key}"
    version = "Version" if "versionId" in query else ""
    if method in ("GET", "HEAD"):
        # What is not there is a 404 only for those who may list the bucket; for others it is a 403.
        missing = [Call("s3:ListBucket", bucket)] if status == 404 else []
        return [Call(f"s3:GetObject{version}", object_name), *missing]
    if method == "DELETE":
        return [Call("s3:AbortMultipartUpload" if "uploadId" in query else f"s3:DeleteObject{version}", object_name)]
    if method == "POST" and ("uploads" in query or "uploadId" in query):
        return [Call("s3:PutObject", object_name)]
    if method == "PUT":
        source = headers.get("x-amz-copy-source")
        read = [Call("s3:GetObject", urllib.parse.unquote(source).lstrip("/"))] if source else []
        return [*read, Call("s3:PutObject", object_name)]
    return [Call(f"s3:{method} {'&'.join(sorted(query))}", object_name)]


def _between(text: str, before: str, after: str) -> list[str]:
    return [piece.partition(after)[0] for piece in text.split(before)[1:]]


def is_allowed(call: Call, statements: list[dict]) -> bool:
    """Whether one statement allows the call. Statements with a condition are taken as not allowing it."""
    return any(
        statement["Effect"] == "Allow"
        and "Condition" not in statement
        and any(fnmatch.fnmatchcase(call.action, action) for action in as_list(statement["Action"]))
        and any(fnmatch.fnmatchcase(call.resource, short(resource)) for resource in as_list(statement["Resource"]))
        for statement in statements
    )


def short(arn: str) -> str:
    """An ARN as `Call.resource` spells it: without account and region."""
    if arn == "*":
        return arn
    _, _, service, _, _, name = arn.split(":", 5)
    return {"s3": name, "sqs": f"queue {name}", "secretsmanager": f"secret {arn}"}.get(service, f"{service} {name}")


def as_list(value) -> list:
    """Policies write a list of one without the brackets."""
    return value if isinstance(value, list) else [value]
