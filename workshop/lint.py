"""Find what is wrong with a sweep configuration before an agent does.

Whether a sweep can be searched at all, the search itself says; here its parameters, metrics and
command are compared with the program of this kit.
"""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from workshop import command
from workshop.config import LOGGED, METRICS, POINT, TrainingConfig, closest, field_error
from workshop.errors import WorkshopError
from workshop.paths import ROOT
from workshop.server import search


def check(config: Any, source: str = "the sweep configuration") -> None:
    """Raise a `WorkshopError` with the first finding of `lint` and the number of the others."""
    findings = lint(config)
    if findings:
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        raise WorkshopError(f"{source}: {findings[0]}{more}")


def lint(config: Any) -> list[str]:
    """Return what is wrong with a sweep configuration, a sentence each; empty if nothing is."""
    if not isinstance(config, Mapping):
        return [f"the file holds a {type(config).__name__}, not a mapping of sections like method"]
    config = dict(config)
    return [
        *search.warnings(config),
        *command.problems(config),
        *search.problems(config),
        *_lint_metrics(config),
        *_lint_parameters(config),
        *_lint_scheduler(config.get("scheduler")),
    ]


def _lint_metrics(config: Mapping) -> Iterator[str]:
    """Find metrics that the program never logs."""
    metrics = config.get("metrics")
    for metric in [config.get("metric"), *(metrics if isinstance(metrics, list) else ())]:
        name = metric.get("name") if isinstance(metric, Mapping) else None
        if isinstance(name, str) and name not in LOGGED:
            yield (
                f"metric name is {name!r}, which the program never logs: "
                f"it must be one of {', '.join(METRICS)}{closest(name, LOGGED)}"
            )


def _lint_scheduler(scheduler: Any) -> Iterator[str]:
    """Find a file of a scheduler, or functions in it, that are not there."""
    source = scheduler.get("source") if isinstance(scheduler, Mapping) else None
    if source is None:
        return
    path = ROOT / str(source)
    if not path.is_file():
        yield f"scheduler source {source!r} does not exist: give its path within the clone"
        return
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        yield f"scheduler source {source!r} is no Python: {error}"
        return
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    for key in ("search_space", "optimizer"):
        name = scheduler.get(key)
        if name is not None and name not in defined:
            yield (
                f"scheduler {key} is {name!r}, but {source} defines no such function"
                f"{closest(name, defined)}"
            )


def _lint_parameters(config: Mapping) -> Iterator[str]:
    """Find parameters that the program does not know, and values that it would refuse."""
    parameters, method = config.get("parameters"), config.get("method")
    for name, settings in parameters.items() if isinstance(parameters, Mapping) else ():
        if name == POINT:
            yield from _lint_points(settings)
        elif name not in TrainingConfig.model_fields:
            yield _unknown(name)
        elif isinstance(settings, Mapping) and "parameters" in settings:
            yield f"parameter {name!r} is nested, but the program takes one value for it"
        elif not any(search.parameter_problems(settings, method)):
            for finding in _lint_settings(name, settings, method):
                yield f"parameter {name!r} {finding}"


def _lint_points(settings: Any) -> Iterator[str]:
    """Find points that are no mappings of parameters, or hold values that are refused."""
    values = settings.get("values") if isinstance(settings, Mapping) else None
    if not isinstance(values, list):
        yield f"parameter {POINT!r} must have values, a list of mappings from parameter to value"
        return
    for point in values:
        if not isinstance(point, Mapping):
            yield f"parameter {POINT!r} lists {point!r}: it must be a mapping of parameters"
            continue
        for name, value in point.items():
            if name not in TrainingConfig.model_fields:
                yield _unknown(name)
            elif error := field_error(name, value):
                yield f"parameter {name!r} {error}"


def _unknown(name: str) -> str:
    """Say that the program has no such parameter."""
    return (
        f"parameter {name!r} is not one that the program knows"
        f"{closest(name, TrainingConfig.model_fields)}"
    )


def _lint_settings(name: str, settings: dict, method: str) -> Iterator[str]:
    kind = search.distribution(settings)
    if extremes := method != "grid" and search.extremes(settings):
        if kind.startswith("q_") and (finding := _lint_step(name, settings, extremes[0])):
            yield finding
            return
        errors = [_drawn_error(name, value) for value in _probes(settings, *extremes)]
        errors = [*filter(None, errors)][:1]
    elif kind in search.ON_A_GRID or kind.startswith("categorical"):
        yield from _lint_repetitions(settings.get("values", ()))
        errors = (field_error(name, value) for value in search.axis(settings))
    else:
        return
    yield from dict.fromkeys(error for error in errors if error)


def _probes(settings: dict, low: float, high: float) -> tuple[float, ...]:
    """Return values that are drawn: the extremes, and one between them of the same kind."""
    kind = search.distribution(settings)
    if kind == "int_uniform":
        return low, high
    if kind.startswith("q_"):
        return low, min(low + search.step(settings), high), high
    return low + 0.37 * (high - low), low, high  # not the middle, which may be whole


def _drawn_error(name: str, value: float) -> str | None:
    """Say what is wrong with a value that is drawn, in as few digits as show it."""
    return field_error(name, value) and (
        field_error(name, float(f"{value:.6g}")) or field_error(name, value)
    )


def _lint_step(name: str, settings: dict, lowest: float) -> str | None:
    """Find a step that rounds what is drawn to one value, or to what is no value at all."""
    step = search.step(settings)
    low, high = search.quantile(settings, 0), search.quantile(settings, 1)
    if step > (high - low) * (1 + 1e-9):  # 0.3 - 0.1 is a little less than 0.2
        return (
            f"has q {step!r}, which is coarser than its range from {low:g} to {high:g}: q is the "
            "step between the values that are drawn, 1 unless it is given"
        )
    if field_error(name, lowest) and not field_error(name, low):
        return f"has q {step!r}, which rounds min {low:g} to {lowest:g}: make q at most {low:g}"
    return None


def _lint_repetitions(values: list) -> Iterator[str]:
    """Find values that are listed twice, which a search takes as one."""
    written = {search.same(value): value for value in reversed(values)}
    for key, times in Counter(map(search.same, values)).items():
        if times > 1:
            yield f"lists {written[key]!r} {times} times: list every value once"
