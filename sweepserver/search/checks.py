"""Whether a sweep's configuration can be searched, and if not, why.

What W&B's own engine (https://github.com/wandb/sweeps) refuses or cannot search is refused here.
Each finding is a sentence without its full stop, because it may stand in a list.
"""

from collections.abc import Generator, Iterable, Iterator

from sweepserver.search import hyperband, numerals
from sweepserver.search.grid import axis
from sweepserver.search.metric import DEFAULT_GOAL, GOALS
from sweepserver.search.parameter_checks import parameter_problems
from sweepserver.search.parameters import SearchError, flatten, is_count, is_number, is_single
from sweepserver.search.sections import is_misplaced
from sweepserver.search.values import MOST_PATH_CHARACTERS, closest, shorten

METHODS = ("grid", "random", "bayes")
# By which methods the schedulers search that run in a user's process.
ENGINES: dict[str, tuple[str, ...]] = {"wandb": METHODS, "optuna": ("custom",), "ax": ("custom",)}
MOST_VALUES_OF_AXES = 100_000  # of a grid together; they are held in memory


def check(config: object) -> None:
    """See whether a sweep can be searched, by the server or by the process that it names.

    Raises:
        SearchError: It cannot; the message is the first of `problems`.
    """
    for problem in problems(config):
        raise SearchError(f"{problem}.")


def problems(config: object) -> Iterator[str]:
    """Yield why a sweep cannot be searched; nothing if it can."""
    if not isinstance(config, dict):
        yield f"a sweep's configuration is {shorten(config)}: it must be a mapping of sections"
        return
    methods = yield from method_problems(config)
    cap = config.get("run_cap")
    if cap is not None and not is_count(cap):
        yield f"run_cap is {shorten(cap)}: it must be a whole number, 1 or more"
    # Schedulers and local controllers stop runs by rules of their own.
    is_elsewhere = config.get("scheduler") is not None or "custom" in methods
    stopping = None if is_elsewhere else config.get("early_terminate")
    if stopping is not None:
        yield from hyperband.problems(stopping)
    yield from metric_problems(config, is_stopping=stopping is not None)
    if config.get("parameters") is not None or config.get("scheduler") is None:
        yield from space_problems(config.get("parameters"), config.get("method"))


def method_problems(config: dict) -> Generator[str, None, tuple[str, ...]]:
    """Yield what is wrong with who searches and how; return the methods that there are."""
    methods: tuple[str, ...] = METHODS
    controller, scheduler = config.get("controller"), config.get("scheduler")
    if scheduler is not None:
        engine = scheduler.get("engine") if isinstance(scheduler, dict) else None
        if controller is not None:
            yield "scheduler and controller cannot be used together: remove one of them"
        if isinstance(engine, str) and engine in ENGINES:
            methods = ENGINES[engine]
        else:
            yield (
                f"scheduler is {shorten(scheduler)}: it must be a mapping with an engine, one of "
                f"{', '.join(ENGINES)}; without it the server searches"
            )
            return methods
    elif controller is not None:
        kind = controller.get("type") if isinstance(controller, dict) else None
        if kind == "local":
            methods = (*METHODS, "custom")
        elif kind != "cloud":
            yield (
                f"controller is {shorten(controller)}: it must be {{type: local}}; without it the "
                "server searches"
            )
    method = config.get("method")
    if method not in methods:
        hint = ", which needs a scheduler or a local controller" if method == "custom" else ""
        yield (
            f"method is {shorten(method)}{hint}: it must be "
            f"{'one of ' if len(methods) > 1 else ''}{', '.join(methods)}"
            f"{closest(method, methods)}"
        )
    return methods


def metric_problems(config: dict, *, is_stopping: bool) -> Iterator[str]:
    """Yield what is wrong with the metric or the metrics by which a sweep judges its runs."""
    metric, metrics = config.get("metric"), config.get("metrics")
    if metric is not None:
        yield from one_metric_problems(metric)
    elif config.get("method") == "bayes":
        yield (
            "section 'metric' is missing: method bayes must know what to improve, such as "
            "{name: loss, goal: minimize}"
        )
    elif is_stopping:
        yield (
            "section 'metric' is missing: early_terminate must know which runs are worse, such as "
            "by {name: loss, goal: minimize}"
        )
    if metrics is None:
        return
    if not isinstance(metrics, list) or len(metrics) < 2:
        yield f"metrics is {shorten(metrics)}: it must be a list of two mappings or more"
        return
    for each in metrics:
        yield from one_metric_problems(each)
    names = [each.get("name") for each in metrics if isinstance(each, dict)]
    for name in dict.fromkeys(names):
        if isinstance(name, str) and names.count(name) > 1:
            yield f"metrics lists {name!r} {names.count(name)} times: every goal needs its own"


def one_metric_problems(metric: object) -> Iterator[str]:
    """Yield that a metric has no name, or an invalid goal or target."""
    name = metric.get("name") if isinstance(metric, dict) else None
    if not isinstance(metric, dict) or not isinstance(name, str) or not name:
        yield (
            f"metric is {shorten(metric)}: it must be a mapping with a name, such as "
            "{name: loss, goal: minimize}"
        )
        return
    if len(name) > MOST_PATH_CHARACTERS:
        yield (
            f"metric has a name of {len(name):,} characters: it must have at most "
            f"{MOST_PATH_CHARACTERS}"
        )
    goal, target = metric.get("goal", DEFAULT_GOAL), metric.get("target")
    if goal not in GOALS:
        yield (
            f"metric goal is {shorten(goal)}: it must be one of {', '.join(GOALS)}"
            f"{closest(goal, GOALS)}"
        )
    if target is not None and not is_number(target):
        yield (
            f"metric target is {shorten(target)}: it must be a finite number"
            f"{numerals.advice(target)}"
        )


def space_problems(parameters: object, method: object) -> Iterator[str]:
    """Yield why parameters cannot be searched by a method."""
    if not isinstance(parameters, dict) or not parameters:
        yield (
            f"parameters is {shorten(parameters)}: it must map each parameter to its values or "
            "range"
        )
        return
    try:
        found = list(flatten(parameters))
    except SearchError as error:
        yield str(error)
        return
    wrong = False
    if "_wandb" in parameters:
        yield "parameter '_wandb' has the name of what the client keeps for itself: use another"
    for path, settings in found:
        if len(path) == 1 and is_misplaced(path[0], settings):
            wrong = True
            yield f"{path[0]} is not a parameter: write it beside parameters, not below"
            continue
        for problem in parameter_problems(settings, method):
            wrong = True
            yield f"parameter {'.'.join(path)!r} {problem}"
    if wrong:
        return
    if method == "grid" and is_too_long(settings for _, settings in found):
        yield (
            f"the parameters have more than {MOST_VALUES_OF_AXES:,} values together on a grid: "
            "give them fewer, or use method random"
        )
    if method == "bayes" and all(is_single(settings) for _, settings in found):
        yield (
            "method bayes needs a parameter with more than one value: give one a range or values"
        )


def is_too_long(parameters: Iterable[dict]) -> bool:
    """Return whether the axes of a grid have too many values together."""
    values = 0
    for settings in parameters:
        values += len(axis(settings))
        if values > MOST_VALUES_OF_AXES:
            return True
    return False
