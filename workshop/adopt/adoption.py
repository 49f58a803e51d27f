"""Try a program from its first start to a proposed sweep, in the order in which things can fail."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sweepserver.search.values import closest
from workshop.adopt import endings, metrics, proposal
from workshop.adopt.effects import IGNORED, NOT_TRIED, REFUSED, UNCLEAR, USED, Effect, effect
from workshop.adopt.endings import Observation
from workshop.adopt.metrics import LoggedMetric
from workshop.adopt.parameters import Parameter, found, swept
from workshop.adopt.source import Source
from workshop.adopt.trials import Point, Trial, Trials
from workshop.define import program
from workshop.define.command import VALUES

FORMS = ("${args}", "${args_no_boolean_flags}", "${args_no_hyphens}", "${args_json_file}")
"""How values may be handed to a program, the most usual first."""


@dataclass
class Adoption:
    """What was found out about a program.

    Attributes:
        definition: how its agents start it.
        observations: what was found, in the order in which it was.
        effects: what each of its parameters does.
        logged: what it logs, the best to judge a sweep by first.
        proposed: the text of a definition; empty if the program cannot be swept yet.
        seconds: how long it took with its usual values; None if it had to be ended.
    """

    definition: dict[str, Any]
    observations: list[Observation] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    logged: list[LoggedMetric] = field(default_factory=list)
    proposed: str = ""
    seconds: float | None = None

    @property
    def is_ready(self) -> bool:
        """Whether nothing was found from which a sweep would suffer."""
        return not any(observation.is_problem for observation in self.observations)

    def say(self, subject: str, sentence: str, is_problem: bool = False) -> None:
        """Note an observation."""
        self.observations.append(Observation(subject, sentence, is_problem))


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
            _say_failure(adoption, source, start)
            return adoption
    usual = {parameter.path: parameter.default for parameter in parameters}
    first = _fitting(adoption, trials, source, usual, start)
    if first is None:
        return adoption
    command = adoption.definition["command"]
    trials = trials.started_by(command)
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
    adoption.effects = _effects(trials, parameters, first)
    _say_effects(adoption, source)
    if with_endings:
        adoption.observations += _endings(adoption, trials, usual, first)
    judge = next(iter(metrics.judges(adoption.logged)), None)
    named = program.named(trials.definition) or Path("program")
    adoption.proposed = proposal.text(named, command, judge, adoption.effects)
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


def _effects(trials: Trials, parameters: Sequence[Parameter], first: Trial) -> list[Effect]:
    """Try another value of each parameter, with all else as it was in a first trial."""
    tried = [parameter for parameter in parameters if parameter.other is not None]
    changed = [{**first.values, parameter.path: parameter.other} for parameter in tried]
    second, *others = trials.all([first.values, *changed])
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
    paths = {parameter.name: parameter.path for parameter in known}
    kept = [parameter for parameter in known if parameter.name not in names]
    return kept + [
        Parameter(paths.get(name, parameter.path), parameter.default, parameter.other)
        for name, parameter in names.items()
    ]


def _why_no_run(source: Source) -> str:
    if not source.imports("wandb"):
        return (
            ": it does not use wandb. Four steps make it sweepable: `import wandb`; "
            "`run = wandb.init(config=vars(args))` behind the parsing of the arguments; take the "
            'values from `run.config`; `run.log({"val/loss": loss})` in each epoch'
        )
    return (
        ", though it imports wandb: call wandb.init() in every run, without mode= or "
        "WANDB_MODE other than online"
    )


def _fitting(
    adoption: Adoption, trials: Trials, source: Source, usual: Point, start: Trial | None
) -> Trial | None:
    """Find the form in which a program takes its values; return a trial, None if there is none.

    Args:
        adoption: to say it.
        trials: starts the program.
        source: its text.
        usual: the values to hand to it.
        start: a trial without arguments, if there was one.
    """
    words = program.words(trials.definition)
    is_given = trials.definition.get("parameters") is not None
    forms = [word for word in words if word in VALUES] if is_given else _forms(source, usual)
    failed: list[Trial] = []
    for form in forms:
        command = [form if word in VALUES else word for word in words]
        trial = trials.started_by(command).one(usual)
        if trial.failed:
            failed.append(trial)
            if start and start.failed and start.last_words == trial.last_words:
                break  # it is not the form that it fails by
            continue
        if trial.logged is None:
            _say_failure(adoption, source, trial)
            return None
        adoption.definition["command"] = command
        adoption.say("start", f"An agent can start it: command: [{', '.join(command)}].")
        return trial
    _say_failure(adoption, source, failed[0], forms[: len(failed)])
    return None


def _forms(source: Source, usual: Point) -> list[str]:
    """Return the forms to try, the likeliest first."""
    forms = list(FORMS)
    if source.has_flags and any(isinstance(value, bool) for value in usual.values()):
        forms.insert(0, "${args_no_boolean_flags}")
    if source.uses_hydra:
        forms.insert(0, "${args_no_hyphens}")
    return list(dict.fromkeys(forms))


def _say_failure(
    adoption: Adoption, source: Source, trial: Trial, forms: Sequence[str] = ()
) -> None:
    """Say why nothing came of a trial, and what the program asks for as far as that can be told."""
    if not trial.failed:
        sentence = f"It starts, but no run of it has reached the server{_why_no_run(source)}."
        adoption.say("start", sentence, is_problem=True)
        return
    words = trial.last_words or "it printed nothing"
    step = "correct it, so that it runs by itself"
    if variable := _missing_variable(source, trial):
        step = (
            f"it needs the environment variable {variable}: export it in the shell that starts the "
            "agents, and name it under `environment` in the site profile of a cluster"
        )
    elif module := re.search(r"No module named '([\w.]+)'", trial.output):
        step = (
            f"its interpreter lacks {module[1].split('.')[0]}: name the interpreter of its own "
            "environment with --python"
        )
    elif "unrecognized arguments" in trial.output or len(forms) > 1:
        step = (
            "it takes its values in none of the forms that an agent has "
            f"({', '.join(forms)}): let it take --NAME=VALUE for each parameter"
        )
    elif forms and adoption.definition.get("parameters"):
        step = f"see whether it takes its values as {forms[0]}, as its sweep's command has them"
    adoption.say(
        "start", f"It fails with status {trial.status} ({words}): {step}.", is_problem=True
    )


def _missing_variable(source: Source, trial: Trial) -> str:
    for name in re.findall(r"KeyError: '([A-Za-z_]\w*)'|\b([A-Z][A-Z0-9_]{2,})\b", trial.output):
        variable = name[0] or name[1]
        if variable.isupper() and source.asks_environment(variable):
            return variable
    return ""


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
            "None of these names tells whether low or high is better: choose one, and write its "
            "goal into the section metric.",
        )


def _say_hosts(adoption: Adoption, trial: Trial) -> None:
    server = urlsplit(os.environ.get("WANDB_BASE_URL", "")).hostname
    here = ("127.", "localhost", "::")
    hosts = sorted(host for host in trial.hosts if host != server and not host.startswith(here))
    if hosts:
        adoption.say(
            "network",
            f"It asks {', '.join(hosts)} in each trial: if that is for data, fetch them once "
            "before the sweep, for nodes of a cluster may not reach them.",
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
                f"Whether it uses {parameter.name} can't be told: {found_effect.reason}. Give it a "
                "fixed seed, so that equal values give equal results.",
            )


def _elsewhere(source: Source, parameter: Parameter) -> str:
    """Return where a value seems to come from, as the end of a sentence."""
    lines = source.readers(parameter.path[-1].replace("-", "_"))
    if not lines:
        return "; nothing in its file reads it: use it, or leave it out of the sweep"
    number, text = lines[-1]
    return (
        f"; line {number} reads it from elsewhere, `{text}`: take it from run.config, behind "
        "wandb.init"
    )
