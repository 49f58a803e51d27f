"""The `workshop` command."""

import argparse
import shlex
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from workshop import __version__
from workshop.adopt import command_line as adoption
from workshop.classroom import command_line as classroom
from workshop.connection import local_server
from workshop.errors import WorkshopError, exit_status
from workshop.paths import WHEEL_PARTS, shown, typed
from workshop.run_agents.rehearsal import command_line as cluster
from workshop.run_agents.slurm import command_line as arrays


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status (2 for a problem that the user can solve)."""
    # By default SIGTERM would end this process before it shuts down its servers and kernels.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parser = _parser()
    known, others = parser.parse_known_args(arguments)
    options = vars(known)
    command = options.pop("command")
    if command in PASSED_ON:
        options[PASSED_ON[command]] = others
    elif others:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    is_for_help = bool({"-h", "--help"} & {*others})
    if WHEEL_PARTS.is_dir() and command is not classroom.copy and not is_for_help:
        return exit_status(
            lambda: in_a_copy(command, sys.argv[1:] if arguments is None else arguments)
        )
    try:
        return exit_status(lambda: command(**options))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 128 + signal.SIGINT


def in_a_copy(command: Any, arguments: list[str]) -> NoReturn:
    """Run a command in a copy of the kit, because the kit itself is installed as a wheel.

    It's the copy around the working folder, or else the usual one.  A command about somebody's own
    files makes that if need be, and `lab` and `run` make one in an empty folder.

    Raises:
        WorkshopError: There is no copy, and the command doesn't make one here.
    """
    from workshop.classroom import copies

    here = Path.cwd()
    usual = copies.USUAL.expanduser()
    is_for_here = command in (lab, run) and not any(here.iterdir())
    folder = copies.around(here) or (None if is_for_here else copies.around(usual))
    if not folder and (is_for_here or command in ABOUT_OWN_FILES):
        folder = copies.copy(here if is_for_here else usual)
        print(f"Your copy of the workshop: {shown(folder)}")
    if not folder:
        raise WorkshopError(
            f"{shown(here)} is not a copy of the workshop: make one with `workshop copy FOLDER`, "
            "or run `workshop lab` or `workshop run` in an empty folder"
        )
    copies.go_on_in(folder, arguments)


def run(
    notebook: list[str],
    scale: str | None,
    backend: str | None,
    parameter: list[str],
    folder: Path | None,
    resume: Path | None,
) -> None:
    """Execute notebooks (00 to 05 unless you name some) and keep the results in a folder."""
    from workshop import batch

    parameters, typed = batch.collected(parameter, scale=scale, backend=backend)
    if not resume:
        batch.start(batch.find(notebook), parameters, folder, typed)
    elif notebook or parameters or folder:
        raise WorkshopError(
            f"--resume uses the notebooks and parameters of {shown(resume)}: give no others, or "
            "start a new execution"
        )
    else:
        batch.resume(resume)


def notebooks(notebook: list[str]) -> None:
    """Execute the notebooks (all unless you name some) and store their outputs in them."""
    from workshop.batch.execution import find, numbered_notebooks, store_outputs
    from workshop.connection import backend
    from workshop.run_agents import rehearsal

    with backend.session("local"), rehearsal.session():
        store_outputs(find(notebook) if notebook else numbered_notebooks())


def exercises() -> None:
    """Regenerate the exercise notebooks from their solutions."""
    from workshop.exercises.generate import write

    for path in write():
        print(shown(path))


def lab(jupyter_options: list[str]) -> int:
    """Open JupyterLab at the first notebook, with the local W&B server running."""
    from workshop.classroom.lab import open_lab

    return open_lab(jupyter_options)


def kernel(prefix: Path | None, remove: bool) -> None:
    """Register the workshop as a kernel of an existing JupyterLab."""
    from workshop.classroom import kernel as kernels

    if remove:
        print(f"removed: {shown(kernels.remove(prefix))}")
        return
    print(f"Kernel {kernels.TITLE!r}: {shown(kernels.register(prefix))}")
    print("Reload JupyterLab's page to see it. To remove it: workshop kernel --remove")


def server(server_options: list[str]) -> int:
    """Run the local W&B server, for yourself or for a class, until Ctrl-C."""
    from sweepserver.__main__ import main as serve

    if not server_options and (url := local_server.running()):
        print(f"The local W&B server is already running: {url}")
        print("To use it from another terminal:")
        print(f"  export WANDB_BASE_URL={url} NETRC={shlex.quote(str(local_server.netrc_file()))}")
        print("To stop it: workshop stop")
        return 0
    return serve(
        server_options,
        prog="workshop server",
        store=local_server.store(),
        ports=(local_server.last_port(), 0),
        figures=local_server.FIGURES,
    )


def stop() -> None:
    """Stop the local W&B server."""
    print("stopped" if local_server.stop() else "the local W&B server was not running")


def check(
    scale: str, backend: str, site: str, as_json: bool, into: Path | None, collect: Path | None
) -> int:
    """Check that this machine is ready for a sweep, and say what to do if it isn't."""
    from workshop import preflight

    if into or collect:
        # Imported here, so that an ordinary check works without the packages that this one needs.
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
    """Collect a class's runs, from each person's newest sweep, in one CSV file."""
    from workshop import files
    from workshop.classroom import results
    from workshop.connection.backend import connect

    step = "give another file, in a folder that you can write to"
    files.check_writable(output, step)
    connect(backend)
    runs = results.results(results.people(roster), project)
    print(results.describe(runs))
    with files.writing(output, step):
        runs.to_csv(output, index=False)
    print(f"Written: {shown(output.resolve())}")


def new(folder: Path) -> None:
    """Start your own sweep from a template of four files."""
    from workshop.adopt import template

    made = template.make(folder)
    print(f"{shown(made)} has {', '.join(template.FILES)}.")
    sweep_file = typed(made / "sweep_config.yaml")
    print(f"Replace `train` with your own task, then: workshop adopt {sweep_file}")


def confirm(sweep: str, top: int, seeds: int) -> None:
    """Register a follow-up sweep that repeats the best points with new seeds."""
    from workshop.analyze import confirmation
    from workshop.connection import backend

    backend.connect()
    follow_up = confirmation.plan(sweep, top, seeds)
    path = confirmation.register(follow_up)
    print(follow_up)
    print(f"Run it with: wandb agent {shlex.quote(path)}")
    print(f"or on a cluster: workshop submit {shlex.quote(path)}")


def report(sweep: str, output: Path | None) -> None:
    """Write a report on a sweep, one HTML page to hand in: question, runs, figures, limits."""
    from workshop.analyze import report as reports
    from workshop.connection import backend

    backend.connect()
    contents = reports.collect(sweep)
    file = output or Path(f"report-{contents.sweep.rsplit('/', 1)[-1]}.html")
    reports.write(contents, file)
    print(contents.result)
    print(f"Written: {shown(file.resolve())}")


def reproduce(run: str) -> int:
    """Repeat a run's training and compare the metrics; the exit status is 1 if they differ."""
    from workshop.analyze import reproduction
    from workshop.connection import backend

    backend.connect()
    compared = reproduction.reproduce(run)
    print(compared)
    return int(bool(compared.disagreeing))


def data(name: str, path: str) -> None:
    """Download a data set in advance, so that no run has to."""
    from workshop.files import from_root
    from workshop.trainer.data import prepare

    prepare(path)
    print(f"{name} is in {shown(from_root(path))}")


# Commands that accept options of other programs, and the argument that receives them.
PASSED_ON = {lab: "jupyter_options", server: "server_options"}

ABOUT_OWN_FILES = (adoption.adopt, new, report)
"""Commands for files outside the kit, which people start in folders of their own."""

GROUPS = {
    "learners": "check lab run copy data server stop",
    "learners, analysis": "report confirm reproduce",
    "learners, SLURM": "submit status repair cancel cluster",
    "learners, your own program": "new adopt",
    "instructors": "results kernel",
    "cluster teams": "site",
    "maintainers": "notebooks exercises",
}
"""The commands by who needs them, in the order in which `workshop --help` lists them."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="workshop",
        description="Learn hyperparameter sweeps with Weights & Biases.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"workshop {__version__}")
    commands = parser.add_subparsers(
        required=True, metavar="COMMAND", help="`workshop COMMAND --help` explains its options"
    )
    summaries: dict[str, str] = {}

    def add_parser(name: str, summary: str, **settings: Any) -> argparse.ArgumentParser:
        summaries[name] = summary
        return commands.add_parser(name, description=summary, **settings)

    def add(function: Any, **settings: Any) -> argparse.ArgumentParser:
        command = add_parser(function.__name__, function.__doc__, **settings)
        command.set_defaults(command=function)
        return command

    which: dict[str, Any] = {
        "nargs": "*",
        "metavar": "NOTEBOOK",
        "help": "a number, a name or a file",
    }
    command = add(run)
    command.epilog = (
        "Each execution gets its own project, unless -p project=NAME names one. "
        "After a failure, --resume FOLDER executes the notebooks that haven't finished."
    )
    command.add_argument("notebook", **which)
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
        "--folder", type=Path, help="a new folder for the results (default: executed/TIME)"
    )
    command.add_argument("--resume", type=Path, metavar="FOLDER", help="continue an execution")
    add(notebooks).add_argument("notebook", **which)
    add(exercises)
    classroom.add_options(add(classroom.copy))
    add(lab).epilog = "Other options are JupyterLab's, for example --no-browser --port=8899."
    command = add(kernel)
    command.add_argument(
        "--prefix", type=Path, metavar="FOLDER",
        help="the environment that JupyterLab runs in (default: only for you)",
    )  # fmt: skip
    command.add_argument("--remove", action="store_true", help="remove the kernel")
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
    arrays.add_site(command)
    command.add_argument(
        "--json", dest="as_json", action="store_true", help="print one line of JSON"
    )
    choice = command.add_mutually_exclusive_group()
    choice.add_argument(
        "--into", type=Path, metavar="FOLDER",
        help="also write the result into this folder, which the whole class can write to",
    )  # fmt: skip
    choice.add_argument(
        "--collect", type=Path, metavar="FOLDER",
        help="summarize what the class has written into this folder; checks nothing here",
    )  # fmt: skip
    command = add(results)
    command.add_argument("roster", type=Path, metavar="ROSTER", help="the class's CSV file")
    command.add_argument("output", type=Path, metavar="FILE", help="the CSV file to write")
    command.add_argument("--project", default="sweep-workshop", help="(default: sweep-workshop)")
    command.add_argument(
        "--backend", default="auto", metavar="W&B", help="auto (default), or the server's URL"
    )
    command = add(confirm)
    command.add_argument("sweep", metavar="SWEEP", help="entity/project/ID")
    command.add_argument(
        "--top", type=int, default=3, metavar="N", help="how many points to repeat (default: 3)"
    )
    command.add_argument(
        "--seeds", type=int, default=5, metavar="N", help="new seeds per point (default: 5)"
    )
    command = add(report)
    command.add_argument("sweep", metavar="SWEEP", help="entity/project/ID")
    command.add_argument(
        "--output", type=Path, metavar="FILE", help="the file to write (default: report-ID.html)"
    )
    add(reproduce).add_argument("run", metavar="RUN", help="entity/project/run")
    adoption.add_options(add(adoption.adopt))
    add(new).add_argument("folder", type=Path, metavar="FOLDER", help="a new or empty folder")
    arrays.add_commands(add)
    cluster.add_commands(add_parser("cluster", cluster.SUMMARY))
    arrays.add_site_commands(add_parser("site", arrays.SITE_SUMMARY))
    command = add(data)
    command.add_argument("name", choices=["cifar10"])
    command.add_argument(
        "--path", default="data", help="the folder, data_path in the config (default: data)"
    )
    parser.epilog = "\n\n".join(
        f"for {readers}:\n" + "\n".join(f"  {name:<10} {summaries[name]}" for name in names.split())
        for readers, names in GROUPS.items()
    )
    return parser
