"""What the AWS emulator cannot do is taken out of the template, and every change is told.

What is changed here is not tested by infra/emulator-test; infra/README.md says so.
"""

UNKNOWN_TYPES = (
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::EC2::EIP",
    "AWS::EC2::NatGateway",
    "AWS::EC2::FlowLog",
    "AWS::Budgets::Budget",
)
"""Types that the emulator refuses, even where their condition is false."""


def transform(template: dict) -> tuple[dict, list[str]]:
    """The template that the emulator takes, and what was done to it."""
    remarks = []
    resources = template["Resources"]
    dropped = {}
    for name, resource in list(resources.items()):
        if resource["Type"] in UNKNOWN_TYPES:
            dropped[name] = f"{resource['Type']} is not known"
        elif resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]:
            dropped[name] = "alarms over several metrics are not known"
    # What needs one that was dropped goes too, unless it only names it in a list.
    for name, resource in resources.items():
        if name not in dropped and resource["Type"] == "AWS::EC2::Route":
            missing = sorted(_references(resource) & dropped.keys())
            if missing:
                dropped[name] = f"a route through {', '.join(missing)}"
    for name, reason in dropped.items():
        del resources[name]
        remarks.append(f"dropped   {name}: {reason}")
    numbers = {name: given["Default"] for name, given in template["Parameters"].items() if given["Type"] == "Number"}
    for name, resource in resources.items():
        resource["Properties"] = _without(resource.get("Properties", {}), dropped, numbers)
        if "Metadata" in resource:
            resource["Metadata"] = _without(resource["Metadata"], dropped, numbers)
    remarks.append("changed   references to Number parameters became their defaults: the emulator keeps them as text")
    return template, remarks


def _references(value) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(_references, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    if isinstance(value.get("Ref"), str):
        return {value["Ref"]}
    if "Fn::GetAtt" in value:
        return {value["Fn::GetAtt"][0]}
    return set().union(*map(_references, value.values())) if value else set()


def _without(value, dropped: dict, numbers: dict):
    if isinstance(value, list):
        return [_without(inner, dropped, numbers) for inner in value]
    if not isinstance(value, dict):
        return value
    name = value.get("Ref")
    if isinstance(name, str) and name in dropped:
        return f"dropped-{name}"
    if isinstance(name, str) and name in numbers:
        return numbers[name]
    return {key: _without(inner, dropped, numbers) for key, inner in value.items()}

