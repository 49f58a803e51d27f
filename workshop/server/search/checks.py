"""Whether a sweep's configuration can be searched, and if not, why, in one sentence.

What W&B's own engine (https://github.com/wandb/sweeps) refuses or cannot search is refused here.
"""

from workshop.server.search import hyperband
from workshop.server.search.parameter_checks import check_parameter
from workshop.server.search.parameters import SearchError, flatten, is_count, is_number, is_single
from workshop.server.values import shorten

METHODS = ("grid", "random", "bayes")
# By which methods the schedulers search that run in a user's process.
ENGINES = {"wandb": METHODS, "optuna": ("custom",), "ax": ("custom",)}
GOALS = ("minimize", "maximize")


def check(config: object) -> None:
    """See whether a sweep can be searched, by the server or by the process that it names.

    Raises:
        SearchError: It cannot.
    """
    if not isinstance(config, dict):
        raise SearchError("A sweep's configuration must be a mapping of keys to values.")
    methods = methods_of(config)
    method = config.get("method")
    if method not in methods:
        hint = " with a scheduler or a local controller alone" if method == "custom" else ""
        raise SearchError(f"method is {shorten(method)}{hint}, expected {' or '.join(methods)}.")
    cap = config.get("run_cap")
    if cap is not None and not is_count(cap):
        raise SearchError(f"run_cap is {shorten(cap)}, but must be a whole number of at least 1.")
    # Schedulers and local controllers stop runs by rules of their own.
    is_elsewhere = config.get("scheduler") is not None or "custom" in methods
    stopping = None if is_elsewhere else config.get("early_terminate")
    if stopping is not None:
        hyperband.check(stopping)
    if config.get("metric") is not None:
        check_metric(config["metric"])
    elif method == "bayes" or stopping is not None:
        raise SearchError(
            f"{'method bayes' if method == 'bayes' else 'early_terminate'} needs to know what is "
            "good: add a metric such as {name: loss, goal: minimize}."
        )
    if config.get("parameters") is not None or config.get("scheduler") is None:
        check_parameters(config.get("parameters"), method)


def methods_of(config: dict) -> tuple[str, ...]:
    """Return the methods of who searches: the server, a scheduler or a local controller.

    Raises:
        SearchError: Nobody can be told to search like this.
    """
    controller, scheduler = config.get("controller"), config.get("scheduler")
    if scheduler is None and controller is None:
        return METHODS
    if scheduler is None:
        kind = controller.get("type") if isinstance(controller, dict) else None
        if kind not in ("local", "cloud"):
            raise SearchError(
                f"controller is {shorten(controller)}, but must be {{type: local}}; remove it and "
                "the server searches."
            )
        return (*METHODS, "custom") if kind == "local" else METHODS
    engine = scheduler.get("engine") if isinstance(scheduler, dict) else None
    if not isinstance(engine, str) or engine not in ENGINES:
        raise SearchError(
            f"scheduler is {shorten(scheduler)}, but must be a mapping with an engine, one of "
            f"{', '.join(ENGINES)}; remove it and the server searches."
        )
    if controller is not None:
        raise SearchError("scheduler and controller cannot be used together; remove one of them.")
    return ENGINES[engine]


def check_metric(metric: object) -> None:
    """Raise a SearchError if a metric has no name, or a goal or a target without sense."""
    name = metric.get("name") if isinstance(metric, dict) else None
    if not isinstance(name, str) or not name:
        raise SearchError(
            f"metric is {shorten(metric)}, but must be a mapping such as "
            "{name: loss, goal: minimize}."
        )
    goal, target = metric.get("goal", GOALS[0]), metric.get("target")
    if goal not in GOALS:
        raise SearchError(f"metric has goal {shorten(goal)}, expected {' or '.join(GOALS)}.")
    if target is not None and not is_number(target):
        raise SearchError(f"metric has target {shorten(target)}, but it must be a finite number.")


def check_parameters(parameters: object, method: str) -> None:
    """Raise a SearchError if the parameters cannot be searched by a method."""
    if not isinstance(parameters, dict) or not parameters:
        raise SearchError("parameters must map at least one parameter's name to its settings.")
    found = list(flatten(parameters))
    for path, settings in found:
        check_parameter(".".join(path), settings, method)
    if method == "bayes" and all(is_single(settings) for _, settings in found):
        raise SearchError(
            "method bayes needs a parameter with more than one value: give one a range or values."
        )
