"""Learners of other kinds than the solutions' answer every exercise, in order, as they would.

One knows W&B and the shell, the other Python and pandas.  Each has one kernel for all notebooks,
in which their attempts take the place of the cells tagged `solution`.
"""

import re
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile

import nbclient
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.learners import RIGHT, Answers, shell, stepwise
from workshop.batch.execution import KERNELS
from workshop.exercises import JUDGES
from workshop.exercises.generate import SOLUTIONS, TAG, solutions

pytestmark = pytest.mark.slow

LEARNERS = {"shell": shell.ANSWERS, "stepwise": stepwise.ANSWERS}
ON_CLUSTER = ("3.6", "3.7")
"""Exercises of arrays that take minutes, which `test_exercises` submits; nothing follows them."""
RAISED = "The cell raised an error:"
NUMBERS = [number for number in JUDGES if number not in ON_CLUSTER]
LONG = ("print(as_text(try_out(", "plots.show(")
"""What a learner looks at and no answer depends on, and what takes seconds."""


def cells(learner: str, answers: Answers) -> Iterator[nbformat.NotebookNode]:
    """Yield what a learner runs; the metadata of a check and of its answer name the exercise."""
    for path in solutions():
        # What one notebook has named, the next doesn't know.
        yield new_code_cell("%reset_selective -f .")
        answered = False
        notebook = nbformat.read(path, as_version=4).cells
        for cell in takewhile(lambda cell: not cell.source.startswith("## 3.6"), notebook):
            tags = cell.metadata.get("tags", [])
            check = re.match(r'check\("([\d.]+)"', cell.source)
            if TAG in tags:
                answered = True
            elif check:
                assert answered, f"exercise {check[1]} has no cell tagged {TAG}"
                for attempt, (source, _) in enumerate(answers[check[1]]):
                    for part in (textwrap.dedent(source).strip(), cell.source):
                        yield new_code_cell(part, metadata={"attempt": (check[1], attempt)})
                answered = False
            elif cell.cell_type == "code":
                shown = "".join(
                    line
                    for line in cell.source.splitlines(keepends=True)
                    if not line.startswith(LONG)
                )
                own = shown.replace('project = "sweep-exercises', f'project = "{learner}')
                yield new_code_cell(own)


@pytest.fixture(scope="module")
def printed(server) -> dict[str, dict[str, list[str]]]:
    """What each learner reads after each attempt, by exercise."""

    def execute(learner: str) -> dict[str, list[str]]:
        notebook = new_notebook(cells=[*cells(learner, LEARNERS[learner])])
        nbclient.NotebookClient(
            notebook, resources={"metadata": {"path": str(SOLUTIONS)}}, config=KERNELS,
            allow_errors=True,
        ).execute()  # fmt: skip
        read: dict[str, dict[int, str]] = defaultdict(lambda: defaultdict(str))
        before = ""  # what the exercise's own cells print
        for cell in notebook.cells:
            before += "".join(map(in_words, cell.outputs))
            if "attempt" in cell.metadata:
                number, attempt = cell.metadata["attempt"]
                read[number][attempt] += before
                before = ""
        return {number: list(attempts.values()) for number, attempts in read.items()}

    with ThreadPoolExecutor() as pool:
        return dict(zip(LEARNERS, pool.map(execute, LEARNERS), strict=True))


def in_words(output: nbformat.NotebookNode) -> str:
    if output.output_type == "error":
        return "\n".join([RAISED, *output.traceback])
    return output.get("text", "")


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("number", NUMBERS)
def test_natural_answers_are_judged_by_what_they_mean(printed, learner, number):
    attempts = LEARNERS[learner][number]
    for (cell, told), words in zip(attempts, printed[learner][number], strict=True):
        said = f"{cell}\n{words}"
        assert RAISED not in words, said
        verdict = re.findall(rf"^Exercise {number}: (.*)$", words, re.MULTILINE)
        assert verdict == ["right" if told == RIGHT else "not there yet"], said
        assert told in words, said
    assert attempts[-1].told == RIGHT
