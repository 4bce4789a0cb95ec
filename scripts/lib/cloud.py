"""What the cloud demonstration does by hand in an AWS account, done by boto3 against the emulator.

usage: cloud.py create NAME            bucket, queue, dead-letter queue, notification; prints shell exports
       cloud.py upload BUCKET FOLDER   puts every PDF of FOLDER under source-pdfs/
       cloud.py wait BUCKET COUNT SECONDS PID   until COUNT records say how they ended, printing them as they
                                       arrive; gives up after SECONDS or when the worker PID has ended
       cloud.py show BUCKET DLQ_URL    what is in the bucket, in the history and in the dead-letter queue
"""

import json
import pathlib
import shlex
import signal
import sys
import time
from collections import Counter

# Ctrl-C ends it without a traceback, also while boto3 is being loaded.
signal.signal(signal.SIGINT, signal.SIG_DFL)

import boto3  # noqa: E402

RECORDS = "processing/records/"
HISTORY = "processing/pdf_process_history.json"


def create(name: str) -> None:
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    dlq_url = sqs.create_queue(QueueName=f"{name}-dlq", Attributes={"MessageRetentionPeriod": "1209600"})["QueueUrl"]
    dlq_arn = queue_arn(sqs, dlq_url)
    queue_url = sqs.create_queue(
        QueueName=f"{name}-queue",
        Attributes={
            "VisibilityTimeout": "1800",
            "ReceiveMessageWaitTimeSeconds": "20",
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": dlq_arn, "maxReceiveCount": "5"}),
        },
    )["QueueUrl"]
    filters = [
        {
            "QueueArn": queue_arn(sqs, queue_url),
            "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
            "Filter": {
                "Key": {
                    "FilterRules": [
                        {"Name": "prefix", "Value": "source-pdfs/"},
                        {"Name": "suffix", "Value": suffix},
                    ]
                }
            },
        }
        for suffix in (".pdf", ".PDF")
    ]
    s3.put_bucket_notification_configuration(
        Bucket=name, NotificationConfiguration={"QueueConfigurations": filters}
    )
    for variable, value in (("S3_BUCKET", name), ("SQS_QUEUE_URL", queue_url), ("SQS_DLQ_URL", dlq_url)):
        print(f"export {variable}={shlex.quote(value)}")


def queue_arn(sqs, url: str) -> str:
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def upload(bucket: str, folder: str) -> None:
    s3 = boto3.client("s3")
    for path in sorted(pathlib.Path(folder).glob("*.pdf")):
        key = f"source-pdfs/{path.name}"
        s3.upload_file(str(path), bucket, key)
        print(f"uploaded  {key}")


def objects(s3, bucket: str, prefix: str = ""):
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", [])


def load(s3, bucket: str, key: str):
    return json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def is_running(pid: str) -> bool:
    try:
        # The state comes after the name in brackets; Z has ended and waits for its parent to ask.
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait(bucket: str, count: str, seconds: str, pid: str) -> None:
    s3 = boto3.client("s3")
    ended: set[str] = set()
    deadline = time.monotonic() + float(seconds)
    while len(ended) < int(count):
        if time.monotonic() > deadline:
            sys.exit(f"error: {len(ended)} of {count} documents ended within {seconds} s")
        if not is_running(pid):
            sys.exit(f"error: the worker ended after {len(ended)} of {count} documents")
        for entry in objects(s3, bucket, RECORDS):
            key = entry["Key"]
            if key in ended:
                continue
            record = load(s3, bucket, key)
            if record["status"] in ("done", "partial", "failed"):
                ended.add(key)
                failure = record.get("failure") or {}
                pages = record.get("ledger", {}).get("pages", 0)
                remark = f"{failure['reason']}: {failure['message']}" if failure else f"{pages} page{'s' * (pages != 1)}"
                print(f"{record['status']:8}  {record['source']}  {remark}", flush=True)
        time.sleep(0.3)


def show(bucket: str, dlq_url: str) -> None:
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    counts = Counter(entry["Key"].split("/")[0] + "/" for entry in objects(s3, bucket))
    print("objects in the bucket:")
    for prefix, number in sorted(counts.items()):
        print(f"  {number:4}  {prefix}")
    documents = load(s3, bucket, HISTORY)["documents"]
    statuses = Counter(entry["status"] for entry in documents.values())
    print(f"history ({HISTORY}): " + ", ".join(f"{number} {status}" for status, number in sorted(statuses.items())))
    waiting = sqs.get_queue_attributes(QueueUrl=dlq_url, AttributeNames=["ApproximateNumberOfMessages"])
    print("messages in the dead-letter queue: " + waiting["Attributes"]["ApproximateNumberOfMessages"])
    letters = sqs.receive_message(
        QueueUrl=dlq_url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
    )
    for letter in letters.get("Messages", []):
        attributes = letter.get("MessageAttributes", {}).items()
        print("  " + ", ".join(f"{name}: {value['StringValue']}" for name, value in sorted(attributes)))


if __name__ == "__main__":
    commands = {"create": create, "upload": upload, "wait": wait, "show": show}
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](*sys.argv[2:])
