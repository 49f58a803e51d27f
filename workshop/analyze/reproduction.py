"""Reproduce a run: repeat its training with its stored configuration, and compare the metrics.

Known differences between the two are listed in any case: code, packages, hardware.
"""

import math
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweepserver.search.values import number
from workshop._compat import client_errors, save_sweep_values
from workshop.analyze.plots.style import value_text
from workshop.analyze.report.environment import of_run
from workshop.errors import WorkshopError
from workshop.initialize.server_paths import path_of
from workshop.paths import ROOT
from workshop.trainer.config import TrainingConfig, resolve, stored
from workshop.trainer.metrics import METRICS
from workshop.wording import listed

if TYPE_CHECKING:
    import wandb

TOLERANCE = 0.01
"""The relative difference up to which two metrics agree."""

PACKAGES = "requirements.txt"
"""The file of a run in which the client lists the packages that were installed."""

NOT_ITS_OWN = ("WANDB_SERVICE", "WANDB_SWEEP_ID")
"""Variables of this process that the new run must not inherit: its client's and a sweep's."""

COMPARED = ("commit", "Python", "client", "host", "system", "CPUs", "GPU")
"""The facts of a run, by `report.environment`, that may change its result."""

MOST_PACKAGES = 5


@dataclass(frozen=True)
class Reproduction:
    """A run and its repetition; printed, it shows both results and the differences.

    Attributes:
        original: the path of the run, `entity/project/run`.
        again: the path of the run that repeated it.
        metrics: for each metric, the original's last value and the other's; NaN if not logged.
        differences: other differences: for each fact, the original's and the other's.
    """

    original: str
    again: str
    metrics: Mapping[str, tuple[float, float]]
    differences: Mapping[str, tuple[str, str]]

    @property
    def disagreeing(self) -> list[str]:
        """The metrics that differ by more than `TOLERANCE`, or that only one run has logged."""
        return [name for name, values in self.metrics.items() if not _agree(*values)]

    @property
    def verdict(self) -> str:
        """The verdict on whether the metrics agree, in a sentence."""
        if self.disagreeing:
            return (
                f"The metrics do not agree: {listed(self.disagreeing)} differ by more than 1 %. "
                "GPUs, or a different number of threads, add numbers in a different order."
            )
        if all(old == new for old, new in self.metrics.values() if not math.isnan(old)):
            return "The metrics agree exactly."
        return "The metrics agree to within 1 %."

    def __str__(self) -> str:
        lines = [f"Run {self.original}, again as {self.again}:"]
        lines += [
            f"  {name}: {value_text(old)}, again {value_text(new)}"
            for name, (old, new) in self.metrics.items()
            if not math.isnan(old) or not math.isnan(new)
        ]
        lines.append(self.verdict)
        lines += [
            f"  {name} was {old or 'not recorded'}, now {new or 'not recorded'}"
            for name, (old, new) in self.differences.items()
        ]
        if not self.differences:
            lines.append("Commit, packages, Python and hardware are the same.")
        lines.append(
            "The seed is the same. The data set has the same name; runs don't record more about it."
        )
        return "\n".join(lines)


def reproduce(path: str) -> Reproduction:
    """Repeat a run's training as a new run of the same project, and compare the two.

    Args:
        path: the run, `entity/project/run`.

    Raises:
        WorkshopError: there is no such run, it has not finished, its program isn't the kit's, or
            the training fails.
    """
    original = _run(path)
    if original.state != "finished":
        raise WorkshopError(
            f"run {path} is {original.state}, so it has no result to reproduce: give a finished run"
        )
    again = _train(original, _configuration(original))
    metrics = {name: (_value(original, name), _value(again, name)) for name in METRICS}
    return Reproduction(path, path_of(again), metrics, _differences(original, again))


def _agree(old: float, new: float) -> bool:
    if math.isnan(old) or math.isnan(new):
        return math.isnan(old) and math.isnan(new)
    return math.isclose(old, new, rel_tol=TOLERANCE)


def _run(path: str) -> "wandb.apis.public.Run":
    import wandb

    if len(path.split("/")) != 3:
        raise WorkshopError(f"{path!r} is not the path of a run: give entity/project/run")
    try:
        return wandb.Api().run(path)
    except client_errors() as error:
        raise WorkshopError(f"run {path} cannot be read: {error}") from None


def _configuration(run: "wandb.apis.public.Run") -> dict[str, Any]:
    """Return the configuration of a run of the kit's program."""
    found = stored(run.config)
    missing = [name for name in TrainingConfig.model_fields if name not in found]
    if missing:
        raise WorkshopError(
            f"run {path_of(run)} lacks part of the configuration of workshop/wandb_sweep.py "
            f"({missing[0]}): only runs of this version's program can be reproduced"
        )
    values = {name: found[name] for name in TrainingConfig.model_fields}
    resolve(swept=values)
    return values


def _train(original: "wandb.apis.public.Run", values: Mapping[str, Any]) -> "wandb.apis.public.Run":
    """Run the kit's program with these values in its own process; return its run."""
    run_id = secrets.token_hex(4)
    own = {name: value for name, value in os.environ.items() if name not in NOT_ITS_OWN}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "config.yaml")
        save_sweep_values(file, dict(values))
        variables = {
            "WANDB_ENTITY": original.entity,
            "WANDB_PROJECT": original.project,
            "WANDB_RUN_ID": run_id,
            "WANDB_NAME": f"{original.name} again",
            "WANDB_NOTES": f"Reproduces {path_of(original)}",
            "WANDB_SWEEP_PARAM_PATH": str(file),  # as an agent hands values on, types and all
        }
        done = subprocess.run(
            [sys.executable, "-m", "workshop.wandb_sweep"],
            cwd=ROOT,
            env=own | variables,
            check=False,
        )
    if done.returncode:
        raise WorkshopError(
            f"the training ended with exit status {done.returncode}: see its output above"
        )
    return _run(f"{original.entity}/{original.project}/{run_id}")


def _value(run: "wandb.apis.public.Run", name: str) -> float:
    found = number(run.summary_metrics.get(name))
    return math.nan if found is None else float(found)


def _differences(
    original: "wandb.apis.public.Run", again: "wandb.apis.public.Run"
) -> dict[str, tuple[str, str]]:
    old, new = (of_run(path_of(run)) for run in (original, again))
    found = {
        name: (old.get(name, ""), new.get(name, ""))
        for name in COMPARED
        if old.get(name) != new.get(name)
    }
    return found | _package_differences(_packages(original), _packages(again))


def _package_differences(
    old: Mapping[str, str], new: Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    if not old or not new:
        return {} if old == new else {"packages": (_number(old), _number(new))}
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    shown = {f"package {name}": (old.get(name, ""), new.get(name, "")) for name in names}
    if len(names) <= MOST_PACKAGES:
        return shown
    kept = dict(list(shown.items())[:MOST_PACKAGES])
    more = f"{len(names) - MOST_PACKAGES} more in another version"
    return kept | {"other packages": (_number(old), f"{_number(new)}, {more}")}


def _number(packages: Mapping[str, str]) -> str:
    return f"{len(packages)} packages" if packages else ""


def _packages(run: "wandb.apis.public.Run") -> dict[str, str]:
    """Return the versions of the packages that the client recorded; empty if unknown."""
    with suppress(OSError, *client_errors()), tempfile.TemporaryDirectory() as folder:
        run.file(PACKAGES).download(root=folder, replace=True).close()
        text = Path(folder, PACKAGES).read_text()
        return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))
    return {}
