"""Words of the sample data, among them the ones that break careless clients.

Quotes, backslashes, percent signs and underscores try the quoting of queries and patterns; right
to left text, combining marks and emoji try encodings; the rest is filler.
"""

from __future__ import annotations

from random import Random

_VERBS = ("Add", "Fix", "Remove", "Rework", "Speed up", "Document", "Test", "Rename", "Cache")
_THINGS = (
    "the login page",
    "search results",
    "the build script",
    "image upload",
    "rate limiting",
    "the date picker",
    "error messages",
    "the settings form",
    "session handling",
    "the nightly export",
    "unicode handling",
    "keyboard navigation",
)
_REASONS = (
    "on small screens",
    "for new accounts",
    "when offline",
    "after a timeout",
    "in the demo",
    "behind a proxy",
)

AWKWARD = (
    'Say "hello" to new users',
    "Escape C:\\temp\\new in paths",
    "Reach 100% coverage",
    "Rename snake_case_names",
    "It's the user's choice",
    "Ship it 🚀🎉",
    "Übergröße: Straße und Maß",
    "شريط البحث لا يعمل",
    "検索が遅い",
    "Cafe\u0301 menu (combining accent)",
    "<script>alert('x')</script>",
    "NULL",
    "Trailing space ",
    "a; DROP TABLE issues; --",
    "İstanbul ışık",  # noqa: RUF001 - dotted and dotless i fold unlike others
    "",
)
AWKWARD_TITLES = AWKWARD[:-1]  # a title is never empty

_PARAGRAPHS = (
    "The first attempt was too slow, so this one keeps the result.",
    "See the discussion in the last review.\n\n* one\n* two\n* three",
    "Steps:\n\n1. open the page\n2. wait\n3. see the error",
    "Before: `SELECT 1`\nAfter: `SELECT 2`",
    "No functional change.",
)
_REMARKS = (
    "Looks good to me.",
    "Could you add a test for this?",
    "Why is this needed?",
    "Done in the next commit.",
    "Please rename this variable.",
    "I cannot reproduce it.",
    "Nice 👍",
    'What does "later" mean here?',
    "ממש טוב",
)
FILES = (
    "README.md",
    "src/app.py",
    "src/search/index.py",
    "src/search/query.py",
    "docs/guide.md",
    "docs/días festivos.md",
    "web/login.js",
    "web/styles/main.css",
    "tests/test_search.py",
)
_BRANCH_WORDS = ("search", "login", "export", "cache", "dates", "proxy", "upload", "menu")
_BRANCH_FORMS = (
    "feature/{word}-{number}",
    "feature/{word}-{number}",
    "bugfix/#{number}-{word}",
    "feature/BB-{number}/{word}",
    "hotfix/{word}.{number}",
    "ada/100%-{word}-{number}",
    "機能/{word}-{number}",
    "Release_{number}+{word}",
)


def title(rng: Random, index: int) -> str:
    """A title; the first ones of a collection are the awkward ones, in order."""
    if 3 <= index < 3 + len(AWKWARD_TITLES):
        return AWKWARD_TITLES[index - 3]
    if rng.random() < 0.05:
        return rng.choice(AWKWARD_TITLES)
    words = f"{rng.choice(_VERBS)} {rng.choice(_THINGS)}"
    return f"{words} {rng.choice(_REASONS)}" if rng.random() < 0.5 else words


def paragraph(rng: Random) -> str:
    """A description, now and then empty or awkward."""
    chance = rng.random()
    if chance < 0.25:
        return ""
    if chance < 0.35:
        return rng.choice(AWKWARD)
    return " ".join(rng.sample(_PARAGRAPHS, rng.randint(1, 2)))


def remark(rng: Random) -> str:
    """The text of a comment."""
    return rng.choice(AWKWARD_TITLES) if rng.random() < 0.1 else rng.choice(_REMARKS)


def branch_name(rng: Random, number: int) -> str:
    """A branch name; the number keeps it unique in its repository."""
    return rng.choice(_BRANCH_FORMS).format(word=rng.choice(_BRANCH_WORDS), number=number)


def files(rng: Random) -> tuple[str, ...]:
    """The paths that a commit touches."""
    return tuple(sorted(rng.sample(FILES, rng.randint(1, 3))))
