"""Find what is wrong with a sweep configuration before an agent does.

The form is W&B's (https://docs.coreweave.com/products/wandb/sweeps/define-sweep-configuration);
names of parameters and metrics are checked against what the trainer knows.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from workshop.config import METRICS, TrainingConfig, closest, field_error
from workshop.errors import WorkshopError
from workshop.paths import ROOT

METHODS = ("grid", "random", "bayes")
GOALS = ("minimize", "maximize")
SECTIONS = (
    "program", "method", "metric", "parameters", "command", "name", "description", "project",
    "entity", "run_cap", "early_terminate", "controller", "scheduler",
)  # fmt: skip
DISTRIBUTIONS = (
    "constant", "categorical", "categorical_w_probabilities", "uniform", "int_uniform",
    "q_uniform", "log_uniform", "log_uniform_values", "q_log_uniform", "q_log_uniform_values",
    "inv_log_uniform", "inv_log_uniform_values", "normal", "q_normal", "log_normal",
    "q_log_normal", "beta", "q_beta",
)  # fmt: skip
SPECIFICATION = (
    "value", "values", "probabilities", "distribution", "min", "max", "mu", "sigma", "q", "a", "b",
    "parameters",
)  # fmt: skip

EARLY_TERMINATE = ("type", "min_iter", "max_iter", "s", "eta", "strict")


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
    return [
        *_lint_sections(config),
        *_lint_method(config),
        *_lint_metric(config),
        *_lint_early_terminate(config.get("early_terminate")),
        *_lint_parameters(config),
    ]


def _lint_sections(config: Mapping) -> Iterator[str]:
    for section in config:
        if section not in SECTIONS:
            yield f"section {section!r} is not known{closest(section, SECTIONS)}"
    program = config.get("program")
    if not program:
        yield "section 'program' is missing: name the program that agents run"
    elif not (ROOT / str(program)).is_file():
        yield f"program {program!r} does not exist: give its path within the clone"
    run_cap = config.get("run_cap", 1)
    if type(run_cap) is not int or run_cap < 1:
        yield f"run_cap is {run_cap!r}: it must be a whole number, 1 or more"


def _lint_method(config: Mapping) -> Iterator[str]:
    method = config.get("method")
    if method not in METHODS:
        yield f"method is {method!r}: it must be one of {', '.join(METHODS)}" + closest(
            method, METHODS
        )


def _lint_metric(config: Mapping) -> Iterator[str]:
    metric = config.get("metric")
    if metric is None:
        if config.get("method") == "bayes":
            yield "section 'metric' is missing: method bayes must know what to improve"
        elif config.get("early_terminate") is not None:
            yield "section 'metric' is missing: early_terminate must know which runs are worse"
        return
    if not isinstance(metric, Mapping):
        yield f"metric is {metric!r}: it must have a name and a goal"
        return
    if metric.get("name") not in METRICS:
        yield (
            f"metric name is {metric.get('name')!r}, which the program never logs: "
            f"it must be one of {', '.join(METRICS)}{closest(metric.get('name'), METRICS)}"
        )
    if metric.get("goal") not in GOALS:
        yield f"metric goal is {metric.get('goal')!r}: it must be one of {', '.join(GOALS)}"


def _lint_early_terminate(settings: Any) -> Iterator[str]:
    if settings is None:
        return
    if not isinstance(settings, Mapping) or settings.get("type") != "hyperband":
        yield f"early_terminate is {settings!r}: it must be a mapping with type: hyperband"
        return
    for key, value in settings.items():
        if key not in EARLY_TERMINATE:
            yield (
                f"early_terminate has the key {key!r}, which is not known"
                f"{closest(key, EARLY_TERMINATE)}"
            )
        elif key in ("min_iter", "max_iter", "s") and (type(value) is not int or value < 1):
            yield f"early_terminate has {key} {value!r}: it must be a whole number, 1 or more"
    eta = settings.get("eta", 3)
    if isinstance(eta, bool) or not isinstance(eta, int | float) or eta <= 1:
        yield f"early_terminate has eta {eta!r}: it must be a number above 1"
    if not isinstance(settings.get("strict", False), bool):
        yield f"early_terminate has strict {settings['strict']!r}: it must be true or false"
    if "min_iter" not in settings and not {"max_iter", "s"} <= set(settings):
        yield "early_terminate needs min_iter, or max_iter and s: how many epochs a run is spared"


def _lint_parameters(config: Mapping) -> Iterator[str]:
    parameters = config.get("parameters")
    if not isinstance(parameters, Mapping) or not parameters:
        yield f"parameters is {parameters!r}: it must map each parameter to its values or range"
        return
    for name, specification in parameters.items():
        if name not in TrainingConfig.model_fields:
            yield (
                f"parameter {name!r} is not one that the program knows"
                f"{closest(name, TrainingConfig.model_fields)}"
            )
        elif not isinstance(specification, Mapping):
            yield f"parameter {name!r} is {specification!r}: write value:, values: or min: and max:"
        else:
            for finding in _lint_specification(name, specification, config.get("method")):
                yield f"parameter {name!r} {finding}"


def _lint_specification(name: str, specification: Mapping, method: Any) -> Iterator[str]:
    for key in specification:
        if key not in SPECIFICATION:
            yield f"has the key {key!r}, which is not known{closest(key, SPECIFICATION)}"
    distribution = specification.get("distribution")
    if distribution is not None and distribution not in DISTRIBUTIONS:
        yield f"has the distribution {distribution!r}, which is not known" + closest(
            distribution, DISTRIBUTIONS
        )
    step = specification.get("q", 1)
    if isinstance(step, bool) or not isinstance(step, int | float) or step <= 0:
        yield f"has q {step!r}: it must be a number above 0"
        return
    if "value" in specification:
        values = [specification["value"]]
    elif "values" in specification:
        values = specification["values"]
        if not isinstance(values, list) or not values:
            yield f"has values: {values!r}, which is no list: write [{values}], or value: {values}"
            return
        for value, times in Counter(map(repr, values)).items():
            if times > 1:
                yield f"lists {value} {times} times: list every value once"
    elif "min" in specification and "max" in specification:
        values = [specification["min"], specification["max"]]
        if method == "grid" and distribution not in ("int_uniform", "q_uniform"):
            yield "has a range, which a grid cannot enumerate: list values, or use method random"
        elif not all(isinstance(end, int | float) for end in values) or values[0] >= values[1]:
            yield f"has min {values[0]!r} and max {values[1]!r}: min must be a number below max"
            return
        if str(distribution).startswith("q_") and method != "grid":
            yield from _lint_step(name, str(distribution), *values, step)
        if _takes_exponents(str(distribution)):
            return  # here min and max are exponents, not values of the parameter
    elif {"mu", "sigma"} & set(specification) or "beta" in str(distribution):
        if method == "grid":
            yield "has a distribution without ends, which a grid cannot enumerate: list values"
        return
    else:
        yield "has no value, values, or min and max"
        return
    for value in values:
        if error := field_error(name, value):
            yield error


def _takes_exponents(distribution: str) -> bool:
    return "log_uniform" in distribution and not distribution.endswith("values")


def _lint_step(name: str, distribution: str, low: float, high: float, step: float) -> Iterator[str]:
    """Find a step that rounds what is drawn to one value, or to what is no value at all."""
    if _takes_exponents(distribution):
        try:
            low, high = math.exp(low), math.exp(high)
        except OverflowError:
            return
    if not all(map(math.isfinite, (low, high, step))):
        return
    rounded = round(low / step) * step
    if step > (high - low) * (1 + 1e-9):  # 0.3 - 0.1 is a little less than 0.2
        yield (
            f"has q {step!r}, which is coarser than its range from {low:g} to {high:g}: q is the "
            "step between the values that are drawn, 1 unless it is given"
        )
    elif field_error(name, rounded) and not field_error(name, low):
        yield f"has q {step!r}, which rounds min {low:g} to {rounded:g}: make q at most {low:g}"
