"""script/package: each package goes into a bare place, and a query there is answered."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from devkit import debian, packages, postgres, venv
from devkit import tree as trees
from devkit.cluster import Cluster
from devkit.emulator import Control
from devkit.places import CHECKOUT, Places, remove_tree
from devkit.run import Failure, output_of, server_user
from devkit.tree import BUNDLED, Tree

SETUP = """
CREATE EXTENSION bitbucket_fdw CASCADE;
CREATE SERVER bitbucket FOREIGN DATA WRAPPER multicorn
    OPTIONS (wrapper 'bitbucket_fdw.wrapper.BitbucketFdw', base_url '{base_url}');
CREATE USER MAPPING FOR CURRENT_USER SERVER bitbucket
    OPTIONS (email 'ada@acme.example', token 'emulator-token-ada-write');
SELECT FROM bitbucket.import_workspace('bitbucket', 'acme', repositories => '{{website}}');
"""
QUERY = "SELECT 'rows: ' || count(*) FROM acme__website.pull_requests"
ROWS = "rows: 150"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What ``script/package`` makes: a wheel, and for the machine's PostgreSQL two packages."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("this is no Debian: dpkg-deb is missing")
    output = tmp_path_factory.mktemp("packages")
    told = output_of([str(CHECKOUT / "script" / "package"), f"--output={output}"])
    files = sorted(output.iterdir())
    assert {str(file) for file in files} == set(re.findall(r"^  (/\S+)$", told, re.MULTILINE))
    return files


@pytest.fixture(scope="module")
def wheel(made: list[Path]) -> Path:
    [file] = (file for file in made if file.suffix == ".whl")
    return file


@pytest.fixture(scope="module")
def debs(made: list[Path]) -> list[Path]:
    """``bitbucket-fdw``, ``postgresql-NN-bitbucket-fdw``."""
    return [file for file in made if file.suffix == ".deb"]


@pytest.fixture
def place(places: Places, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A directory that the server's user can enter, unlike pytest's own."""
    directory = places.tests / f"package-{os.getpid()}"
    remove_tree(directory)
    directory.mkdir(parents=True)
    yield directory
    remove_tree(directory)


def test_the_wheel_is_for_every_python_and_has_no_products(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert [name for name in names if re.search(r"\.(so|o|bc|pyc)$|/tests/", name)] == []
    assert {name.split("/")[0] for name in names} == {
        "bitbucket_fdw",
        wheel.name.replace("-py3-none-any.whl", ".dist-info"),
    }


def test_the_wheel_goes_into_a_bare_environment_and_its_extension_into_a_server(
    wheel: Path, place: Path, places: Places, emulator: Control
) -> None:
    environment = place / "environment"
    output_of([venv.system_python(), "-m", "venv", str(environment)])
    python = environment / "bin" / "python"
    venv.pip(places, python, "install", f"{wheel}[tools]")
    tree = Tree(place / "tree", BUNDLED, postgres.newest())
    trees._ensure_copy(places, tree)
    assert "multicorn" not in tree.extensions()
    command = [str(environment / "bin" / "bitbucket-fdw"), "install-extension"]
    command += ["--pg-config", str(tree.pg_config)]

    told = output_of(command)

    assert str(environment) in told
    assert {"multicorn", "bitbucket_fdw"} <= tree.extensions()
    cluster = Cluster(tree, place / "cluster", server_user(), python_path=())
    cluster.create()
    cluster.start()
    try:
        cluster.sql(SETUP.format(base_url=emulator.base_url))
        assert cluster.sql(QUERY).strip() == ROWS
    finally:
        cluster.stop("immediate")
    assert output_of([*command, "--remove"]).startswith("Removed")
    assert not {"multicorn", "bitbucket_fdw"} & tree.extensions()
    assert not list(tree.pkglibdir.glob("multicorn*"))


def test_another_multicorn_is_not_written_over_by_the_command(wheel: Path, place: Path) -> None:
    """The package as the wheel has it, without its libraries: the check comes first."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place / "package")
    extension = place / "share" / "extension"
    extension.mkdir(parents=True)
    control = extension / "multicorn.control"
    control.write_text("comment = 'Multicorn2'\n")
    pg_config = place / "pg_config"
    pg_config.write_text(
        f"#!/bin/sh\necho 'VERSION = PostgreSQL 15.1'\necho 'SHAREDIR = {place}/share'\n"
    )
    pg_config.chmod(0o755)
    code = "from bitbucket_fdw.command.main import main; main()"

    done = subprocess.run(
        [sys.executable, "-c", code, "install-extension", "--pg-config", str(pg_config)],
        env={**os.environ, "PYTHONPATH": str(place / "package")},
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "another Multicorn" in done.stderr
    assert "--without-host" in done.stderr
    assert control.read_text() == "comment = 'Multicorn2'\n"


def test_the_debian_packages_say_what_they_need_and_carry_along(debs: list[Path]) -> None:
    common, extension = debs
    version = output_of(["dpkg-deb", "--field", str(common), "Version"]).strip()
    depends = output_of(["dpkg-deb", "--field", str(extension), "Depends"])
    assert f"bitbucket-fdw (= {version})" in depends
    assert re.search(r"\bpostgresql-\d\d\b", depends)
    assert "libpython3" in depends
    for file in debs:
        listed = output_of(["dpkg-deb", "--contents", str(file)])
        assert "root/root" in listed
        assert not re.search(r"__pycache__|\.pyc|direct_url|/usr/local|/server/host", listed)
        assert f"/usr/share/doc/{file.name.split('_')[0]}/copyright" in listed
    licences = output_of(
        [
            "sh",
            "-c",
            f"dpkg-deb --fsys-tarfile {common} | tar -xO ./usr/share/doc/bitbucket-fdw/copyright",
        ]
    )
    carried = re.findall(
        r"site-packages/(\w+)-[\d.]+(?:post\d)?\.dist-info/$", _contents(common), re.M
    )
    assert {"requests", "urllib3", "oauthlib"} <= set(carried)
    for library in set(carried) - {"bitbucket_fdw"}:
        assert re.search(rf"(?m)^{library.replace('_', '[-_]')} \d.*Licence: \w", licences, re.I), (
            library
        )


def _contents(file: Path) -> str:
    return output_of(["dpkg-deb", "--contents", str(file)])


INSIDE = """
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
apt-get -q update
echo '== install'
apt-get -q -y install --no-install-recommends /srv/packages/*.deb
bin=$(echo /usr/lib/postgresql/*/bin)
as() { runuser -u postgres -- env -C /tmp "$@"; }
as "$bin/initdb" --auth=trust --no-sync --locale=C.UTF-8 /tmp/data
stop() { as "$bin/pg_ctl" -D /tmp/data stop --mode=immediate || true; }
trap stop EXIT
as "$bin/pg_ctl" -D /tmp/data -l /tmp/data/log --wait \
    -o "-c listen_addresses='' -c unix_socket_directories=/tmp" start
echo '== query'
as "$bin/psql" -h /tmp -v ON_ERROR_STOP=1 -qAt -f /srv/packages/query.sql
echo '== verify'
as bitbucket-fdw verify bitbucket acme --dsn 'host=/tmp user=postgres' | head -20
stop
trap - EXIT
echo '== compiled'
find /usr/lib/bitbucket-fdw /usr/lib/postgresql -name '*.pyc' | wc -l
echo '== removed'
apt-get -q -y purge bitbucket-fdw
find /usr/lib/bitbucket-fdw /usr/lib/postgresql/*/lib/multicorn* \
    /usr/share/postgresql/*/extension/multicorn* || true
echo '== another Multicorn'
echo "comment = 'Multicorn2'" > $(echo /usr/share/postgresql/*/extension)/multicorn.control
dpkg --install /srv/packages/*.deb && exit 1
cat /usr/share/postgresql/*/extension/multicorn.control
"""


# What is installed there starts no server, makes no cluster, and need not outlive a power failure.
QUIETLY = {
    "usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",
    "etc/postgresql-common/createcluster.d/none.conf": "create_main_cluster = false\n",
    "etc/dpkg/dpkg.cfg.d/unsafe": "force-unsafe-io\n",
}


@pytest.fixture
def bare(places: Places) -> Path:
    """The root directory of this release of Debian, with nothing in it that is not essential."""
    release = output_of(["sh", "-c", ". /etc/os-release; echo $ID-$VERSION_CODENAME"]).strip()
    if not re.fullmatch(r"debian-[a-z]+", release):
        pytest.skip(f"this is no Debian whose name is known, but {release}")
    if os.geteuid() != 0:
        pytest.skip("only root can install a root directory")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces on this machine")
    packages.ensure(places, [debian.DEBOOTSTRAP])
    name = release.removeprefix("debian-")
    root = places.home / "debian" / f"bare-{name}"
    with places.locked("bare"):
        debian.ensure_root(places, name, root)
    return root


def test_the_debian_packages_go_into_a_bare_debian(
    debs: list[Path], bare: Path, tmp_path: Path, emulator: Control
) -> None:
    query = SETUP.format(base_url=emulator.base_url) + QUERY
    inside = {"srv/packages/query.sql": query, "srv/packages/inside": INSIDE, **QUIETLY}
    for name, text in inside.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    for file in debs:
        shutil.copy(file, tmp_path / "srv" / "packages")

    told = debian.output_in_copy(bare, tmp_path, ["sh", "/srv/packages/inside"])

    parts = dict(re.findall(r"(?ms)^== ([\w ]+)\n(.*?)(?=^== |\Z)", told))
    assert ROWS in parts["query"].splitlines()
    assert "credential" in parts["verify"]
    assert int(parts["compiled"]) > 100
    assert re.findall("^/", parts["removed"], re.MULTILINE) == []
    assert "another Multicorn" in parts["another Multicorn"]
    assert parts["another Multicorn"].splitlines()[-1] == "comment = 'Multicorn2'"


def test_a_package_that_there_is_not_is_refused() -> None:
    from devkit import package

    with pytest.raises(Failure, match="unknown package 'rpm'"):
        package.main(["rpm"])
