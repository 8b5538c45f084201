"""The emulator's sample credentials as options of a user mapping."""

from __future__ import annotations

from devkit.emulator import Control

READ = "ada-read"
READ_WRITE = "ada-write"


def mapping_options(control: Control, name: str) -> dict[str, str]:
    """The user mapping options of the emulator's credential called ``name``."""
    for credential in control.credentials():
        if credential["name"] == name:
            options = {"token": str(credential["secret"])}
            if credential.get("email"):
                options["email"] = str(credential["email"])
            return options
    raise LookupError(f"the emulator has no credential {name!r}")
