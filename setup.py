"""For tools that look for a setup.py. Everything about the package is in pyproject.toml."""

from setuptools import setup

setup()
