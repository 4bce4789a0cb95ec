"""What the template promises, as rules over it; each with a violation that it must find.

A rule is a function that yields the faults that it sees. Its `plant` breaks the template on purpose; `infra/check` runs
every rule twice, once where it must find nothing and once where it must find something.
"""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cfn
from policy import as_list

Faults = Iterator[str]

EVERYTHING = {
    "CustomerKey": "yes", "NatGateways": "per-az", "InterfaceEndpoints": "both-azs", "LlmBaseUrl": "http://llm:8080/v1",
    "LlmPort": 8080, "EmbeddingsBaseUrl": "http://embeddings:8081/v1", "EmbeddingsPort": 8081, "AlarmEmail": "on-call@example.com",
    "MonthlyBudgetUsd": 100, "TrialQdrant": "yes", "QdrantUrl": "",
}
"""Parameters that switch everything on."""

BARE = {"NatGateways": "none", "InterfaceEndpoints": "one-az"}
"""The smallest network."""


@dataclass(frozen=True)
class Rule:
    """One promise."""

    promise: str
    check: Callable[[dict], Faults]
    plant: Callable[[dict], None]

    def faults(self, template: dict) -> list[str]:
        return list(self.check(template))

    def planted_faults(self, template: dict) -> list[str]:
        broken = copy.deepcopy(template)
        self.plant(broken)
        assert broken != template, f"{self.promise}: the planted violation changes nothing"
        return self.faults(broken)


RULES: list[Rule] = []


def rule(promise: str, plant: Callable[[dict], None]):
    def register(check: Callable[[dict], Faults]):
        RULES.append(Rule(promise, check, plant))
        return check

    return register


def put(*path, value) -> Callable[[dict], None]:
    """A violation: sets what the path leads to below a resource's properties."""

    def plant(template: dict) -> None:
        resource, *keys = path
        target = template["Resources"][resource]["Properties"]
        for key in keys[:-1]:
            target = target[key]
        target[keys[-1]] = value

    return plant


def drop(*path) -> Callable[[dict], None]:
    """A violation: removes a resource, or what the path leads to below its properties."""

    def plant(template: dict) -> None:
        resource, *keys = path
        if not keys:
            del template["Resources"][resource]
            return
        target = template["Resources"][resource]["Properties"]
        for key in keys[:-1]:
            target = target[key]
        del target[keys[-1]]

    return plant


def add_statement(role: str, statement: dict) -> Callable[[dict], None]:
    """A violation: one more statement in a role's policy."""
    return lambda template: template["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].append(statement)


def role_statements(stack: cfn.Resolved) -> Iterator[tuple[str, dict]]:
    for name, role in stack.of_type("AWS::IAM::Role").items():
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement


# ---- bucket -------------------------------------------------------------------------------------------------------


@rule("the bucket keeps versions", put("Bucket", "VersioningConfiguration", "Status", value="Suspended"))
def _(template: dict) -> Faults:
    if cfn.resolve(template).properties("Bucket").get("VersioningConfiguration") != {"Status": "Enabled"}:
        yield "versioning is not enabled"


@rule("the bucket is encrypted", drop("Bucket", "BucketEncryption"))
def _(template: dict) -> Faults:
    for parameters, algorithm in (({}, "AES256"), ({"CustomerKey": "yes"}, "aws:kms")):
        encryption = cfn.resolve(template, **parameters).properties("Bucket").get("BucketEncryption", {})
        given = [one["ServerSideEncryptionByDefault"]["SSEAlgorithm"] for one in encryption.get("ServerSideEncryptionConfiguration", [])]
        if given != [algorithm]:
            yield f"{parameters}: {given}, not {algorithm}"


@rule("the bucket is private", put("Bucket", "PublicAccessBlockConfiguration", "BlockPublicPolicy", value=False))
def _(template: dict) -> Faults:
    blocked = cfn.resolve(template).properties("Bucket").get("PublicAccessBlockConfiguration", {})
    for switch in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"):
        if blocked.get(switch) is not True:
            yield f"{switch} is off"


@rule("bucket, queues and topic take TLS only", drop("BucketPolicy", "PolicyDocument", "Statement", 0))
def _(template: dict) -> Faults:
    stack = cfn.resolve(template)
    for name in ("BucketPolicy", "QueuePolicy", "DeadLetterQueuePolicy", "AlarmsPolicy"):
        statements = stack.properties(name)["PolicyDocument"]["Statement"]
        if not any(
            one["Effect"] == "Deny" and one["Principal"] == "*" and one.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
            for one in statements
        ):
            yield f"{name} does not deny plain HTTP"


@rule("the bucket and the key stay when the stack goes", lambda template: template["Resources"]["Bucket"].pop("DeletionPolicy"))
def _(template: dict) -> Faults:
    for name in ("Bucket", "Key"):
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            if template["Resources"][name].get(policy) != "Retain":
                yield f"{name}: {policy} is not Retain"


@rule("old versions of everything that is written expire", drop("Bucket", "LifecycleConfiguration", "Rules", 3))
def _(template: dict) -> Faults:
    rules = cfn.resolve(template).properties("Bucket")["LifecycleConfiguration"]["Rules"]
    expiring = [one["Prefix"] for one in rules if one["Status"] == "Enabled" and "NoncurrentVersionExpiration" in one]
    written = ("source-pdfs/", "pdf_page_images/", "extracted_text/", "extracted_links/", "extracted_structure/", "extracted_attachments/", "extracted_markdown/",
               "pdf-metadata/", "extracted_fields/", "review/open/", "review/corrections/", "golden/", "processing/")
    for prefix in written:
        if not any(prefix.startswith(one) for one in expiring):
            yield f"versions under {prefix} are kept for ever"
    if not any("AbortIncompleteMultipartUpload" in one for one in rules):
        yield "unfinished uploads are kept for ever"


@rule("nothing that is current expires", put("Bucket", "LifecycleConfiguration", "Rules", 2, "ExpirationInDays", value=30))
def _(template: dict) -> Faults:
    for one in cfn.resolve(template).properties("Bucket")["LifecycleConfiguration"]["Rules"]:
        if {"ExpirationInDays", "ExpirationDate"} & one.keys():
            yield f"{one['Id']} deletes current objects"


@rule("PDFs that come and go notify the queue, .pdf and .PDF, under source-pdfs/ only",
      put("Bucket", "NotificationConfiguration", "QueueConfigurations", 1, "Filter", "S3Key", "Rules", 1, "Value", value=".pdf"))
def _(template: dict) -> Faults:
    wired = cfn.resolve(template).properties("Bucket")["NotificationConfiguration"]["QueueConfigurations"]
    found = set()
    for one in wired:
        if one["Queue"] != "<Queue.Arn>":
            yield f"{one['Event']} goes to {one['Queue']}"
        found.add((one["Event"], *sorted((part["Name"], part["Value"]) for part in one["Filter"]["S3Key"]["Rules"])))
    for event in ("s3:ObjectCreated:*", "s3:ObjectRemoved:*"):
        for suffix in (".pdf", ".PDF"):
            if (event, ("prefix", "source-pdfs/"), ("suffix", suffix)) not in found:
                yield f"{event} of {suffix} is not notified"
    if len(wired) != 4:
        yield f"{len(wired)} notifications, not 4"


@rule("the queue's policy is there before the bucket's notification", lambda template: template["Resources"]["Bucket"].pop("DependsOn"))
def _(template: dict) -> Faults:
    if "QueuePolicy" not in as_list(template["Resources"]["Bucket"].get("DependsOn", [])):
        yield "the bucket does not depend on QueuePolicy"


# ---- queues -------------------------------------------------------------------------------------------------------


@rule("a message is hidden for 30 to 60 minutes", put("Queue", "VisibilityTimeout", value=30))
def _(template: dict) -> Faults:
    seconds = cfn.resolve(template).properties("Queue").get("VisibilityTimeout", 30)
    if not 1800 <= seconds <= 3600:
        yield f"{seconds} s"


@rule("SQS moves to the dead letters only as a backstop", put("Queue", "RedrivePolicy", "maxReceiveCount", value=3))
def _(template: dict) -> Faults:
    redrive = cfn.resolve(template).properties("Queue").get("RedrivePolicy", {})
    if redrive.get("deadLetterTargetArn") != "<DeadLetterQueue.Arn>":
        yield "there is no redrive to DeadLetterQueue"
    # Releases on shutdown count as receives, and 20 of them in a row must not bury a document.
    if redrive.get("maxReceiveCount", 0) < 100:
        yield f"after {redrive.get('maxReceiveCount')} receives"


@rule("dead letters are kept longer than messages", put("Queue", "MessageRetentionPeriod", value=1209600))
def _(template: dict) -> Faults:
    stack = cfn.resolve(template)
    kept = {name: stack.properties(name).get("MessageRetentionPeriod", 345600) for name in ("Queue", "DeadLetterQueue")}
    if kept["DeadLetterQueue"] <= kept["Queue"]:
        yield str(kept)


@rule("the dead-letter queue takes from this queue only", put("DeadLetterQueue", "RedriveAllowPolicy", "redrivePermission", value="allowAll"))
def _(template: dict) -> Faults:
    stack = cfn.resolve(template)
    allowed = stack.properties("DeadLetterQueue").get("RedriveAllowPolicy", {})
    named = f"arn:aws:sqs:us-east-1:123456789012:{stack.properties('Queue')['QueueName']}"
    if allowed != {"redrivePermission": "byQueue", "sourceQueueArns": [named]}:
        yield str(allowed)


@rule("the queues are encrypted", drop("DeadLetterQueue", "SqsManagedSseEnabled"))
def _(template: dict) -> Faults:
    for name in ("Queue", "DeadLetterQueue"):
        if cfn.resolve(template).properties(name).get("SqsManagedSseEnabled") is not True:
            yield f"{name} without a customer key"
        if cfn.resolve(template, CustomerKey="yes").properties(name).get("KmsMasterKeyId") != "<Key.Arn>":
            yield f"{name} with a customer key"


@rule("only this account's bucket may send to the queue", drop("QueuePolicy", "PolicyDocument", "Statement", 0, "Condition"))
def _(template: dict) -> Faults:
    stack = cfn.resolve(template)
    bucket = f"arn:aws:s3:::{stack.properties('Bucket')['BucketName']}"
    for statement in stack.properties("QueuePolicy")["PolicyDocument"]["Statement"]:
        if statement["Effect"] == "Allow" and statement.get("Condition") != {
            "ArnEquals": {"aws:SourceArn": bucket}, "StringEquals": {"aws:SourceAccount": "123456789012"},
        }:
            yield f"{statement['Sid']} has no condition for {bucket} and the account"


# ---- repository and secrets ------------------------------------------------------------------------------------------


@rule("images can't be overwritten, are scanned, and do not pile up", put("Repository", "ImageTagMutability", value="MUTABLE"))
def _(template: dict) -> Faults:
    repository = cfn.resolve(template).properties("Repository")
    if repository.get("ImageTagMutability") != "IMMUTABLE":
        yield "tags can be overwritten"
    if repository.get("ImageScanningConfiguration") != {"ScanOnPush": True}:
        yield "images are not scanned"
    rules = json.loads(repository.get("LifecyclePolicy", {}).get("LifecyclePolicyText", '{"rules": []}'))["rules"]
    if not any(one["action"]["type"] == "expire" for one in rules):
        yield "old images are kept for ever"


@rule("the image is named by digest", lambda template: template["Parameters"]["ImageUri"].pop("AllowedPattern"))
def _(template: dict) -> Faults:
    if "@sha256:[0-9a-f]{64}" not in template["Parameters"]["ImageUri"].get("AllowedPattern", ""):
        yield "ImageUri takes a tag"


@rule("secrets come from Secrets Manager, never from a parameter or the environment",
      lambda template: template["Parameters"].update(LlmApiKey={"Type": "String", "NoEcho": True}))
def _(template: dict) -> Faults:
    words = ("password", "secret", "token", "apikey", "api_key")
    for name in template["Parameters"]:
        if any(word in name.lower() for word in words):
            yield f"the parameter {name}"
    stack = cfn.resolve(template, **EVERYTHING)
    for task, definition in stack.of_type("AWS::ECS::TaskDefinition").items():
        for container in definition["ContainerDefinitions"]:
            for variable in container["Environment"]:
                if any(word in variable["Name"].lower() for word in words):
                    yield f"{task}: the variable {variable['Name']}"


@rule("with CustomerKey=yes, everything that is kept is encrypted with it", drop("WorkerLogs", "KmsKeyId"))
def _(template: dict) -> Faults:
    stack = cfn.resolve(template, **EVERYTHING)
    kinds = {
        "AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::SecretsManager::Secret", "AWS::ECR::Repository", "AWS::Logs::LogGroup",
        "AWS::SNS::Topic", "AWS::EFS::FileSystem",
    }
    for name, resource in stack.resources.items():
        if resource["Type"] in kinds and "<Key.Arn>" not in json.dumps(resource):
            yield f"{name} is not"
    if stack.properties("Key").get("EnableKeyRotation") is not True:
        yield "the key is not rotated"


# ---- roles ----------------------------------------------------------------------------------------------------------


@rule("no role has an action with a wildcard", add_statement("TaskRole", {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::x/*"}))
def _(template: dict) -> Faults:
    for role, statement in role_statements(cfn.resolve(template, **EVERYTHING)):
        for action in as_list(statement["Action"]):
            if "*" in action:
                yield f"{role}: {action}"


@rule("no role reaches every resource, but to log in to ECR", add_statement("TaskRole", {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}))
def _(template: dict) -> Faults:
    for role, statement in role_statements(cfn.resolve(template, **EVERYTHING)):
        if "*" in as_list(statement["Resource"]) and as_list(statement["Action"]) != ["ecr:GetAuthorizationToken"]:
            yield f"{role}: {statement['Action']}"


@rule("the roles reach S3 by prefix",
      add_statement("TaskRole", {"Effect": "Allow", "Action": "s3:GetObject", "Resource": {"Fn::Sub": "${Bucket.Arn}/*"}}))
def _(template: dict) -> Faults:
    for role, statement in role_statements(cfn.resolve(template, **EVERYTHING)):
        for resource in as_list(statement["Resource"]):
            if resource.startswith("<Bucket.Arn>/") and resource == "<Bucket.Arn>/*":
                yield f"{role}: {statement['Action']} on every object"


@rule("the worker can't write or delete sources",
      add_statement("TaskRole", {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": {"Fn::Sub": "${Bucket.Arn}/source-pdfs/*"}}))
def _(template: dict) -> Faults:
    for role, statement in role_statements(cfn.resolve(template)):
        changing = {"s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"} & set(as_list(statement["Action"]))
        if changing and any("source-pdfs" in one or "config/" in one for one in as_list(statement["Resource"])):
            yield f"{role}: {', '.join(sorted(changing))}"


@rule("nobody deletes versions", add_statement("TaskRole", {"Effect": "Allow", "Action": "s3:DeleteObjectVersion", "Resource": "arn:aws:s3:::x/y"}))
def _(template: dict) -> Faults:
    for role, statement in role_statements(cfn.resolve(template)):
        if "s3:DeleteObjectVersion" in as_list(statement["Action"]):
            yield role


@rule("the worker's role can't read secrets; the one that starts tasks reads these only",
      add_statement("TaskRole", {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": {"Ref": "QdrantApiKey"}}))
def _(template: dict) -> Faults:
    stack = cfn.resolve(template, **EVERYTHING)
    secrets = {f"<{name}>" for name in stack.of_type("AWS::SecretsManager::Secret")}
    for role, statement in role_statements(stack):
        if "secretsmanager:GetSecretValue" in as_list(statement["Action"]):
            if role != "ExecutionRole" or set(as_list(statement["Resource"])) != secrets:
                yield f"{role}: {statement['Resource']}"


@rule("roles are taken by their service for this account only", drop("OperatorRole", "AssumeRolePolicyDocument", "Statement", 0, "Condition"))
def _(template: dict) -> Faults:
    for name, role in cfn.resolve(template, **EVERYTHING).of_type("AWS::IAM::Role").items():
        for statement in role["AssumeRolePolicyDocument"]["Statement"]:
            if statement.get("Condition", {}).get("StringEquals") != {"aws:SourceAccount": "123456789012"}:
                yield name


@rule("the worker may protect its own cluster's tasks", drop("TaskRole", "Policies", 0, "PolicyDocument", "Statement", 5))
def _(template: dict) -> Faults:
    stack = cfn.resolve(template)
    wanted = {"ecs:GetTaskProtection", "ecs:UpdateTaskProtection"}
    cluster = stack.properties("Cluster")["ClusterName"]
    if not any(
        role == "TaskRole" and set(as_list(one["Action"])) == wanted and one["Resource"].endswith(f":task/{cluster}/*")
        for role, one in role_statements(stack)
    ):
        yield "TaskRole has no ecs:UpdateTaskProtection on the cluster's tasks"


# ---- network --------------------------------------------------------------------------------------------------------


@rule("tasks are in two private subnets and have no public address", put("Service", "NetworkConfiguration", "AwsvpcConfiguration", "AssignPublicIp", value="ENABLED"))
def _(template: dict) -> Faults:
    stack = cfn.resolve(template, **EVERYTHING)
    for name, service in stack.of_type("AWS::ECS::Service").items():
        network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
        if network.get("AssignPublicIp") != "DISABLED":
            yield f"{name} has public addresses"
        if network["Subnets"] != ["<PrivateSubnetA>", "<PrivateSubnetB>"]:
            yield f"{name} is in {network['Subnets']}"
    for name, subnet in stack.of_type("AWS::EC2::Subnet").items():
        if subnet.get("MapPublicIpOnLaunch") is not False:
            yield f"{name} gives public addresses"
    if stack.properties("PrivateSubnetA")["AvailabilityZone"] == stack.properties("PrivateSubnetB")["AvailabilityZone"]:
        yield "both private subnets are in one zone"


@rule("private subnets have no route to the internet gateway", put("PrivateRouteOutA", "GatewayId", value={"Ref": "InternetGateway"}))
def _(template: dict) -> Faults:
    for name, route in cfn.resolve(template, **EVERYTHING).of_type("AWS::EC2::Route").items():
        if "GatewayId" in route and route["RouteTableId"] != "<PublicRoutes>":
            yield name


@rule("NAT is none, one, or one a zone", lambda template: template["Resources"]["NatGatewayB"].update(Condition="HasNat"))
def _(template: dict) -> Faults:
    for choice, number in (("none", 0), ("one", 1), ("per-az", 2)):
        stack = cfn.resolve(template, NatGateways=choice, InterfaceEndpoints="one-az")
        made = len(stack.of_type("AWS::EC2::NatGateway"))
        if made != number:
            yield f"{choice}: {made} gateways"
        out = [one for one in stack.of_type("AWS::EC2::Route").values() if one["RouteTableId"] in ("<PrivateRoutesA>", "<PrivateRoutesB>")]
        if len(out) != (2 if number else 0):
            yield f"{choice}: {len(out)} routes out of the private subnets"


@rule("the S3 gateway endpoint is always there, for this bucket and ECR's layers only", lambda template: template["Resources"]["S3Endpoint"].update(Condition="HasNat"))
def _(template: dict) -> Faults:
    for parameters in ({}, BARE):
        endpoint = cfn.resolve(template, **parameters).resources.get("S3Endpoint")
        if endpoint is None:
            yield f"{parameters}: there is none"
            continue
        properties = endpoint["Properties"]
        if properties["VpcEndpointType"] != "Gateway" or set(properties["RouteTableIds"]) != {"<PrivateRoutesA>", "<PrivateRoutesB>"}:
            yield f"{parameters}: not in both private route tables"
        for statement in properties.get("PolicyDocument", {"Statement": [{"Resource": "*"}]})["Statement"]:
            for resource in as_list(statement["Resource"]):
                if not resource.startswith(("<Bucket.Arn>", "arn:aws:s3:::prod-us-east-1-starport-layer-bucket/")):
                    yield f"{parameters}: it lets to {resource}"


@rule("without NAT, endpoints lead to everything a task needs", drop("LogsEndpoint"))
def _(template: dict) -> Faults:
    there = {one["ServiceName"].rsplit("us-east-1.", 1)[1] for one in cfn.resolve(template, **BARE).of_type("AWS::EC2::VPCEndpoint").values()}
    for service in ("ecr.api", "ecr.dkr", "sqs", "logs", "secretsmanager", "s3"):
        if service not in there:
            yield service


@rule("a stack that could not work is refused before it is made", lambda template: template["Rules"].pop("ThereIsAWayToTheServices"))
def _(template: dict) -> Faults:
    def refused(**parameters) -> bool:
        stack = cfn.resolve(template, **parameters)
        return any(
            not stack.is_true(assertion["Assert"])
            for one in template["Rules"].values()
            if "RuleCondition" not in one or stack.is_true(one["RuleCondition"])
            for assertion in one["Assertions"]
        )

    if not refused(QdrantUrl=""):
        yield "no vector store"
    if not refused(NatGateways="none"):
        yield "no way to the services"
    if not refused(OnDemandWeight=0):
        yield "no kind of task"
    if not refused(TrialQdrant="yes", ExistingVpcId="vpc-1", QdrantUrl=""):
        yield "a trial in a VPC of somebody else"
    if refused() or refused(**BARE) or refused(**EVERYTHING) or refused(ExistingVpcId="vpc-1", NatGateways="none"):
        yield "one that could work is refused"


@rule("nothing comes in to the workers; HTTPS, Qdrant and LLM go out",
      put("WorkerSecurityGroup", "SecurityGroupIngress", value=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "0.0.0.0/0"}]))
def _(template: dict) -> Faults:
    llm = {"LlmBaseUrl": "http://llm:8080/v1", "LlmPort": 8080, "EmbeddingsBaseUrl": "http://llm:8080/v2", "EmbeddingsPort": 8080}
    for parameters, ports in (
        ({}, [443, 6334]), ({"QdrantPort": 443}, [443]), (llm, [443, 6334, 8080]), (EVERYTHING, [443, 6334, 8080, 8081]),
    ):
        group = cfn.resolve(template, **parameters).properties("WorkerSecurityGroup")
        if "SecurityGroupIngress" in group:
            yield "something comes in"
        out = [(one["FromPort"], one["ToPort"]) for one in group["SecurityGroupEgress"]]
        if out != [(port, port) for port in ports]:
            yield f"{parameters}: {out} go out"


@rule("connections of the VPC are logged", drop("FlowLog"))
def _(template: dict) -> Faults:
    if not cfn.resolve(template).of_type("AWS::EC2::FlowLog"):
        yield "there is no flow log"


@rule("in an existing VPC, no network is made", lambda template: template["Resources"]["NatGatewayA"].pop("Condition"))
def _(template: dict) -> Faults:
    stack = cfn.resolve(template, ExistingVpcId="vpc-1", ExistingSubnetIds="subnet-1,subnet-2", InterfaceEndpoints="both-azs")
    for name, resource in stack.resources.items():
        if resource["Type"].startswith("AWS::EC2::") and name != "WorkerSecurityGroup":
            yield name
    if stack.properties("WorkerSecurityGroup")["VpcId"] != "vpc-1":
        yield "the workers are not in it"
    if stack.properties("Service")["NetworkConfiguration"]["AwsvpcConfiguration"]["Subnets"] != ["subnet-1", "subnet-2"]:
        yield "the service is not in its subnets"


# ---- tasks ----------------------------------------------------------------------------------------------------------


def containers(template: dict) -> Iterator[tuple[str, dict]]:
    for name, task in cfn.resolve(template, **EVERYTHING).of_type("AWS::ECS::TaskDefinition").items():
        for container in task["ContainerDefinitions"]:
            yield name, container


@rule("containers are read-only, not root, without capabilities, under an init process",
      put("WorkerTask", "ContainerDefinitions", 0, "ReadonlyRootFilesystem", value=False))
def _(template: dict) -> Faults:
    for name, container in containers(template):
        linux = container.get("LinuxParameters", {})
        if container.get("ReadonlyRootFilesystem") is not True:
            yield f"{name}: the root file system can be written"
        if container.get("User", "0").split(":")[0] in ("0", "root"):
            yield f"{name}: runs as root"
        if linux.get("Capabilities") != {"Drop": ["ALL"]}:
            yield f"{name}: has capabilities"
        if linux.get("InitProcessEnabled") is not True:
            yield f"{name}: nobody reaps its children"
        if container.get("Privileged"):
            yield f"{name}: is privileged"


@rule("the worker has two minutes to stop, and uses less of them", put("WorkerTask", "ContainerDefinitions", 0, "StopTimeout", value=30))
def _(template: dict) -> Faults:
    worker = cfn.resolve(template).properties("WorkerTask")["ContainerDefinitions"][0]
    drain = next(int(one["Value"]) for one in worker["Environment"] if one["Name"] == "PAGEMILL_DRAIN_SECONDS")
    if worker.get("StopTimeout") != 120 or drain >= 120:
        yield f"StopTimeout {worker.get('StopTimeout')}, PAGEMILL_DRAIN_SECONDS {drain}"


@rule("ECS asks the worker for its health", drop("WorkerTask", "ContainerDefinitions", 0, "HealthCheck"))
def _(template: dict) -> Faults:
    worker = cfn.resolve(template).properties("WorkerTask")["ContainerDefinitions"][0]
    if worker.get("HealthCheck", {}).get("Command") != ["CMD", "/usr/local/bin/worker", "health"]:
        yield str(worker.get("HealthCheck"))


@rule("logs can't hold the worker up, and are not kept for ever", put("WorkerTask", "ContainerDefinitions", 0, "LogConfiguration", "Options", "mode", value="blocking"))
def _(template: dict) -> Faults:
    stack = cfn.resolve(template, **EVERYTHING)
    if stack.properties("WorkerTask")["ContainerDefinitions"][0]["LogConfiguration"]["Options"].get("mode") != "non-blocking":
        yield "the worker waits for CloudWatch"
    for name, group in stack.of_type("AWS::Logs::LogGroup").items():
        if "RetentionInDays" not in group:
            yield f"{name} is kept for ever"


@rule("ARM or x86, on demand or Spot, by parameters", put("WorkerTask", "RuntimePlatform", "CpuArchitecture", value="X86_64"))
def _(template: dict) -> Faults:
    stack = cfn.resolve(template, CpuArchitecture="ARM64", OnDemandBase=2, OnDemandWeight=1, SpotWeight=3)
    if stack.properties("WorkerTask")["RuntimePlatform"]["CpuArchitecture"] != "ARM64":
        yield "CpuArchitecture is not used"
    strategy = stack.properties("Service")["CapacityProviderStrategy"]
    if strategy != [{"CapacityProvider": "FARGATE", "Base": 2, "Weight": 1}, {"CapacityProvider": "FARGATE_SPOT", "Weight": 3}]:
        yield f"the weights are not used: {strategy}"


@rule("an update does not undo what scaling chose", put("Service", "DesiredCount", value=1))
def _(template: dict) -> Faults:
    if "DesiredCount" in cfn.resolve(template).properties("Service"):
        yield "the service has a DesiredCount"


@rule("a deployment that fails is rolled back, and none leaves the service without tasks", drop("Service", "DeploymentConfiguration", "DeploymentCircuitBreaker"))
def _(template: dict) -> Faults:
    deployment = cfn.resolve(template).properties("Service")["DeploymentConfiguration"]
    if deployment.get("DeploymentCircuitBreaker") != {"Enable": True, "Rollback": True}:
        yield "no circuit breaker with rollback"
    if deployment.get("MinimumHealthyPercent") != 100:
        yield "old tasks stop before new ones run"


@rule("tasks are not started before the network is there", drop("NetworkIsReady"))
def _(template: dict) -> Faults:
    ready = template["Resources"].get("NetworkIsReady", {})
    for name in ("Service", "TrialQdrantService"):
        if "NetworkIsReady" not in as_list(template["Resources"][name].get("DependsOn", [])):
            yield f"{name} does not wait"
    for resource in ("PrivateRouteOutA", "PrivateRouteOutB", "S3Endpoint", "EcrApiEndpoint", "SecretsEndpoint"):
        if f'"{resource}"' not in json.dumps(ready.get("Metadata", {})):
            yield f"nothing waits for {resource}"


@rule("the trial Qdrant is never two tasks on the same files", put("TrialQdrantService", "DeploymentConfiguration", "MaximumPercent", value=200))
def _(template: dict) -> Faults:
    service = cfn.resolve(template, **EVERYTHING).properties("TrialQdrantService")
    if service["DesiredCount"] != 1 or service["DeploymentConfiguration"] != {"MinimumHealthyPercent": 0, "MaximumPercent": 100}:
        yield str(service["DeploymentConfiguration"])
    if cfn.resolve(template).resources.keys() & {name for name in template["Resources"] if name.startswith("TrialQdrant")}:
        yield "it is there without being asked for"


# ---- scaling --------------------------------------------------------------------------------------------------------


def steps(template: dict, policy: str) -> list[dict]:
    return cfn.resolve(template).properties(policy)["StepScalingPolicyConfiguration"]["StepAdjustments"]


@rule("scaling counts what waits and what is in work", put("NoWorkAlarm", "Metrics", 0, "Expression", value="FILL(waiting, 0)"))
def _(template: dict) -> Faults:
    stack = cfn.resolve(template)
    for name in ("WorkAlarm", "NoWorkAlarm"):
        metrics = {one["Id"]: one for one in stack.properties(name)["Metrics"]}
        if metrics["work"]["Expression"] != "FILL(waiting, 0) + FILL(taken, 0)":
            yield f"{name}: {metrics['work']['Expression']}"
        for identifier, metric in (("waiting", "ApproximateNumberOfMessagesVisible"), ("taken", "ApproximateNumberOfMessagesNotVisible")):
            given = metrics.get(identifier, {}).get("MetricStat", {}).get("Metric", {})
            if given.get("MetricName") != metric or given.get("Dimensions") != [{"Name": "QueueName", "Value": "<Queue.QueueName>"}]:
                yield f"{name}: {identifier} is {given}"


@rule("the ladder has no gap, grows with the work, and says how many tasks", put("Ladder", "StepScalingPolicyConfiguration", "StepAdjustments", 3, "MetricIntervalLowerBound", value=40))
def _(template: dict) -> Faults:
    ladder = steps(template, "Ladder")
    expected_from, tasks = 0, 0
    for step in ladder:
        if step["MetricIntervalLowerBound"] != expected_from:
            yield f"a gap before {step['MetricIntervalLowerBound']}"
        if step["ScalingAdjustment"] <= tasks:
            yield f"{step['ScalingAdjustment']} tasks after {tasks}"
        expected_from, tasks = step.get("MetricIntervalUpperBound"), step["ScalingAdjustment"]
    if expected_from is not None:
        yield f"nothing above {expected_from}"
    for policy in ("Ladder", "ToZero"):
        if cfn.resolve(template).properties(policy)["StepScalingPolicyConfiguration"]["AdjustmentType"] != "ExactCapacity":
            yield f"{policy} is relative"


@rule("one document starts one task, and none leaves none", put("WorkAlarm", "Threshold", value=10))
def _(template: dict) -> Faults:
    stack = cfn.resolve(template)
    work, rest = stack.properties("WorkAlarm"), stack.properties("NoWorkAlarm")
    if (work["Threshold"], work["ComparisonOperator"], work["EvaluationPeriods"]) != (1, "GreaterThanOrEqualToThreshold", 1):
        yield "the first document does not raise the alarm at once"
    if (rest["Threshold"], rest["ComparisonOperator"], rest["AlarmActions"]) != (1, "LessThanThreshold", ["<ToZero>"]):
        yield "nothing scales to zero"
    if steps(template, "ToZero") != [{"MetricIntervalUpperBound": 0, "ScalingAdjustment": 0}]:
        yield "to zero is not zero"
    if stack.parameters["MinTasks"] != 0:
        yield "the default is not zero tasks"
    if work["AlarmActions"] != ["<Ladder>"]:
        yield "the ladder is not called"


@rule("missing numbers never scale to zero", put("NoWorkAlarm", "TreatMissingData", value="breaching"))
def _(template: dict) -> Faults:
    if cfn.resolve(template).properties("NoWorkAlarm")["TreatMissingData"] != "notBreaching":
        yield "a CloudWatch outage would"


@rule("zones are not balanced by stopping tasks that work", put("Service", "AvailabilityZoneRebalancing", value="ENABLED"))
def _(template: dict) -> Faults:
    if cfn.resolve(template).properties("Service").get("AvailabilityZoneRebalancing") != "DISABLED":
        yield "AvailabilityZoneRebalancing"


# ---- alarms ---------------------------------------------------------------------------------------------------------

ALARMS = {
    "DeadLettersAlarm": ("ApproximateNumberOfMessagesVisible", "<DeadLetterQueue.QueueName>"),
    "OldestMessageAlarm": ("ApproximateAgeOfOldestMessage", "<Queue.QueueName>"),
    "InFlightAlarm": ("ApproximateNumberOfMessagesNotVisible", "<Queue.QueueName>"),
    "CpuAlarm": ("CPUUtilization", "<Cluster>"),
    "MemoryAlarm": ("MemoryUtilization", "<Cluster>"),
}


@rule("alarms for dead letters, age, in flight, CPU and memory reach the topic", drop("DeadLettersAlarm", "AlarmActions"))
def _(template: dict) -> Faults:
    stack = cfn.resolve(template)
    for name, (metric, dimension) in ALARMS.items():
        alarm = stack.properties(name) if name in stack.resources else {}
        if alarm.get("MetricName") != metric or dimension not in json.dumps(alarm.get("Dimensions", [])):
            yield f"{name} does not watch {metric}"
        if alarm.get("AlarmActions") != ["<Alarms>"]:
            yield f"{name} tells nobody"
    if stack.properties("InFlightAlarm")["Threshold"] >= 120000:
        yield "InFlightAlarm comes at SQS's limit, where it is too late"


@rule("work that nobody takes raises an alarm", put("StuckAlarm", "Metrics", 0, "Expression", value="FILL(waiting, 0)"))
def _(template: dict) -> Faults:
    alarm = cfn.resolve(template).properties("StuckAlarm")
    expression = alarm["Metrics"][0]["Expression"]
    if "waiting" not in expression or "received" not in expression or alarm["AlarmActions"] != ["<Alarms>"]:
        yield expression
    if alarm["EvaluationPeriods"] * alarm["Metrics"][1]["MetricStat"]["Period"] != 900:
        yield "not within 15 minutes"


@rule("tasks that fail and deployments that fail reach the topic", drop("TasksThatFail"))
def _(template: dict) -> Faults:
    stack = cfn.resolve(template)
    rules = stack.of_type("AWS::Events::Rule")
    for kind in ("ECS Task State Change", "ECS Deployment State Change"):
        if not any(kind in one["EventPattern"]["detail-type"] and one["Targets"][0]["Arn"] == "<Alarms>" for one in rules.values()):
            yield kind
    publishers = {
        service for one in stack.properties("AlarmsPolicy")["PolicyDocument"]["Statement"] if one["Effect"] == "Allow"
        for service in as_list(one["Principal"]["Service"])
    }
    if publishers != {"cloudwatch.amazonaws.com", "events.amazonaws.com", "budgets.amazonaws.com"}:
        yield f"the topic takes from {sorted(publishers)}"


@rule("a budget, when one is given", drop("Budget"))
def _(template: dict) -> Faults:
    if "Budget" in cfn.resolve(template).resources:
        yield "without a limit"
    budget = cfn.resolve(template, **EVERYTHING).resources.get("Budget", {"Properties": {}})["Properties"]
    if budget.get("Budget", {}).get("BudgetLimit") != {"Amount": 100, "Unit": "USD"}:
        yield "MonthlyBudgetUsd makes none"


@rule("the dashboard is JSON and shows queues, tasks and errors", put("Dashboard", "DashboardBody", value="{"))
def _(template: dict) -> Faults:
    try:
        body = json.loads(cfn.resolve(template).properties("Dashboard")["DashboardBody"])
    except json.JSONDecodeError as error:
        yield str(error)
        return
    text = json.dumps(body)
    for word in ("ApproximateNumberOfMessagesNotVisible", "ApproximateAgeOfOldestMessage", "<DeadLetterQueue.QueueName>", "CPUUtilization", "<WorkerLogs>"):
        if word not in text:
            yield f"{word} is missing"


# ---- the file -------------------------------------------------------------------------------------------------------


@rule("every parameter says what it is for, and is in a group", lambda template: template["Parameters"]["MaxTasks"].pop("Description"))
def _(template: dict) -> Faults:
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    for name, parameter in template["Parameters"].items():
        if not parameter.get("Description"):
            yield f"{name} has no description"
        if grouped.count(name) != 1:
            yield f"{name} is in {grouped.count(name)} groups"


@rule("names that the stack's name makes stay within their limits", put("Queue", "QueueName", value={"Fn::Sub": "${AWS::StackName}-" + "x" * 60}))
def _(template: dict) -> Faults:
    longest = "s" * 32
    stack = cfn.resolve(template)
    limits = {
        "Bucket": ("BucketName", 63 - len("ap-southeast-2") + len("us-east-1")),
        "Queue": ("QueueName", 80), "DeadLetterQueue": ("QueueName", 80), "Repository": ("RepositoryName", 256),
    }
    for name, (key, limit) in limits.items():
        made = stack.properties(name)[key].replace("pagemill", longest)
        if len(made) > limit:
            yield f"{name}: {len(made)} characters"
