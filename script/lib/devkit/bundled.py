"""Whose libraries a package carries along, and under which licences."""

from __future__ import annotations

from email.parser import Parser
from pathlib import Path

OWN = "bitbucket_fdw"
LICENCE_FILES = ("LICENSE*", "LICENCE*", "COPYING*", "NOTICE*")


def licences(library: Path) -> str:
    """Name, version, licence and its text of each library that is installed in a directory."""
    parts = []
    for directory in sorted(library.glob("*.dist-info")):
        told = Parser().parsestr((directory / "METADATA").read_text(encoding="utf-8"))
        if told["Name"].replace("-", "_") == OWN:
            continue
        licence = (told["License-Expression"] or told["License"] or "see below").splitlines()[0]
        title = f"{told['Name']} {told['Version']}, below {library.name}/. Licence: {licence}"
        texts = [file.read_text(encoding="utf-8").strip() for file in _files(directory)]
        parts.append("\n\n".join([f"\n{'-' * 78}\n{title}", *texts]))
    return "\n".join(parts) + "\n" if parts else ""


def _files(directory: Path) -> list[Path]:
    found = {file for pattern in LICENCE_FILES for file in directory.rglob(pattern)}
    return sorted(file for file in found if file.is_file())
