"""The sections of a sweep's configuration, and which have no effect or an unintended one.

The names are those of W&B's schema (`schema.json` of https://github.com/wandb/sweeps).
"""

from collections.abc import Iterator

from sweepserver.search import numerals
from sweepserver.search.parameters import SearchError, flatten
from sweepserver.search.values import closest, shorten

SECTIONS = (
    "program", "method", "metric", "metrics", "parameters", "command", "name", "description",
    "project", "entity", "run_cap", "early_terminate", "controller", "scheduler", "job",
    "image_uri", "kind", "apiVersion",
)  # fmt: skip
SCHEDULER_KEYS = ("engine", "source", "search_space", "optimizer")
METRIC_KEYS = ("name", "goal", "target", "impute", "impute_while_running")


def is_misplaced(name: str, settings: object) -> bool:
    """Return whether what is written as a parameter is a section one level too deep."""
    return name in SECTIONS and not isinstance(settings, dict)


def warnings(config: object) -> Iterator[str]:
    """Yield what in a configuration has no effect, or was probably meant otherwise."""
    if not isinstance(config, dict):
        return
    for section in config:
        if section not in SECTIONS:
            yield f"section {shorten(section)} is not known{closest(section, SECTIONS)}"
    metric = config.get("metric")
    if isinstance(metric, dict):
        for key in metric:
            if key not in METRIC_KEYS:
                yield f"metric has the key {shorten(key)}, which is not known" + closest(
                    key, METRIC_KEYS
                )
    scheduler = config.get("scheduler")
    if isinstance(scheduler, dict):
        yield from scheduler_warnings(scheduler, has_space=bool(config.get("parameters")))
    if metric is not None and config.get("metrics") is not None:
        yield "metric and metrics cannot both count: remove one of them"
    elif config.get("metrics") is not None and config.get("method") != "custom":
        yield "metrics are for method custom with a scheduler: name one metric instead"
    if scheduler is not None and config.get("early_terminate") is not None:
        yield "early_terminate is ignored: a scheduler stops runs by rules of its own"
    if isinstance(config.get("parameters"), dict):
        yield from misread_numbers(config["parameters"])


def scheduler_warnings(scheduler: dict, *, has_space: bool) -> Iterator[str]:
    """Yield which settings of a scheduler are not known, have no effect, or lack another one."""
    for key in scheduler:
        if key not in SCHEDULER_KEYS:
            yield f"scheduler has the key {shorten(key)}, which is not known" + closest(
                key, SCHEDULER_KEYS
            )
    named = [key for key in ("search_space", "optimizer") if scheduler.get(key) is not None]
    if named and scheduler.get("engine") == "wandb":
        yield f"scheduler has {' and '.join(named)}, which engine wandb ignores: remove them"
    elif named and not scheduler.get("source"):
        yield f"scheduler has {' and '.join(named)}, but no source: name the Python file"
    if "search_space" in named and has_space:
        yield "parameters are ignored: the scheduler's search_space takes their place"
    elif "search_space" not in named and not has_space:
        yield "parameters is missing, and the scheduler has no search_space: give one of them"


def misread_numbers(parameters: dict) -> Iterator[str]:
    """Yield which parameters have a text such as `1e-5` as a value where a number was meant."""
    try:
        found = list(flatten(parameters))
    except SearchError:
        return
    for path, settings in found:
        if not isinstance(settings, dict):
            continue
        values = settings.get("values", [settings.get("value")])
        texts = [*filter(numerals.is_misread, values if isinstance(values, list) else ())][:5]
        if texts:
            yield (
                f"parameter {'.'.join(path)!r} has {', '.join(map(repr, texts))}, which YAML reads "
                f"as text, not as a number: write {', '.join(map(numerals.in_yaml, texts))}"
            )
