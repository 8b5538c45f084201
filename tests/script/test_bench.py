"""script/bench runs through, compares the rows of the sides, and writes its files."""

import json
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from devkit.places import CHECKOUT

import benchmarks.__main__ as bench
from benchmarks import plots, report, runner, synthetic
from benchmarks.questions import BY_NAME, QUESTIONS, Question, Rows
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
    asked += ["--side=bitbucket_fdw", "--side=loop", "--side=naive"]
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


class _Clock:
    """A clock that moves only while a side answers."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class _Side:
    """A side that answers what it is told, after so many seconds of a clock."""

    def __init__(
        self,
        name: str,
        answer: Rows | Exception | None,
        seconds: float = 0.5,
        clock: _Clock | None = None,
    ) -> None:
        self.name = name
        self._answer = answer
        self._seconds = seconds
        self._clock = clock or _Clock()
        self.limits: list[float] = []

    def ask(self, question: Question, limit: float) -> Reply | None:
        self.limits.append(limit)
        self._clock.now += min(self._seconds, limit)
        if isinstance(self._answer, Exception):
            raise self._answer
        if self._seconds > limit:
            raise TooLong
        return None if self._answer is None else Reply(self._answer, self._seconds, 0.1)

    def close(self) -> None:
        pass


class _Requests:
    def forget(self) -> None:
        pass

    def counted(self) -> tuple[int, int]:
        return 3, 1000


def _measured(*sides: _Side) -> dict[str, object]:
    question = QUESTIONS[0]
    cells = runner.measure([question], sides, _Requests(), rounds=2, limit=2, enough=60, until=1e12)
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
    _rounds([ideal, ours, patient], limit=99)
    assert set(patient.limits) == {1 + 0.5 * runner.FAR_BEHIND}


def _rounds(sides: list[_Side], **how: Any) -> dict[str, runner.Cell]:
    """What the sides have taken for one question."""
    given: dict[str, Any] = {"rounds": 5, "limit": 60, "enough": 60, "until": 1e12, **how}
    return runner.measure([QUESTIONS[0]], sides, _Requests(), **given)[QUESTIONS[0].name]


@pytest.mark.parametrize(
    ("seconds", "how", "compared", "beside"),
    [
        (0.5, {}, 5, 5),
        (0.5, {"enough": 3.4}, 2, 2),  # three rounds take three times 1.5 seconds
        (0.5, {"enough": 2.9}, 2, 1),
        (0.5, {"enough": 0}, 2, 1),
        (0.5, {"until": 0.1}, 2, 1),
        (3.9, {"enough": 5}, 2, 1),
        (30, {}, 2, 1),
        (30, {"enough": 5, "rounds": 1}, 2, 1),
    ],
)
def test_rounds_end_after_some_seconds_but_the_two_that_are_compared_have_two(
    seconds: float, how: dict[str, Any], compared: int, beside: int
) -> None:
    clock = _Clock()
    sides = [_Side(name, [("a", 1)], seconds, clock) for name in ("ideal", "bitbucket_fdw", "loop")]
    cells = _rounds(sides, clock=clock, **how)
    counted = {name: len(cell.seconds) for name, cell in cells.items()}
    assert counted == {"ideal": compared, "bitbucket_fdw": compared, "loop": beside}
    # What is quick has a round that is not counted.
    assert len(sides[0].limits) == compared + (seconds < runner.LASTING)
    told = {side: cell.told() for side, cell in cells.items()}
    asked = {"numbers": {"0": {QUESTIONS[0].name: told}}}
    shown = report.table({"about": {"rounds": 5}, "questions": asked})
    fewer = (
        f"Rounds of the ideal client and of bitbucket_fdw, where fewer than 5: `page` {compared}."
    )
    assert (fewer in shown) == (compared < 5)


def test_who_would_be_ended_before_that_tells_anything_is_not_asked() -> None:
    clock = _Clock()
    ideal, ours, other = (
        _Side(name, [("a", 1)], 30, clock) for name in ("ideal", "bitbucket_fdw", "loop")
    )
    told = {side: cell.told() for side, cell in _rounds([ideal, ours, other], limit=59).items()}
    assert other.limits == []
    asked = {"numbers": {"0": {QUESTIONS[0].name: told}}}
    assert "| 30.000 | 1.00 × | - |" in report.table({"questions": asked})  # noqa: RUF001


class _Recorded:
    """A side that takes as long for each question as it took in the results that are kept."""

    def __init__(self, name: str, cells: dict[str, Any], clock: _Clock) -> None:
        self.name = name
        self._cells = cells
        self._clock = clock

    def ask(self, question: Question, limit: float) -> Reply | None:
        cell = self._cells[question.name][self.name]
        answer = None if cell["cannot"] else Failed("") if cell["failed"] else [("a", 1)]
        # Nobody knows how long it would have taken if it was ended.
        seconds = cell["median"] if cell["median"] is not None else limit + 1
        if answer is None or isinstance(answer, Failed):
            seconds = 0
        return _Side(self.name, answer, seconds, self._clock).ask(question, limit)

    def close(self) -> None:
        pass


def test_a_whole_run_takes_less_than_a_quarter_of_an_hour() -> None:
    """By what the answers took when it was run last."""
    kept = json.loads((CHECKOUT / "benchmarks" / "results" / "results.json").read_text())
    extent, clock = bench.WHOLE, _Clock()
    assert kept["about"]["scale"] == extent.scale
    for links, by_latency in kept["questions"].items():
        for cells in by_latency.values():
            names = [name for name in cells if links == "numbers" or BY_NAME[name].either]
            runner.measure(
                [BY_NAME[name] for name in names],
                [_Recorded(side, cells, clock) for side in cells[names[0]]],
                _Requests(),
                rounds=extent.rounds,
                limit=extent.limit,
                enough=extent.enough,
                until=1e12,
                clock=clock,
            )
    beside = 150  # seconds: two emulators and databases, and what is not a question
    assert clock.now + beside < 15 * 60


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
