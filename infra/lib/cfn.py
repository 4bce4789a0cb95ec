"""Reads the template, and resolves what can be resolved without an account."""

import copy
import pathlib

import yaml

TEMPLATE = pathlib.Path(__file__).parent.parent / "template.yaml"


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, which become the long ones."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_yaml_str)


def load(path: pathlib.Path = TEMPLATE) -> dict:
    """The template with long-form functions."""
    return yaml.load(path.read_text(), _Loader)


ABSENT = object()
"""What `AWS::NoValue` becomes until it is removed."""

PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "pagemill",
    "AWS::NoValue": ABSENT,
}


class Resolved:
    """The template as one set of parameters makes it: conditions decided, references to parameters replaced.

    A reference to a resource becomes `<Name>` and an attribute `<Name.Attribute>`, so that rules can compare them.
    """

    def __init__(self, template: dict, parameters: dict | None = None):
        self._template = template
        defaults = {name: given.get("Default", "") for name, given in template["Parameters"].items()}
        self.parameters = defaults | (parameters or {})
        for name, given in template["Parameters"].items():
            if given["Type"] == "CommaDelimitedList" and isinstance(self.parameters[name], str):
                self.parameters[name] = self.parameters[name].split(",")
        self.resources = {
            name: self._resource(resource)
            for name, resource in template["Resources"].items()
            if self.condition(resource.get("Condition"))
        }

    def condition(self, name: str | None) -> bool:
        """Whether a condition holds; one that is not given does."""
        return name is None or self.is_true(self._template["Conditions"][name])

    def properties(self, name: str) -> dict:
        """What a resource that exists is made with."""
        return self.resources[name]["Properties"]

    def of_type(self, kind: str) -> dict[str, dict]:
        """The properties of every resource of a type, by name."""
        return {name: given.get("Properties", {}) for name, given in self.resources.items() if given["Type"] == kind}

    def _resource(self, resource: dict) -> dict:
        return self._value(copy.deepcopy(resource))

    def is_true(self, expression: dict) -> bool:
        """A condition, or an assertion of a rule."""
        (function, arguments), = expression.items()
        if function == "Condition":
            return self.condition(arguments)
        if function == "Fn::Equals":
            left, right = (self._value(argument) for argument in arguments)
            return str(left) == str(right)
        results = [self.is_true(argument) for argument in arguments]
        return {"Fn::Not": lambda: not results[0], "Fn::And": lambda: all(results), "Fn::Or": lambda: any(results)}[function]()

    def _value(self, value):
        if isinstance(value, list):
            return [made for made in map(self._value, value) if made is not ABSENT]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (function, arguments), = value.items()
            if function == "Ref":
                return self._reference(arguments)
            if function == "Fn::GetAtt":
                return f"<{'.'.join(arguments)}>"
            if function == "Fn::If":
                condition, then, otherwise = arguments
                return self._value(then if self.condition(condition) else otherwise)
            if function == "Fn::Sub":
                return self._sub(arguments)
            if function == "Fn::Select":
                index, items = arguments
                items = self._value(items)
                return items[int(index)] if isinstance(items, list) else f"<{index} of {items}>"
            if function == "Fn::Join":
                separator, items = arguments
                return separator.join(map(str, self._value(items)))
            if function == "Fn::GetAZs":
                return "zones"
        made = {key: self._value(inner) for key, inner in value.items()}
        return {key: inner for key, inner in made.items() if inner is not ABSENT}

    def _reference(self, name: str):
        if name in self.parameters:
            return self.parameters[name]
        return PSEUDO.get(name, f"<{name}>")

    def _sub(self, text: str) -> str:
        parts = text.split("${")
        made = [parts[0]]
        for part in parts[1:]:
            name, rest = part.split("}", 1)
            made.append(str(self._reference(name)) + rest)
        return "".join(made)


def resolve(template: dict | None = None, **parameters) -> Resolved:
    """The template with everything in place that can be: an image, and a Qdrant of one's own."""
    usual = {
        "ImageUri": "example@sha256:" + "0" * 64,
        "QdrantUrl": "https://qdrant.example.com:6334",
    }
    return Resolved(template or load(), usual | parameters)
