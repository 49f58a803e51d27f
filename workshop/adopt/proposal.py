"""A sweep's definition for a program that was tried, as the text of a file with comments."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import yaml

from sweepserver import search
from sweepserver.search.values import number
from workshop.adopt.effects import IGNORED, REFUSED, USED, Effect
from workshop.adopt.metrics import LoggedMetric
from workshop.adopt.parameters import Parameter

RUN_CAP = 12
_LOGARITHMIC = re.compile(r"lr|learning.?rate|decay|eps|reg|lambda|alpha", re.IGNORECASE)
_FIXED = re.compile(r"seed", re.IGNORECASE)


def text(
    program: Path,
    command: Sequence[str],
    metric: LoggedMetric | None,
    effects: Sequence[Effect],
    accepted: Collection[tuple[str, ...]],
) -> str:
    """Return the text of a proposed definition.

    Args:
        program: the file, as the command's folder has it.
        command: the command that was found to fit.
        metric: what to judge runs by; None if nothing fit was logged.
        effects: what each parameter was found to do.
        accepted: the parameters that the program was handed; the others are named in a comment.
    """
    lines = [
        f"# Proposed by `workshop adopt {program}`, which tried the program: change what you",
        "# know better, above all the ranges, then: wandb sweep --project NAME FILE",
        f"program: {_flow(str(program))}",
        "",
        "# how an agent starts a run: in this folder, by this interpreter, with these values",
        f"command: {_flow([*command])}",
        "",
        "method: random",
        f"run_cap: {RUN_CAP}              # random search never ends by itself",
        "",
    ]
    if metric:
        lines += [
            "metric:                  # exactly as the program logs it",
            f"  name: {_flow(metric.name)}",
            f"  goal: {metric.goal}",
            "",
        ]
    settings: dict[tuple[str, ...], Any] = {}
    notes: dict[str, str] = {}
    for effect in effects:
        if effect.parameter.path not in accepted:
            continue
        settings[effect.parameter.path] = _settings(effect)
        notes[effect.parameter.name] = _note(effect)
    lines.append("parameters:")
    lines += _parameters(_nested(settings), notes)
    if others := [one.parameter.name for one in effects if one.parameter.path not in accepted]:
        lines.append(f"  # left as they are, because no second value is known: {', '.join(others)}")
    return "\n".join(lines) + "\n"


def _settings(effect: Effect) -> dict[str, Any]:
    parameter, value = effect.parameter, effect.parameter.default
    if effect.verdict != USED or parameter.is_length or _FIXED.search(parameter.name):
        return {"value": value}
    if parameter.choices or number(value) is None:
        values = [value, parameter.other, *parameter.choices]
        return {"values": list({search.same(each): each for each in values}.values())}
    if isinstance(value, int):
        return {"values": sorted({max(1, value // 2), value, value * 2})}
    return _range(parameter, value)


def _range(parameter: Parameter, value: float) -> dict[str, Any]:
    if value > 0 and _LOGARITHMIC.search(parameter.path[-1]):
        return {
            "distribution": "log_uniform_values", "min": _round(value / 10),
            "max": _round(value * 10),
        }  # fmt: skip
    low, high = sorted((value / 2, value * 1.5)) if value else (0.0, 0.5)
    return {"min": _round(low), "max": min(_round(high), 0.99) if 0 <= value < 1 else _round(high)}


def _round(value: float) -> float:
    return float(f"{value:.2g}")


def _note(effect: Effect) -> str:
    parameter = effect.parameter
    if effect.verdict == IGNORED:
        return f"ignored: {effect.reason}"
    if effect.verdict == REFUSED:
        return f"not varied: it refused {parameter.other!r}"
    if effect.verdict == USED:
        return f"its default is {parameter.default!r}"
    return f"{effect.verdict}: {effect.reason}"


def _nested(settings: dict[tuple[str, ...], Any]) -> dict[str, Any]:
    """Return settings by path as the section `parameters` has them."""
    section: dict[str, Any] = {}
    for path, value in settings.items():
        inner = section
        for key in path[:-1]:
            inner = inner.setdefault(key, {"parameters": {}})["parameters"]
        inner[path[-1]] = value
    return section


def _parameters(section: dict[str, Any], notes: dict[str, str], outer: str = "") -> list[str]:
    lines = []
    indent = "  " * (1 + 2 * outer.count("."))
    for name, settings in section.items():
        if "parameters" in settings:
            lines += [f"{indent}{_flow(name)}:", f"{indent}  parameters:"]
            lines += _parameters(settings["parameters"], notes, f"{outer}{name}.")
        else:
            lines.append(f"{indent}{_flow(name)}: {_flow(settings)}  # {notes[f'{outer}{name}']}")
    return lines


def _flow(value: Any) -> str:
    """Return a value as YAML of one line."""
    dumped = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6)
    return dumped.removesuffix("\n").removesuffix("\n...")
