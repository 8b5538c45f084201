"""Options at their levels: none but a server's decides where requests go and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from types import SimpleNamespace
from typing import Any

import pytest

from bitbucket_fdw import options
from bitbucket_fdw.api import Settings
from bitbucket_fdw.connection import settings_of
from bitbucket_fdw.errors import OptionError
from bitbucket_fdw.options import LEVELS, OPTIONS
from bitbucket_fdw.sign_in.schemes import check_options, transport

NAMES = sorted({*LEVELS})
# A well-formed value for each option, none of them its default.
VALUES = (
    *(
        "https://elsewhere.example/x",
        "/etc/hosts",
        "file:other",
        "7",
        "false",
        "true",
        "commit",
        "undo",
    ),
    *("error", "errors", "wait", "shown", "none", "flat", "never", "a@example.com"),
)


def value_of(option: options.Option) -> str:
    for value in VALUES:
        if value != option.default:
            try:
                option.parse(value)
            except ValueError:
                continue
            return value
    raise AssertionError(f"no value for option {option.name}")


@pytest.mark.parametrize("level", NAMES)
@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_an_option_is_taken_at_its_levels_and_no_other(option, level):
    given = {option.name: value_of(option)}
    if LEVELS[level] in option.levels:
        options.validate(given, level)
        assert option.name in options.parse(given, LEVELS[level])
        return
    for use in (options.validate, options.parse):
        with pytest.raises(OptionError, match="belongs to the"):
            use(given, LEVELS[level])


@pytest.mark.parametrize("level", NAMES)
def test_an_option_that_there_is_not_is_taken_nowhere(level):
    for name in ("tokn", "wrappr", *([] if level == "server" else ["wrapper"])):
        with pytest.raises(OptionError, match=f'unknown option "{name}"'):
            options.validate({name: "x"}, level)


def decided(values: dict[str, Any]) -> dict[str, Any]:
    """What the server's owner decides: where requests go, by which way, and with whose secrets."""
    return {
        **asdict(settings_of(values)),
        **asdict(transport(values)),
        **{name: values[name] for name in ("oauth_url", "oauth1_url", "shared_secrets")},
    }


@pytest.mark.parametrize(
    "option",
    [o for o in OPTIONS if {options.TABLE, options.MAPPING, options.COLUMN} & set(o.levels)],
    ids=lambda option: option.name,
)
def test_no_option_of_a_table_or_mapping_changes_where_a_request_goes(option):
    """By their declarations: a level too many would have the host's check let it pass."""
    levels = (options.SERVER, options.TABLE, options.MAPPING)
    changed = options.parse({option.name: value_of(option)}, *levels, options.COLUMN)
    assert decided(changed) == decided(options.parse({}, *levels))


class Apart(dict):
    """Options as the bundled host hands them over: all in one, and by the object they are of."""

    def __init__(self, **levels: dict[str, str]) -> None:
        given = {"server": {}, "table": {}, "user_mapping": None, **levels}
        super().__init__({k: v for level in given.values() for k, v in (level or {}).items()})
        self.levels = SimpleNamespace(**given)


@pytest.mark.parametrize("level", ["server", "table", "user_mapping"])
@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_levels_that_come_apart_are_checked_by_themselves(option, level):
    given = Apart(**{level: {option.name: value_of(option)}})
    levels = (options.SERVER, options.TABLE, options.MAPPING)
    if LEVELS[level] in option.levels:
        assert options.parse(given, *levels)[option.name] is not None
        return
    with pytest.raises(OptionError, match="belongs to the"):
        options.parse(given, *levels)


SETTINGS = {field.name for field in fields(Settings)}


@pytest.mark.parametrize(
    "option", [o for o in OPTIONS if o.name in SETTINGS], ids=lambda option: option.name
)
def test_each_setting_of_requests_is_an_option_of_its_name(option):
    """One that is not taken over would stay at its default, such as no ca_bundle and no proxy."""
    plain = options.parse({}, options.SERVER)
    other = options.parse({option.name: value_of(option)}, options.SERVER)
    before, after = asdict(settings_of(plain)), asdict(settings_of(other))
    assert [name for name in after if after[name] != before[name]] == [option.name]
    unit = {"max_answer_size": 2**20, "max_text_size": 2**10}.get(option.name, 1)
    assert after[option.name] == other[option.name] * unit


def test_there_is_an_option_for_each_setting():
    assert {option.name for option in OPTIONS} >= SETTINGS
    assert settings_of(options.parse({}, options.SERVER)) == Settings()


# --- what is shown ---

SHOWN = {"auth", "email", "username", "client_id", "consumer_key"}


def test_what_a_mapping_holds_is_secret_but_for_names():
    """Whose credential it is, and how they sign in: a new option is secret unless it is here."""
    of_mappings = [option for option in OPTIONS if options.MAPPING in option.levels]
    assert {option.name for option in of_mappings if not option.secret} == SHOWN
    assert not [option for option in OPTIONS if option.secret and option not in of_mappings]


def said(read: Callable[[], object]) -> str:
    """All that an error says; nothing if there is none."""
    try:
        read()
    except OptionError as error:
        return f"{error} {error.detail} {error.hint}"
    return ""


@pytest.mark.parametrize("value", ["pasted-secret\n", "pasted-secret:\n@", "file:../pasted-secret"])
@pytest.mark.parametrize(
    "name", [o.name for o in OPTIONS if options.MAPPING in o.levels and o.name != "auth"]
)
def test_a_wrong_value_of_a_mapping_is_not_repeated(name, value):
    """People paste a token where their name belongs."""
    told = [
        said(lambda: options.validate({name: value}, "user_mapping")),
        said(lambda: options.parse({name: value}, options.MAPPING)),
        said(lambda: options.parse_one(name, value, followed=True)),
    ]
    assert any(told)
    assert "pasted-secret" not in " ".join(told)


@pytest.mark.parametrize(
    ("level", "name", "value"),
    [
        ("server", "base_url", "https://:word@api.bitbucket.org/2.0"),
        ("server", "base_url", "https://user@api.bitbucket.org/2.0"),
        ("server", "base_url", "https://api.bitbucket.org/2.0?access_token=x"),
        ("server", "base_url", "https://api.bitbucket.org/2.0#x"),
        ("server", "base_url", "https:///2.0"),
        ("server", "base_url", "http://[::2]/2.0"),
        ("server", "base_url", "http://localhosts/2.0"),
        ("server", "oauth_url", "https://:word@bitbucket.org/site/oauth2"),
        ("server", "proxy", "http://:word@127.0.0.1:3128"),
        ("server", "proxy", "http://user@127.0.0.1:3128"),
        ("server", "proxy", "http://"),
        ("server", "shared_secrets", "file:ada/token"),
        ("server", "shared_secrets", "PATH"),
        ("table", "workspace", ".."),
        ("table", "repository", "."),
        ("table", "repository", "website/../../../user"),
        ("table", "workspace", " "),
        ("user_mapping", "username", "ada:x"),
        ("user_mapping", "email", "a:b@example.com"),
        ("user_mapping", "email", "ada"),
        ("user_mapping", "password", "line\nbreak"),
        ("user_mapping", "password", "bell\x07"),
        ("user_mapping", "username", "ada\r\nX-Header: y"),
        ("user_mapping", "token", "two words"),
        ("user_mapping", "client_secret", "bell\x07"),
        ("user_mapping", "token", "".join(options.UNSEEN)),
    ],
)
def test_a_value_that_would_lead_elsewhere_or_break_a_header_is_refused(level, name, value):
    with pytest.raises(OptionError, match=f'option "{name}"'):
        options.validate({name: value}, level)


def test_what_does_not_go_together_is_refused_when_the_mapping_is_made():
    misfits = {"email": "a@example.com", "token": "x", "client_id": "y"}
    with pytest.raises(OptionError, match="oauth2_client"):
        check_options(misfits, "user_mapping")
    check_options({"email": "a@example.com", "token": "x"}, "user_mapping")
