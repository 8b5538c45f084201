"""What pyproject.toml cannot say: the wheel carries the sources that a PostgreSQL server needs.

``bitbucket-fdw install-extension`` compiles and installs them. Everything else about the package
is in pyproject.toml.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
# Below bitbucket_fdw/server/ in the package, as they are in the checkout.
SERVER = (
    "host/Makefile",
    "host/multicorn.control",
    "host/src/*.[ch]",
    "host/sql/*.sql",
    "host/python/multicorn/*.py",
    "host/python/multicorn/*.pyi",
    "host/python/multicorn/py.typed",
    "sql/Makefile",
    "sql/bitbucket_fdw.control",
    "sql/script/*.sql",
    "sql/update/*.sql",
)


class BuildWithServer(build_py):
    """Copies the server's sources beside the modules, where there is a whole checkout."""

    def run(self):
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "bitbucket_fdw", "server")
        for pattern in SERVER:
            for source in HERE.glob(pattern):
                copy = target / source.relative_to(HERE)
                self.mkpath(str(copy.parent))
                self.copy_file(str(source), str(copy))


setup(cmdclass={"build_py": BuildWithServer})
