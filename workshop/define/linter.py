"""Lint a sweep configuration, to find its problems before an agent does.

The search itself checks whether the sweep can be searched.  This module checks the command, and
compares parameters and metrics with the schema of the program (`schema`).
"""

import ast
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sweepserver import search
from sweepserver.search.values import closest
from workshop.define import command
from workshop.define.schema import TRAINER, Schema, find
from workshop.errors import WorkshopError
from workshop.paths import ROOT
from workshop.trainer.config import POINT


def check(config: Any, source: str = "the sweep configuration") -> None:
    """Raise a `WorkshopError` with the first finding of `lint` and the number of further ones."""
    findings = lint(config)
    if findings:
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        raise WorkshopError(f"{source}: {findings[0]}{more}")


def lint(config: Any) -> list[str]:
    """Return the problems of a sweep configuration, a sentence each; empty if there are none."""
    if not isinstance(config, Mapping):
        return [f"it is a {type(config).__name__}, not a mapping of sections such as method"]
    config = dict(config)
    try:
        schema = find(config)
    except WorkshopError as error:
        return [str(error)]
    return [
        *search.warnings(config),
        *command.problems(config),
        *search.problems(config),
        *(_lint_metrics(config, schema) if schema and schema.logged else ()),
        *_lint_parameters(config, schema),
        *_lint_scheduler(config.get("scheduler")),
    ]


def _lint_metrics(config: Mapping, schema: Schema) -> Iterator[str]:
    """Find metrics that the program never logs."""
    metrics = config.get("metrics")
    for metric in [config.get("metric"), *(metrics if isinstance(metrics, list) else ())]:
        name = metric.get("name") if isinstance(metric, Mapping) else None
        if isinstance(name, str) and name not in schema.logged:
            yield (
                f"metric name is {name!r}, which the program never logs: "
                f"it must be one of {', '.join(schema.metrics)}{closest(name, schema.logged)}"
            )


def _lint_scheduler(scheduler: Any) -> Iterator[str]:
    """Find a scheduler's source file, or functions in it, that don't exist."""
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
        yield f"scheduler source {source!r} is not valid Python: {error}"
        return
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    for key in ("search_space", "optimizer"):
        name = scheduler.get(key)
        if name is not None and name not in defined:
            yield (
                f"scheduler {key} is {name!r}, but {source} defines no such function"
                f"{closest(name, defined)}"
            )


def _lint_parameters(config: Mapping, schema: Schema | None) -> Iterator[str]:
    """Find parameters and values that the search or, by its schema, the program would refuse."""
    parameters, method = config.get("parameters"), config.get("method")
    for name, settings in parameters.items() if isinstance(parameters, Mapping) else ():
        if search.is_misplaced(name, settings):
            continue  # the search says so
        if schema is None:
            yield from _lint_any(name, settings, method)
        elif name == POINT and schema is TRAINER:
            yield from _lint_points(settings, schema)
        else:
            yield from _lint_known(name, settings, method, schema)


def _lint_known(name: str, settings: Any, method: object, schema: Schema) -> Iterator[str]:
    """Find problems of a parameter of a program with a schema."""
    inner = settings.get("parameters") if isinstance(settings, Mapping) else None
    is_group = any(known.startswith(f"{name}.") for known in schema.parameters)
    if name in schema.parameters and name not in schema.mappings:
        if isinstance(settings, Mapping) and "parameters" in settings:
            yield f"parameter {name!r} is nested, but the program takes one value for it"
        else:
            yield from _lint_settings(name, settings, method, schema.error)
    elif is_group and isinstance(inner, Mapping):
        for key, value in inner.items():
            yield from _lint_known(f"{name}.{key}", value, method, schema)
    elif name in schema.mappings or is_group or schema.is_open:
        yield from _lint_any(name, settings, method)
    else:
        yield _unknown(name, schema)


def _lint_any(name: str, settings: Any, method: object) -> Iterator[str]:
    """Find problems of a parameter of a program without a schema."""
    inner = settings.get("parameters") if isinstance(settings, Mapping) else None
    if isinstance(inner, Mapping):
        for key, value in inner.items():
            yield from _lint_any(f"{name}.{key}", value, method)
    else:
        yield from _lint_settings(name, settings, method, lambda _name, _value: None)


def _lint_points(settings: Any, schema: Schema) -> Iterator[str]:
    """Find points that aren't mappings of parameters, or have values that would be refused."""
    values = settings.get("values") if isinstance(settings, Mapping) else None
    if not isinstance(values, list):
        yield f"parameter {POINT!r} must have values, a list of mappings from parameter to value"
        return
    for point in values:
        if not isinstance(point, Mapping):
            yield f"parameter {POINT!r} lists {point!r}: it must be a mapping of parameters"
            continue
        for name, value in point.items():
            if name not in schema.parameters:
                yield _unknown(name, schema)
            elif error := schema.error(name, value):
                yield f"parameter {name!r} {error}"


def _unknown(name: str, schema: Schema) -> str:
    """Return that the program has no such parameter."""
    return f"parameter {name!r} is not one that the program knows{closest(name, schema.parameters)}"


ErrorOf = Callable[[str, Any], str | None]
"""Returns the problem of a parameter's value; None if there is none."""


def _lint_settings(name: str, settings: Any, method: object, error_of: ErrorOf) -> Iterator[str]:
    """Find problems of the values of a parameter that can be searched."""
    if not any(search.parameter_problems(settings, method)):
        for finding in _value_findings(name, settings, method, error_of):
            yield f"parameter {name!r} {finding}"


def _value_findings(name: str, settings: dict, method: object, error_of: ErrorOf) -> Iterator[str]:
    kind = search.distribution(settings)
    errors: Iterable[str | None]
    if extremes := method != "grid" and search.extremes(settings):
        if kind.startswith("q_") and (finding := _lint_step(name, settings, extremes[0], error_of)):
            yield finding
            return
        errors = [_drawn_error(name, value, error_of) for value in _probes(settings, *extremes)]
        errors = [*filter(None, errors)][:1]
    elif kind in search.ON_A_GRID or kind.startswith("categorical"):
        yield from _lint_repetitions(settings.get("values", ()))
        errors = (error_of(name, value) for value in search.axis(settings))
    else:
        return
    yield from dict.fromkeys(error for error in errors if error)


def _probes(settings: dict, low: float, high: float) -> tuple[float, ...]:
    """Return sample values of a range: the extremes, and one between them of the same kind."""
    kind = search.distribution(settings)
    if kind == "int_uniform":
        return low, high
    if kind.startswith("q_"):
        return low, min(low + search.step(settings), high), high
    return low + 0.37 * (high - low), low, high  # not the middle, which may be an integer


def _drawn_error(name: str, value: float, error_of: ErrorOf) -> str | None:
    """Return the problem of a drawn value, written with as few digits as possible."""
    return error_of(name, value) and (
        error_of(name, float(f"{value:.6g}")) or error_of(name, value)
    )


def _lint_step(name: str, settings: dict, lowest: float, error_of: ErrorOf) -> str | None:
    """Find a step that rounds draws to a single value, or to an invalid one."""
    step = search.step(settings)
    low, high = search.quantile(settings, 0), search.quantile(settings, 1)
    if step > (high - low) * (1 + 1e-9):  # 0.3 - 0.1 is a little less than 0.2
        return (
            f"has q {step!r}, which is coarser than its range from {low:g} to {high:g}: q is the "
            "step between drawn values, 1 by default"
        )
    if error_of(name, lowest) and not error_of(name, low):
        return f"has q {step!r}, which rounds min {low:g} to {lowest:g}: make q at most {low:g}"
    return None


def _lint_repetitions(values: list) -> Iterator[str]:
    """Find values that are listed twice, which a search treats as one."""
    written = {search.same(value): value for value in reversed(values)}
    for key, times in Counter(map(search.same, values)).items():
        if times > 1:
            yield f"lists {written[key]!r} {times} times: list every value once"
