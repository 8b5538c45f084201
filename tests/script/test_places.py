"""Where state is kept, and that private files are private."""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from devkit.places import (
    SOCKET_NAME_MAX,
    SOCKET_PATH_MAX,
    Places,
    checkout_name,
    digest_of,
    open_places,
    socket_directory,
    state_directory,
    write_private,
)
from devkit.run import Failure

CHECKOUT = Path("/home/someone/src/bitbucket_fdw")


def test_root_keeps_state_in_var_lib() -> None:
    directory = state_directory(CHECKOUT, {"HOME": "/root"}, root=True)
    assert directory.parent == Path("/var/lib/bitbucket_fdw")
    assert directory.name.startswith("bitbucket_fdw-")


def test_others_keep_state_in_their_home() -> None:
    directory = state_directory(CHECKOUT, {"HOME": "/home/someone"}, root=False)
    assert directory.parent == Path("/home/someone/.local/state/bitbucket_fdw")


def test_xdg_state_home_is_honoured() -> None:
    env = {"HOME": "/home/someone", "XDG_STATE_HOME": "/data/state"}
    directory = state_directory(CHECKOUT, env, root=False)
    assert directory.parent == Path("/data/state/bitbucket_fdw")


def test_bitbucket_fdw_home_wins(tmp_path: Path) -> None:
    for root in (True, False):
        env = {"HOME": "/home/someone", "BITBUCKET_FDW_HOME": str(tmp_path)}
        assert state_directory(CHECKOUT, env, root=root) == tmp_path


def test_two_checkouts_of_one_name_have_two_states() -> None:
    assert checkout_name(Path("/a/project")) != checkout_name(Path("/b/project"))


def test_names_are_plain_and_short() -> None:
    name = checkout_name(Path("/home/x/Ünï cödé & spaces " + "y" * 100))
    assert name.isascii()
    assert len(name) <= 40
    assert "/" not in name
    assert " " not in name


def test_sockets_stay_where_the_path_is_short_enough(tmp_path: Path) -> None:
    short = Path("/var/tmp") / f"bbfdw-test-{os.getpid()}"
    try:
        assert socket_directory(short) == short
        assert short.is_dir()
    finally:
        short.rmdir()


def test_a_long_path_gets_a_short_private_socket_directory(tmp_path: Path) -> None:
    preferred = tmp_path / ("long" * 30)
    directory = socket_directory(preferred)
    try:
        assert directory != preferred
        assert len(str(directory)) + SOCKET_NAME_MAX <= SOCKET_PATH_MAX
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert socket_directory(preferred) == directory
    finally:
        directory.rmdir()


@pytest.mark.parametrize("fault", ["a link", "a file", "open to others", "somebody else's"])
def test_a_short_socket_directory_of_somebody_else_s_making_is_refused(
    tmp_path: Path, fault: str
) -> None:
    """Anybody can make names below /tmp, and then listen where the server is expected."""
    preferred = tmp_path / ("long" * 30)
    directory = socket_directory(preferred)
    directory.rmdir()
    try:
        if fault == "a link":
            (tmp_path / "theirs").mkdir(mode=0o700)
            directory.symlink_to(tmp_path / "theirs")
        elif fault == "a file":
            directory.write_text("")
        else:
            directory.mkdir(mode=0o700)
            if fault == "open to others":
                directory.chmod(0o755)
            elif os.geteuid():
                pytest.skip("takes the right to give a directory to somebody else")
            else:
                os.chown(directory, 12345, -1)
                assert socket_directory(preferred, 12345) == directory  # the server's user
        with pytest.raises(Failure, match="cannot hold the server's socket"):
            socket_directory(preferred, 54321)
    finally:
        if directory.is_dir() and not directory.is_symlink():
            directory.rmdir()
        else:
            directory.unlink()


def test_write_private_is_private_even_over_a_public_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == "new"


def test_write_private_does_not_follow_a_link(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("untouched")
    link = tmp_path / "secret"
    link.symlink_to(target)
    write_private(link, "new")
    assert target.read_text() == "untouched"
    assert not link.is_symlink()


def test_digest_follows_names_and_contents_but_not_products(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.c").write_text("int a;")
    first = digest_of(source)
    (source / "a.o").write_text("object")
    (source / "__pycache__").mkdir()
    (source / "__pycache__" / "a.py").write_text("cache")
    assert digest_of(source) == first
    (source / "a.c").rename(source / "b.c")
    renamed = digest_of(source)
    assert renamed != first
    (source / "b.c").write_text("int b;")
    assert digest_of(source) not in (first, renamed)


def test_the_lock_keeps_a_second_process_waiting(tmp_path: Path) -> None:
    places = Places(tmp_path)
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path; from devkit.places import Places\n"
        "places = Places(Path(sys.argv[1]))\n"
        "print('started', flush=True)\n"
        "with places.locked(): print('entered', flush=True)\n"
    )
    with places.locked():
        other = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), *sys.path],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert other.stdout is not None
        assert other.stdout.readline() == "started\n"
        time.sleep(0.3)
        assert other.poll() is None
    assert other.communicate(timeout=30)[0] == "entered\n"


def test_a_state_directory_that_cannot_be_made_is_a_clear_failure() -> None:
    with pytest.raises(Failure, match="cannot create the state directory"):
        open_places(Path("/proc/nowhere"))
