"""The documentation as the tests read it: pages, headings, links and code blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^(`{3,})\s*(\w*)[^`]*$")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line of the page its text begins on."""

    language: str
    text: str
    line: int


def pages() -> list[Path]:
    """Every page people read: those at the top, docs/ and the rooms' own READMEs."""
    top = sorted(ROOT.glob("*.md"))
    rooms = [ROOT / "host" / "README.md", ROOT / "bitbucket_fdw" / "emulator" / "README.md"]
    return [*top, *sorted(DOCS.rglob("*.md")), *rooms]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str | None = None) -> Iterator[Block]:
    """The page's code blocks, of one language if it is given."""
    fence, kind, lines, begin = "", "", [], 0
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        found = _FENCE.match(line)
        if fence and found and found[1].startswith(fence) and not found[2]:
            if language in (None, kind):
                yield Block(kind, "\n".join(lines), begin)
            fence = ""
        elif fence:
            lines.append(line)
        elif found:
            fence, kind, lines, begin = found[1], found[2], [], number + 1


def prose(page: Path) -> str:
    """The page without its code blocks."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"^(`{3,}).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    """The targets of the page's links, as written."""
    return _LINK.findall(re.sub(r"`[^`]*`", "", prose(page)))


def anchors(page: Path) -> set[str]:
    """The fragments by which its headings can be linked, as code hosts make them."""
    found = (_HEADING.match(line) for line in prose(page).splitlines())
    return {_slug(match[1]) for match in found if match}


def _slug(heading: str) -> str:
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
