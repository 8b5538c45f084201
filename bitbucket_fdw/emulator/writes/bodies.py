"""Bodies of writes, checked against what an endpoint takes.

Stated: invalid fields are reported by name in ``error.fields``. Stricter than Bitbucket: a field
that the endpoint does not take is an error too, so that a client which sends read-only fields, or
all of a row instead of what changed, is found out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bitbucket_fdw.emulator.errors import Json, bad_request, error


@dataclass(frozen=True)
class Rule:
    """What a field of a body may hold.

    :param kind: the type of its value.
    :param required: whether it has to be there.
    :param nullable: whether null clears it.
    :param blank: whether it may be empty.
    :param choices: the values that it may have; any where there are none.
    :param pattern: the regular expression that it has to match.
    :param longest: how many bytes it may have; 0 for any number.
    :param most: how many characters it may have; 0 for any number.
    """

    kind: Literal["text", "boolean", "number", "accounts", "texts"] = "text"
    required: bool = False
    nullable: bool = False
    blank: bool = False
    choices: Collection[str] = ()
    pattern: str = ""
    longest: int = 0
    most: int = 0

    def complaint(self, value: Any) -> str | None:
        """What is wrong with ``value``; None when it will do."""
        if value is None:
            return None if self.nullable else "This field may not be null."
        if self.kind == "boolean":
            return None if isinstance(value, bool) else "Must be a boolean."
        if self.kind == "number":
            number = isinstance(value, int) and not isinstance(value, bool)
            return None if number else "Must be an integer."
        if self.kind in ("accounts", "texts"):
            member = dict if self.kind == "accounts" else str
            fits = isinstance(value, list) and all(isinstance(item, member) for item in value)
            return None if fits else "Must be a list."
        return self._text_complaint(value)

    def _text_complaint(self, value: Any) -> str | None:
        if not isinstance(value, str):
            return "Must be a string."
        if not self.blank and not value.strip():
            return "This field may not be blank."
        if self.choices and value not in self.choices:
            return f"'{value}' is not one of {', '.join(sorted(self.choices))}."
        if self.pattern and not re.fullmatch(self.pattern, value):
            return "Invalid value."
        if self.longest and len(value.encode()) > self.longest:
            return f"Must be at most {self.longest} bytes long."
        if self.most and len(value) > self.most:
            return f"Ensure this value has at most {self.most} characters (it has {len(value)})."
        return None


Rules = Mapping[str, Rule]

CONTENT: Rules = {"content.raw": Rule(required=True)}


def read(body: Any, rules: Rules, *, partial: bool = False, typed: bool = True) -> Json:
    """Read the fields of a body.

    :param rules: what is taken, by dotted name. A nullable object is cleared by null: ``assignee``
        with the rule ``assignee.account_id``.
    :param partial: whether required fields may be missing, as in a PUT.
    :param typed: whether a ``type`` is let through at any level, as the schemas have it.
    :returns: the values by dotted name.
    :raises ApiError: 400 that lists everything that is wrong.
    """
    if body is None:
        body = {}
    if not isinstance(body, dict):
        raise bad_request("The request body must be an object")
    found: Json = {}
    problems: dict[str, list[str]] = {}
    _collect(body, "", rules, typed, found, problems)
    for name, rule in rules.items():
        if rule.required and not partial and name not in found and name not in problems:
            problems[name] = ["This field is required."]
    if problems:
        first = next(iter(problems))
        raise error(400, f"{first}: {problems[first][0]}", fields=problems)
    return found


def _collect(
    body: Json,
    prefix: str,
    rules: Rules,
    typed: bool,
    found: Json,
    problems: dict[str, list[str]],
) -> None:
    for key, value in body.items():
        name = prefix + key
        if name in rules:
            complaint = rules[name].complaint(value)
            if complaint is None:
                found[name] = value
            else:
                problems[name] = [complaint]
            continue
        below = [rule for path, rule in rules.items() if path.startswith(f"{name}.")]
        if below and isinstance(value, dict):
            _collect(value, f"{name}.", rules, typed, found, problems)
        elif below and value is None and any(rule.nullable for rule in below):
            found[name] = None
        elif below:
            problems[name] = ["Must be an object."]
        elif key != "type" or not typed:
            problems[name] = ["Unknown or read-only field."]
