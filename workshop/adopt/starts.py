"""Start a program: in which form it takes its values, and what it lacks if it fails."""

import re
from collections.abc import Sequence

from workshop.adopt.findings import Adoption
from workshop.adopt.source import Source
from workshop.adopt.trials import Point, Trial, Trials
from workshop.define import program
from workshop.define.command import VALUES
from workshop.wording import listed

FORMS = ("${args}", "${args_no_boolean_flags}", "${args_no_hyphens}", "${args_json_file}")
"""How values may be handed to a program, the most usual first."""
# What argparse, Hydra and click say of an option that a program doesn't have ...
_NO_OPTION = re.compile(
    r"unrecognized arguments: (.*)|Could not override '([^']+)'|no such option:? '?(-[-\w.]+)",
    re.IGNORECASE,
)
# ... and argparse, jsonargparse and click of one that it needs.
_ASKS_FOR_MORE = re.compile(
    r"arguments are required|but it was not provided|^Error: Missing ", re.MULTILINE
)


def fitting(
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
        trial = _accepted(trials.started_by(command), usual, start is not None)
        if trial.failed:
            failed.append(trial)
            if start and start.failed and start.last_words == trial.last_words:
                break  # it is not the form that it fails by
            continue
        if trial.logged is None:
            say_failure(adoption, source, trial)
            return None
        adoption.definition["command"] = command
        adoption.say("start", f"An agent can start it: command: [{', '.join(command)}].")
        if refused := [".".join(path) for path in usual if path not in trial.values]:
            names = listed(refused)
            sentence = f"Its command line refuses {names}, so a sweep can't set {names}."
            adoption.say("parameters", sentence)
        return trial
    bare = trials.started_by([word for word in words if word not in VALUES])
    if start and not start.failed and (again := bare.one(start.values)).failed:
        say_not_again(adoption, again)
    else:
        say_failure(adoption, source, failed[0], forms[: len(failed)])
    return None


def _accepted(trials: Trials, usual: Point, may_drop: bool) -> Trial:
    """Try a program's usual values, without those of which it says that it has no such option.

    A run's config may hold what no command line sets, such as the size of a network.
    """
    while (trial := trials.one(usual)).failed and may_drop:
        refused = {
            word.lstrip("-").partition("=")[0]
            for words in _NO_OPTION.findall(trial.output)
            for word in " ".join(words).split()
        }
        kept = {
            path: value
            for path, value in usual.items()
            if not refused.intersection((path[0], ".".join(path)))
        }
        if not kept or len(kept) == len(usual):
            break
        usual = kept
    return trial


def _forms(source: Source, usual: Point) -> list[str]:
    """Return the forms to try, the likeliest first."""
    forms = list(FORMS)
    if source.has_flags and any(isinstance(value, bool) for value in usual.values()):
        forms.insert(0, "${args_no_boolean_flags}")
    if source.uses_hydra:
        forms.insert(0, "${args_no_hyphens}")
    return list(dict.fromkeys(forms))


def say_failure(
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
    elif _ASKS_FOR_MORE.search(trial.output):
        step = (
            "give it what it asks for: two values of an option, --parameter NAME=A,B; or write the "
            "missing words into the `command` of a sweep, and adopt the sweep's YAML file"
        )
    elif "unrecognized arguments" in trial.output or len(forms) > 1:
        step = (
            "it accepts none of the forms in which an agent can pass values "
            f"({', '.join(forms)}): let it take --NAME=VALUE for each parameter"
        )
    elif forms and adoption.definition.get("parameters"):
        step = f"see whether it takes its values as {forms[0]}, as its sweep's command has them"
    adoption.say(
        "start", f"It fails with status {trial.status} ({words}): {step}.", is_problem=True
    )


def _why_no_run(source: Source) -> str:
    if source.imports("lightning") or source.imports("pytorch_lightning"):
        return ": give its Trainer a logger=WandbLogger(), whose `experiment` is the run"
    if not source.imports("wandb"):
        return (
            ": it does not use wandb. Four steps make it sweepable: `import wandb`; "
            "`run = wandb.init(config=vars(args))` after parsing the arguments; take the "
            'values from `run.config`; `run.log({"val/loss": loss})` in each epoch'
        )
    return (
        ", though it imports wandb: call wandb.init() in every run, without mode= or "
        "WANDB_MODE other than online"
    )


def say_not_again(adoption: Adoption, trial: Trial) -> None:
    """Say that a program starts once, and fails when it's started in the same way again."""
    adoption.say(
        "start",
        f"It fails when it is started in the same way again ({trial.last_words}). The runs of a "
        "sweep share its folder: let it write to a folder for each run, such as one with the name "
        "run.id, or overwrite what is there.",
        is_problem=True,
    )


def _missing_variable(source: Source, trial: Trial) -> str:
    for name in re.findall(r"KeyError: '([A-Za-z_]\w*)'|\b([A-Z][A-Z0-9_]{2,})\b", trial.output):
        variable = name[0] or name[1]
        if variable.isupper() and source.asks_environment(variable):
            return variable
    return ""
