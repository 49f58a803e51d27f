"""The `workshop` command: a thin face over the modules."""

import argparse
import contextlib
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from workshop import local_server
from workshop.errors import WorkshopError, exit_status
from workshop.paths import NOTEBOOKS, ROOT, shown


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status (2 for a problem that the user can solve)."""
    # A plain SIGTERM would end this process before its servers and kernels are taken down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parser = _parser()
    known, others = parser.parse_known_args(arguments)
    options = vars(known)
    command = options.pop("command")
    if command in PASSED_ON:
        options[PASSED_ON[command]] = others
    elif others:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    try:
        return exit_status(lambda: command(**options))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 128 + signal.SIGINT


def run(
    notebook: list[str],
    scale: str | None,
    backend: str | None,
    parameter: list[str],
    folder: Path | None,
    resume: Path | None,
) -> None:
    """Execute notebooks (without names: 00 to 05) into a folder, and say what came out."""
    from workshop import batch

    parameters, typed = {}, {}
    for name, value, text in map(batch.assignment, parameter):
        if name in parameters:
            raise WorkshopError(f"-p {name} is given more than once: keep one of them")
        parameters[name], typed[name] = value, text
    for name, value in (("scale", scale), ("backend", backend)):
        if value is not None:
            if parameters.get(name, value) != value:
                raise WorkshopError(f"--{name} {value} and -p {name}={typed[name]} differ")
            parameters[name] = value
    if not resume:
        batch.start(batch.find(notebook), parameters, folder, typed)
    elif notebook or parameters or folder:
        raise WorkshopError(
            f"--resume goes on with the notebooks and parameters of {shown(resume)}: give nothing "
            "else, or start a new execution"
        )
    else:
        batch.resume(resume)


def notebooks() -> None:
    """Execute the notebooks and store their outputs in them."""
    from workshop import backend
    from workshop.execute import numbered_notebooks, store_outputs

    with backend.session("local"):
        store_outputs(numbered_notebooks())


def exercises() -> None:
    """Write the exercises anew from their solutions."""
    from workshop.exercises import write

    for path in write():
        print(shown(path))


def copy(folder: Path) -> None:
    """Make a copy of the kit of your own, which shares the installed packages."""
    from workshop import personal

    made = personal.copy(folder)
    print(f"Your copy is {shown(made)}. In every terminal: source {shown(made)}/activate")


def lab(jupyter_options: list[str]) -> int:
    """Open JupyterLab at the first notebook while the local server runs."""
    from workshop import backend

    if not {"--ip", "--ServerApp.ip"} & {option.partition("=")[0] for option in jupyter_options}:
        # One address, where Jupyter would print two: a browser that signed in at one of them is
        # unknown at the other, which links may lead to.
        jupyter_options = ["--ServerApp.ip=127.0.0.1", *jupyter_options]
    command = [
        sys.executable, "-m", "jupyterlab", "--notebook-dir", str(ROOT),
        # Others on a shared machine could otherwise listen to the kernels' messages.
        "--KernelManager.transport_encryption=auto",
        "--ServerApp.jpserver_extensions=workshop.lab_links=True",
        str(NOTEBOOKS / "00_check_your_setup.ipynb"), *jupyter_options,
    ]  # fmt: skip
    with backend.session("local"), subprocess.Popen(command) as jupyter:
        try:
            while True:
                try:
                    return jupyter.wait()
                except KeyboardInterrupt:
                    pass  # JupyterLab got it as well, and asks whether to stop
        finally:
            jupyter.terminate()


def kernel(prefix: Path | None, remove: bool) -> None:
    """Register the kit as a kernel of a JupyterLab that is already there."""
    from workshop import kernel as kernels

    if remove:
        print(f"removed: {shown(kernels.remove(prefix))}")
        return
    print(f"Kernel {kernels.TITLE!r}: {shown(kernels.register(prefix))}")
    print("JupyterLab lists it after a reload of its page; `workshop kernel --remove` removes it.")


def server(server_options: list[str]) -> int:
    """Run the local W&B server, for yourself or for a class, until Ctrl-C."""
    from workshop.server.__main__ import main as serve

    if not server_options and (url := local_server.running()):
        print(f"The local W&B server runs already: {url}")
        print("`workshop stop` ends it.")
        return 0
    return serve(
        server_options,
        prog="workshop server",
        store=local_server.store(),
        ports=(local_server.last_port(), 0),
    )


def stop() -> None:
    """Stop the local W&B server."""
    print("stopped" if local_server.stop() else "the local W&B server was not running")


def check(
    scale: str, backend: str, site: str, as_json: bool, into: Path | None, collect: Path | None
) -> int:
    """Look at this machine before a sweep does: what was found, and what to do about it."""
    from workshop import preflight

    if into or collect:
        # Not for all: an ordinary check also works where packages that this one needs are missing.
        from workshop.preflight import seats
    if collect:
        collected = seats.collect(collect)
        print(collected.as_json() if as_json else collected)
        return int(not collected.is_well)
    findings = preflight.check_setup(scale, backend, site)
    print(preflight.as_json(findings) if as_json else preflight.as_text(findings))
    if into:
        print(f"Written: {shown(seats.leave(findings, into.resolve()))}", file=sys.stderr)
    return int(any(finding.verdict == "problem" for finding in findings))


def results(roster: Path, output: Path, project: str, backend: str) -> None:
    """Collect the runs of a class, each person's newest sweep, in one CSV file."""
    from workshop import collecting
    from workshop.backend import connect

    connect(backend)
    runs = collecting.results(collecting.people(roster), project)
    runs.to_csv(output, index=False)
    print(collecting.describe(runs))
    print(f"Written: {shown(output.resolve())}")


def confirm(sweep: str, top: int, seeds: int) -> None:
    """Register a follow-up sweep of a sweep's best points with new seeds."""
    from workshop import backend, confirmation

    backend.connect()
    follow_up = confirmation.plan(sweep, top, seeds)
    path = confirmation.register(follow_up)
    print(follow_up)
    print(f"Run it with: wandb agent {path}")
    print(f"or on a cluster: workshop submit {path}")


def submit(
    sweep: str,
    site: str,
    runs_per_task: int | str,
    at_once: int | None,
    tasks: int | None,
    option: list[str],
    dry_run: bool,
) -> None:
    """Submit a SLURM array of agents for a sweep, as large as it has runs to do."""
    from workshop import backend, slurm

    backend.connect()
    options = dict(_sbatch_option(text) for text in option)
    submission = slurm.plan(sweep, tasks, at_once, runs_per_task, site, **options)
    print(submission)
    if dry_run:
        print(f"# the script, {shown(slurm.SCRIPT)}:\n{submission.script}")
    else:
        print(slurm.submit(submission))


def status(sweep: str, only: list[str], state: list[str], show_all: bool, as_json: bool) -> None:
    """Say how many tasks of a sweep's arrays ended in which way, and what became of each."""
    from workshop import backend, slurm

    # What connects says which W&B it is, and a program reads nothing but JSON.
    with contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout):
        backend.connect()
    ledger = slurm.ledger(sweep)
    if only or state or show_all or as_json:
        shown = slurm.select(ledger, only, state)
    else:
        shown = slurm.remarkable(ledger)
    if as_json:
        print(slurm.as_json(ledger, shown))
        return
    print(slurm.describe(ledger, shown))
    if left := len(ledger) - len(shown):
        print(f"{left} more are not shown: `--all` shows them")


def repair(
    sweep: str,
    site: str,
    at_once: int | None,
    option: list[str],
    dry_run: bool,
    only: list[str],
) -> None:
    """Submit what is missing of a sweep: points that failed, vanished or were not handed out."""
    from workshop import backend, slurm

    backend.connect()
    if dry_run:
        print(slurm.gaps(sweep, only))
        return
    options = dict(_sbatch_option(text) for text in option)
    if job := slurm.repair(sweep, only=only, site=site, at_once=at_once, **options):
        print(job)


def cancel(sweep: str) -> None:
    """End a sweep for good, at its server, and the arrays that were submitted for it from here."""
    from workshop import backend, slurm

    backend.connect()
    slurm.cancel(sweep)


def data(name: str, path: str) -> None:
    """Download a data set once, so that no run has to."""
    from workshop.config import from_root
    from workshop.data import prepare

    prepare(path)
    print(f"{name} is in {shown(from_root(path))}")


# Commands that get the options which this module does not know, and as which argument.
PASSED_ON = {lab: "jupyter_options", server: "server_options"}


def _sbatch_option(text: str) -> tuple[str, str | bool]:
    name, equals, value = text.lstrip("-").partition("=")
    return name, value if equals else True


def _runs_per_task(text: str) -> int | str:
    return text if text == "all" else int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="workshop", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(function: Any, **settings: Any) -> argparse.ArgumentParser:
        command = commands.add_parser(
            function.__name__, help=function.__doc__, description=function.__doc__, **settings
        )
        command.set_defaults(command=function)
        return command

    command = add(run)
    command.epilog = (
        "Each execution has a project of its own, unless -p project=NAME names one. "
        "After a failure, --resume FOLDER executes what has not finished."
    )
    command.add_argument(
        "notebook", nargs="*", metavar="NOTEBOOK", help="a number, a name or a file"
    )
    command.add_argument("--scale", metavar="NAME", help="smoke (default), class, full or tiny")
    command.add_argument(
        "--backend", metavar="W&B", help="local (default), wandb for an account, or a server's URL"
    )
    command.add_argument(
        "-p", "--parameter", action="append", default=[], metavar="NAME=VALUE",
        help="another parameter of the notebooks; the value is YAML, as in "
        "-p learning_rates='[0.1, 0.01]'",
    )  # fmt: skip
    command.add_argument(
        "--folder", type=Path, help="a new folder for what is made (default: executed/TIME)"
    )
    command.add_argument("--resume", type=Path, metavar="FOLDER", help="go on with an execution")
    add(notebooks)
    add(exercises)
    add(copy).add_argument(
        "folder", type=Path, nargs="?", default=Path("~/sweep-workshop"), metavar="FOLDER",
        help="where (default: ~/sweep-workshop); what is there already stays as it is",
    )  # fmt: skip
    add(lab).epilog = "Other options go to JupyterLab, for example --no-browser --port=8899."
    command = add(kernel)
    command.add_argument(
        "--prefix", type=Path, metavar="FOLDER",
        help="of the environment that JupyterLab runs in (default: for you alone)",
    )  # fmt: skip
    command.add_argument("--remove", action="store_true", help="remove it again")
    add(server, add_help=False)
    add(stop)
    command = add(check)
    command.epilog = "The exit status is 1 if there is a problem."
    command.add_argument(
        "--scale", default="smoke", metavar="NAME", help="smoke (default), class, full or tiny"
    )
    command.add_argument(
        "--backend", default="auto", metavar="W&B",
        help="auto (default), local, wandb for an account, or a server's URL",
    )  # fmt: skip
    _add_site(command)
    command.add_argument(
        "--json", dest="as_json", action="store_true", help="one line of JSON for a program"
    )
    choice = command.add_mutually_exclusive_group()
    choice.add_argument(
        "--into", type=Path, metavar="FOLDER",
        help="write the result into a folder as well, in which the whole class may write",
    )  # fmt: skip
    choice.add_argument(
        "--collect", type=Path, metavar="FOLDER",
        help="look at nothing here, but say what the class has written into that folder",
    )  # fmt: skip
    command = add(results)
    command.add_argument("roster", type=Path, metavar="ROSTER", help="the CSV file of the class")
    command.add_argument("output", type=Path, metavar="FILE", help="the CSV file to write")
    command.add_argument("--project", default="sweep-workshop", help="(default: sweep-workshop)")
    command.add_argument(
        "--backend", default="auto", metavar="W&B", help="auto (default), or the server's URL"
    )
    command = add(confirm)
    command.add_argument("sweep", metavar="SWEEP", help="entity/project/ID")
    command.add_argument(
        "--top", type=int, default=3, metavar="N", help="how many of its best points (default: 3)"
    )
    command.add_argument(
        "--seeds", type=int, default=5, metavar="N", help="new seeds for each (default: 5)"
    )
    command = add(submit)
    _add_array_options(command)
    command.add_argument(
        "--runs-per-task", type=_runs_per_task, default=1, metavar="K|all",
        help="runs that a task takes one after the other; all: the tasks share all runs",
    )  # fmt: skip
    command.add_argument(
        "--tasks", type=int, metavar="N", help="the array's size, for a sweep without end"
    )
    command = add(status)
    command.add_argument("sweep", metavar="SWEEP", help="entity/project/ID")
    _add_causes(command, "show those with this cause, such as code-error; may be repeated")
    command.add_argument(
        "--state", action="append", default=[], metavar="STATE",
        help="show those that are in this state to SLURM, such as FAILED; may be repeated",
    )  # fmt: skip
    command.add_argument(
        "--all", dest="show_all", action="store_true",
        help="show all, not those that need a look where there are many",
    )  # fmt: skip
    command.add_argument(
        "--json", dest="as_json", action="store_true", help="one line of JSON for a program"
    )
    command = add(repair)
    _add_array_options(command)
    _add_causes(
        command, "repeat failed runs with this cause alone, such as node-failure; may be repeated"
    )
    add(cancel).add_argument("sweep", metavar="SWEEP", help="entity/project/ID")
    command = add(data)
    command.add_argument("name", choices=["cifar10"])
    command.add_argument(
        "--path", default="data", help="the folder, as data_path in the config (default: data)"
    )
    return parser


def _add_array_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("sweep", metavar="SWEEP", help="entity/project/ID")
    _add_site(command)
    command.add_argument(
        "--at-once", type=int, metavar="M", help="tasks side by side (default: as the site says)"
    )
    command.add_argument(
        "-o", "--option", action="append", default=[], metavar="OPTION=VALUE",
        help="an option of sbatch, for example -o time=02:00:00",
    )  # fmt: skip
    command.add_argument(
        "--dry-run", action="store_true", help="show what would be submitted, and submit nothing"
    )


def _add_causes(command: argparse.ArgumentParser, explanation: str) -> None:
    command.add_argument("--only", action="append", default=[], metavar="CAUSE", help=explanation)


def _add_site(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--site", default="generic", metavar="NAME",
        help="the cluster's profile, a file of configs/sites (default: generic)",
    )  # fmt: skip
