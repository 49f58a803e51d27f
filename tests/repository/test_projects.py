"""The projects of the tests that share a process's local server."""

import re
from collections import defaultdict

from workshop.paths import ROOT

PROJECT = re.compile(
    r"""(?:\bproject=|\bPROJECT\ =\ |WANDB_PROJECT"?[:=]\ ?
    |\b(?:create|register)\([^()]*,\ |\bnewest\()["']([^"'{}]+)["']""",
    re.VERBOSE,
)
USES_THE_SERVER = re.compile(r"def (?!__)\w+\([^)]*\bserver\b(?!:)")
HAS_ITS_OWN = "def server("


def test_no_two_modules_share_a_project():
    """What one of them logged would be among the runs of the other, if one process tests both."""
    modules = defaultdict(set)
    for path in (ROOT / "tests").rglob("test_*.py"):
        text = path.read_text()
        if USES_THE_SERVER.search(text) and HAS_ITS_OWN not in text:
            for project in PROJECT.findall(text):
                modules[project].add(path.relative_to(ROOT).as_posix())
    assert len(modules) > 20
    assert {project: sorted(found) for project, found in modules.items() if len(found) > 1} == {}
