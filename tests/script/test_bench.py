"""script/bench runs through, compares the rows of the sides, and writes its files."""

import json
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from devkit.places import CHECKOUT

from benchmarks import plots, report, runner, synthetic
from benchmarks.questions import QUESTIONS, Question, Rows
from benchmarks.sides import Failed, Reply, TooLong

COMMAND = [
    str(CHECKOUT / "script" / "bench"),
    "--quick",
    "--scale=tiny",
    "--rounds=1",
    "--limit=60",
]


def test_a_small_selection_runs_through(tmp_path: Path) -> None:
    asked = ["--latency=0", "--question=key", "--question=open", "--question=local"]
    done = subprocess.run(
        [*COMMAND, *asked, f"--output={tmp_path}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    cells = results["questions"]["numbers"]["0"]
    assert set(cells) == {"key", "open", "local"}
    for by_side in cells.values():
        assert set(by_side) == {"ideal", "bitbucket_fdw", "loop", "naive"}
        assert {cell["rows"] for cell in by_side.values()} == {by_side["ideal"]["rows"]}
        assert all(cell["median"] > 0 and cell["requests"] > 0 for cell in by_side.values())
    assert cells["open"]["bitbucket_fdw"]["requests"] == cells["open"]["ideal"]["requests"]
    assert "join with a local table" in (tmp_path / "results.md").read_text()
    assert ElementTree.parse(tmp_path / "questions-0ms.svg").getroot().tag.endswith("svg")


class _Side:
    """A side that answers what it is told."""

    def __init__(self, name: str, answer: Rows | Exception | None) -> None:
        self.name = name
        self._answer = answer
        self.limits: list[float] = []

    def ask(self, question: Question, limit: float) -> Reply | None:
        self.limits.append(limit)
        if isinstance(self._answer, Exception):
            raise self._answer
        return None if self._answer is None else Reply(self._answer, 0.5, 0.1)

    def close(self) -> None:
        pass


class _Requests:
    def forget(self) -> None:
        pass

    def counted(self) -> tuple[int, int]:
        return 3, 1000


def _measured(*sides: _Side) -> dict[str, object]:
    question = QUESTIONS[0]
    cells = runner.measure([question], sides, _Requests(), rounds=2, limit=2, until=1e12)
    told = {side: cell.told() for side, cell in cells[question.name].items()}
    return {"questions": {"numbers": {"0": {question.name: told}}}}


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ([("a", 2), ("b", 1)], "1.00 ×"),  # noqa: RUF001 - as it is shown
        ([("b", 1)], "wrong rows"),
        ([("a", 2), ("b", 1), ("b", 1)], "wrong rows"),
        ([("a", 2), ("b", None)], "wrong rows"),
        ([], "wrong rows"),
        (TooLong(), "> 20 ×"),  # noqa: RUF001
        (Failed("no such branch"), "error"),
        (None, "cannot"),
    ],
)
def test_only_the_time_of_right_rows_counts(answer: Rows | Exception | None, shown: str) -> None:
    results = _measured(_Side("ideal", [("b", 1), ("a", 2)]), _Side("bitbucket_fdw", answer))
    assert f"| 3 / 3 | 0.500 | {shown} |" in report.table(results) or (
        f"| - / 3 | 0.500 | {shown} |" in report.table(results)
    )
    assert bool(report.wrong(results)) == (shown in ("wrong rows", "error"))


def test_who_is_far_behind_the_ideal_client_is_ended() -> None:
    ideal, ours, other = (_Side(name, [("a", 1)]) for name in ("ideal", "bitbucket_fdw", "loop"))
    _measured(ideal, ours, other)
    assert set(ideal.limits) == set(ours.limits) == {2 * runner.PATIENCE}
    assert set(other.limits) == {2}
    assert len(other.limits) == 3
    patient = _Side("loop", [("a", 1)])
    runner.measure([QUESTIONS[0]], [ideal, ours, patient], _Requests(), rounds=1, limit=99, until=9)
    assert set(patient.limits) == {1 + 0.5 * runner.FAR_BEHIND}


def test_a_measure_alone_asks_no_questions(tmp_path: Path) -> None:
    asked = ["--measure=cold", f"--output={tmp_path}"]
    done = subprocess.run([*COMMAND, *asked], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert set(results["measures"]) == {"cold"}
    assert results["questions"] == {}


def test_plots_are_documents_of_svg_whatever_the_names_are() -> None:
    drawn = plots.bars("a < b & c", {'"<x>"': {"loop": 0.5, "naive": 1200.0}, "y": {"dlt": 1.0}})
    assert "1000" in "".join(ElementTree.fromstring(drawn).itertext())
    ended = plots.bars("title", {"x": {"loop": 7.0, "dlt": 3.0}}, {("x", "loop")})
    assert {"> 7", "3"} <= set(ElementTree.fromstring(ended).itertext())
    curve = plots.curves("title", "rows", {"ideal": [(10, 0.01), (1000, 2.0)]})
    assert ElementTree.fromstring(curve).tag.endswith("svg")


def test_the_pages_by_formula_are_all_that_there_is() -> None:
    name = synthetic.workspace(3, 120, 50)
    target: str | None = f"/2.0/repositories/{name}/r-2/pullrequests?pagelen=100&fields=x"
    found = []
    while target:
        page = json.loads(synthetic.answer(target))
        found += [item["id"] for item in page["values"]]
        target = page.get("next", "").removeprefix("{origin}") or None
    assert found == list(range(1, 121))
    assert page["size"] == 120
    assert len(json.loads(synthetic.answer(f"/2.0/repositories/{name}"))["values"]) == 3
    assert synthetic.answer("/2.0/user") is None


def test_another_benchmark_is_named_first() -> None:
    done = subprocess.run([COMMAND[0], "nothing"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Benchmarks: host" in done.stderr
