"""Packaging of bitbucket_fdw; tool settings live in pyproject.toml.

Multicorn2 itself is a PostgreSQL extension and not on PyPI, so it is not a requirement here.
"""

from pathlib import Path

from setuptools import find_packages, setup

EMULATOR = ["aiohttp>=3.14.1,<4", "lark>=1.1,<2"]
TOOLS = ["click>=8.1,<9", "rich>=13,<16", "psycopg[binary]>=3.1,<4"]

setup(
    name="bitbucket_fdw",
    version="0.1.0",
    description="Bitbucket Cloud as PostgreSQL tables: a foreign data wrapper on Multicorn2",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="PostgreSQL",
    python_requires=">=3.10",
    packages=find_packages(include=["bitbucket_fdw", "bitbucket_fdw.*"]),
    package_data={"bitbucket_fdw": ["py.typed"], "bitbucket_fdw.emulator": ["*.lark"]},
    install_requires=[
        "requests>=2.33,<3",
        "requests-cache>=1.2,<2",
        "urllib3>=2.7,<3",
        "oauthlib>=3.3,<5",
        "requests-oauthlib>=2,<3",
        "filelock>=3.20.3,<5",
    ],
    extras_require={
        "emulator": EMULATOR,
        "tools": TOOLS,
        "test": [
            *EMULATOR,
            *TOOLS,
            "hypothesis>=6.100,<7",
            "mypy>=1.11,<3",
            "pytest>=8,<10",
            "pytest-timeout>=2.3,<3",
            "pyodbc>=5.1,<6",
            "ruff>=0.6,<1",
            "types-requests",
        ],
    },
    entry_points={"console_scripts": ["bitbucket-fdw=bitbucket_fdw.command.main:main"]},
)
