"""Try a program from its first start to a proposed sweep, in the order in which things can fail."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sweepserver.search.values import closest
from workshop.adopt import endings, metrics, proposal
from workshop.adopt.effects import IGNORED, NOT_TRIED, REFUSED, UNCLEAR, USED, Effect, effect
from workshop.adopt.endings import Observation
from workshop.adopt.findings import Adoption
from workshop.adopt.parameters import Parameter, found, swept
from workshop.adopt.source import Source
from workshop.adopt.starts import fitting, say_failure, say_not_again
from workshop.adopt.trials import Point, Trial, Trials
from workshop.define import program
from workshop.define.command import VALUES


def adopt(
    trials: Trials,
    source: Source,
    given: Mapping[str, Sequence[Any]],
    with_endings: bool = True,
) -> Adoption:
    """Try a program.

    Args:
        trials: starts it; its definition has `parameters` if a sweep of the program is there.
        source: its text.
        given: two values of a parameter by its name, for those that nothing else tells.
        with_endings: whether to see as well how it ends, and when its run is started again.
    """
    adoption = Adoption(dict(trials.definition))
    chosen = [
        Parameter((name,) if source.uses_hydra else tuple(name.split(".")), *values[:2])
        for name, values in given.items()
    ]
    if section := trials.definition.get("parameters"):
        start, parameters = None, _merged(swept(section), chosen)
    else:
        start, parameters = _discovered(trials, source, chosen)
        if (start.failed and not parameters) or not (start.failed or start.logged):
            say_failure(adoption, source, start)
            return adoption
    # A text that nothing varies stays as it is: handed over, it might need quotes.
    usual = {
        parameter.path: parameter.default
        for parameter in parameters
        if start is None or parameter.other is not None
    }
    first = fitting(adoption, trials, source, usual, start)
    if first is None:
        return adoption
    command = adoption.definition["command"]
    trials = trials.started_by(command)
    refused = usual.keys() - first.values.keys()
    parameters = [parameter for parameter in parameters if parameter.path not in refused]
    adoption.seconds = None if first.status is None else first.seconds
    _say_metrics(adoption, first)
    _say_hosts(adoption, first)
    if not parameters:
        adoption.say(
            "parameters",
            "It has no parameter that a sweep could vary: give wandb.init its defaults as config=, "
            "or name one by --parameter NAME=A,B.",
            is_problem=True,
        )
        return adoption
    adoption.effects = _effects(adoption, trials, parameters, first)
    if not adoption.effects:
        return adoption
    _say_effects(adoption, source)
    if with_endings:
        adoption.observations += _endings(adoption, trials, first.values, first)
    judge = next(iter(metrics.judges(adoption.logged)), None)
    named = program.named(trials.definition) or Path("program")
    adoption.proposed = proposal.text(named, command, judge, adoption.effects, first.values)
    return adoption


def _discovered(
    trials: Trials, source: Source, chosen: Sequence[Parameter]
) -> tuple[Trial, list[Parameter]]:
    """Start a program without arguments; return the trial, and which parameters it has."""
    words = [word for word in program.words(trials.definition) if word not in VALUES]
    usual = {parameter.path: parameter.default for parameter in chosen}
    start = trials.started_by(words).one(usual)
    config = start.logged.config if start.logged else {}
    return start, _merged(found(source.options(), config, source.uses_hydra), chosen)


def _effects(
    adoption: Adoption, trials: Trials, parameters: Sequence[Parameter], first: Trial
) -> list[Effect]:
    """Try another value of each parameter, with all else as it was in a first trial.

    Returns:
        Nothing if the program can't be started with the same values again.
    """
    tried = [parameter for parameter in parameters if parameter.other is not None]
    changed = [{**first.values, parameter.path: parameter.other} for parameter in tried]
    second, *others = trials.all([first.values, *changed])
    if second.failed and not first.failed:
        say_not_again(adoption, second)
        return []
    known = {
        parameter.path: effect(parameter, trial, first, second)
        for parameter, trial in zip(tried, others, strict=True)
    }
    return [
        known.get(parameter.path) or Effect(parameter, NOT_TRIED, None, "no second value is known")
        for parameter in parameters
    ]


def _endings(adoption: Adoption, trials: Trials, usual: Point, first: Trial) -> list[Observation]:
    """See how a program ends: by an error, by signals, and when its run is started again."""
    numbers = [
        found.parameter
        for found in adoption.effects
        if found.verdict == USED and not isinstance(found.parameter.default, bool | str)
    ]
    failure = [partial(endings.failure, trials, usual, found) for found in numbers[:1]]
    signals = [
        partial(sent, trials, usual, first) for sent in (endings.warning, endings.termination)
    ]
    return [each for found in trials.side_by_side([*failure, *signals]) for each in found]


def _merged(known: Sequence[Parameter], chosen: Sequence[Parameter]) -> list[Parameter]:
    """Return parameters, with the values that were given for some of them."""
    names = {parameter.name: parameter for parameter in chosen}
    named = {parameter.name: parameter for parameter in known}
    kept = [parameter for parameter in known if parameter.name not in names]
    return kept + [
        replace(named.get(name, given), default=given.default, other=given.other)
        for name, given in names.items()
    ]


def _say_metrics(adoption: Adoption, trial: Trial) -> None:
    adoption.logged = metrics.logged(trial)
    wanted = (adoption.definition.get("metric") or {}).get("name")
    names = [metric.name for metric in adoption.logged]
    if not names:
        adoption.say(
            "metrics",
            'It logs no numbers, so nothing can tell which run is best: run.log({"val/loss": '
            "loss}) in each epoch.",
            is_problem=True,
        )
        return
    adoption.say("metrics", f"It logs {metrics.names(adoption.logged)}.")
    if wanted in names:
        return
    if wanted:
        adoption.say(
            "metric",
            f"The sweep judges by {wanted!r}, which it never logged{closest(wanted, names)}: write "
            "the name exactly as it is logged.",
            is_problem=True,
        )
    judges = metrics.judges(adoption.logged)
    if judges:
        best = judges[0]
        adoption.say("metric", f"A sweep can be judged by {best.name!r}: {best.goal} it.")
    elif not wanted:
        adoption.say(
            "metric",
            "None of these names says whether lower or higher is better: choose one, and write its "
            "goal into the section metric.",
        )


def _say_hosts(adoption: Adoption, trial: Trial) -> None:
    server = urlsplit(os.environ.get("WANDB_BASE_URL", "")).hostname
    here = ("127.", "localhost", "::")
    hosts = sorted(host for host in trial.hosts if host != server and not host.startswith(here))
    if hosts:
        adoption.say(
            "network",
            f"It connects to {', '.join(hosts)} in each trial: if that's for data, fetch the data "
            "once before the sweep, because compute nodes may not be able to connect.",
        )


def _say_effects(adoption: Adoption, source: Source) -> None:
    for found_effect in adoption.effects:
        parameter = found_effect.parameter
        asked = f"{parameter.name}={parameter.other!r} in place of {parameter.default!r}"
        if found_effect.verdict == IGNORED:
            adoption.say(
                parameter.name,
                f"It ignores {parameter.name}: with {asked} {found_effect.reason}"
                f"{_elsewhere(source, parameter)}.",
                is_problem=True,
            )
        elif found_effect.verdict == REFUSED:
            adoption.say(
                parameter.name,
                f"It fails with {asked} ({found_effect.reason}): give two values that it takes, "
                f"--parameter {parameter.name}=A,B.",
            )
        elif found_effect.verdict == UNCLEAR:
            adoption.say(
                parameter.name,
                f"Whether it uses {parameter.name} can't be told: {found_effect.reason}.",
            )


def _elsewhere(source: Source, parameter: Parameter) -> str:
    """Return where a value seems to come from, as the end of a sentence."""
    lines = source.readers(parameter.name.rpartition(".")[2].replace("-", "_"))
    if not lines:
        return "; nothing in its file reads it: use it, or leave it out of the sweep"
    number, text = lines[-1]
    return (
        f"; line {number} reads it from elsewhere, `{text}`: take it from run.config, after "
        "wandb.init"
    )
