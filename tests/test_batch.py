"""`workshop run`: several notebooks, one folder, and what a failure leaves behind."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from tests.notebooks import write_notebook
from tests.repository.documents import Page, are_in_order
from tests.waiting import patience, wait_for, wait_for_text
from workshop import batch, cli
from workshop.batch import running
from workshop.batch.parameters import assignment, checked, declared
from workshop.batch.record import Execution, held
from workshop.batch.report import summary, write_index
from workshop.batch.reporter import Reporter
from workshop.connection import local_server
from workshop.define.definition import load
from workshop.errors import WorkshopError
from workshop.paths import NOTEBOOKS

pytestmark = pytest.mark.scattered

WORKSHOP = Path(sys.executable).parent / "workshop"


def record(folder):
    return json.loads((folder / "execution.json").read_text())


def outcomes(folder):
    return [result["outcome"] for result in record(folder)["results"]]


class TestParameters:
    @pytest.fixture
    def notebook(self, tmp_path):
        lines = [
            "rates: list[float] = []  # of the optimizer",
            "sizes = [16, 32]",
            "at_once = 2",
            "share = 0.5",
            "project = 'p'  # where",
            "quick = False",
            "limit = None",
            "names = ['a']",
            "both = (1, 2)",
            "home = str(len('x'))",
        ]
        return write_notebook(tmp_path / "00_typed.ipynb", "\n".join(lines))

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("rates=[0.1, 1e-3, 1]", [0.1, 0.001, 1.0]),
            ("rates=[]", []),
            ("sizes=[8]", [8]),
            ("at_once=3", 3),
            ("share=1", 1.0),
            ("share=2E-2", 0.02),
            ("project=a=b", "a=b"),
            ("project='12'", "12"),
            ("quick=true", True),
            ("limit=[1, x]", [1, "x"]),
            ("both=[3, 4]", [3, 4]),
            ("home=anything", "anything"),
        ],
    )
    def test_values_are_yaml_of_the_default_s_type(self, notebook, text, value):
        types = {notebook: declared(notebook)}
        name, read, _ = assignment(text)
        assert repr(checked({name: read}, types)[notebook][name]) == repr(value)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (
                "rates=1e-3",
                "parameter rates of 00_typed is 0.001, but it must be a valid list, in brackets: "
                "-p rates='[1e-3]'",
            ),
            ("rates=[fast]", "parameter rates[0] of 00_typed is 'fast', but it must be a valid nu"),
            ("sizes=[8, 1.5]", "sizes[1] of 00_typed is 1.5, but it must be a valid integer"),
            ("at_once=two", "at_once of 00_typed is 'two', but it must be a valid integer"),
            ("at_once=true", "is True, but it must be a valid integer"),
            (
                "project=no",
                "is False, but it must be a valid string, in its own quotes: -p project='\"no\"'",
            ),
            (
                "names=[a, no]",
                "names[1] of 00_typed is False, but it must be a valid string, in its own "
                'quotes: -p names=\'["a", "no"]\'',
            ),
            ("quick=1", "is 1, but it must be a valid boolean"),
            (
                "rate=[1]",
                "no notebook has the parameter 'rate' (did you mean 'rates'?): use one of",
            ),
        ],
    )
    def test_what_does_not_fit_is_one_sentence(self, notebook, text, words):
        name, value, typed = assignment(text)
        with pytest.raises(WorkshopError) as raised:
            checked({name: value}, {notebook: declared(notebook)}, {name: typed})
        assert words in str(raised.value)
        assert "\n" not in str(raised.value)

    def test_each_notebook_gets_what_it_declares(self, tmp_path):
        one = write_notebook(tmp_path / "00_one.ipynb", "a = 1\nb = 2")
        two = write_notebook(tmp_path / "01_two.ipynb", "b = 0.5")
        values = checked({"a": 3, "b": 4}, {path: declared(path) for path in (one, two)})
        assert repr(values) == repr({one: {"a": 3, "b": 4}, two: {"b": 4.0}})

    def test_value_that_is_no_yaml_is_a_sentence(self):
        with pytest.raises(
            WorkshopError, match=r"'rates' has the value '\[0.1', which is not valid YAML"
        ):
            assignment("rates=[0.1")


class TestFind:
    def test_notebooks_have_numbers_and_names(self):
        file = str(NOTEBOOKS / "04_analyze_runs.ipynb")
        found = batch.find(["03", "01_define_the_sweep", file])
        assert [path.name[:2] for path in found] == ["03", "01", "04"]

    @pytest.mark.parametrize("word", ["09", "03_run_agent", "no/such.ipynb"])
    def test_unknown_notebook_is_a_sentence(self, word):
        with pytest.raises(WorkshopError, match=f"there is no notebook '{word}'"):
            batch.find([word])


class TestExecution:
    def test_notebooks_run_in_order_and_become_a_site(self, server, tmp_path, capsys):
        notebooks = [
            write_notebook(tmp_path / "00_first.ipynb", "rate = 1.0", "print('rate', rate)"),
            write_notebook(tmp_path / "01_second.ipynb", "other = 2", "print('<b>x</b>', other)"),
        ]
        out = batch.start(notebooks, {"rate": 0.5}, tmp_path / "out")
        first = nbformat.read(out / "00_first.ipynb", as_version=4)
        assert first.cells[-1].outputs[0].text == "rate 0.5\n"
        assert "&lt;b&gt;x&lt;/b&gt; 2" in (out / "01_second.html").read_text()
        index = (out / "index.html").read_text()
        assert index.index("About 00_first") < index.index("About 01_second")
        assert 'href="01_second.html"' in index
        assert re.search(r'scope="row">rate</th><td>0\.5<', index)
        assert 'Execution out <span class="state finished">' in index
        assert outcomes(out) == ["finished", "finished"]
        told = capsys.readouterr().out.splitlines()
        assert [line.partition(" after")[0] for line in told if line.startswith("[")] == [
            "[1/2] 00_first",
            "[1/2] 00_first: finished",
            "[2/2] 01_second",
            "[2/2] 01_second: finished",
        ]

    def test_what_failed_is_mended_and_gone_on_with(self, server, tmp_path, capsys):
        write_notebook(tmp_path / "00_good.ipynb", "rate = 1.0", "import time; print(time.time())")
        write_notebook(tmp_path / "01_bad.ipynb", "rate = 1.0", "1 / 0")
        write_notebook(tmp_path / "02_next.ipynb", "rate = 1.0", "print('rate', rate)")
        files = sorted(map(str, tmp_path.glob("*.ipynb")))
        out = tmp_path / "out"
        assert cli.main(["run", *files, "--folder", str(out), "-p", "rate=0.25"]) == 2
        said = capsys.readouterr()
        assert "error: notebook 01_bad.ipynb failed (kept as " in said.err
        assert said.err.splitlines()[2].strip() == "ZeroDivisionError: division by zero"
        assert f"continue: workshop run --resume {out}" in said.err
        assert "[2/3] 01_bad: failed after" in said.out
        assert outcomes(out) == ["finished", "failed", "pending"]
        index = (out / "index.html").read_text()
        assert "ZeroDivisionError: division by zero" in index
        assert 'href="01_bad.html"' in index
        assert 'href="02_next.html"' not in index
        assert f"workshop run --resume {out}" in index
        before = (out / "00_good.ipynb").read_bytes()

        write_notebook(tmp_path / "01_bad.ipynb", "rate = 1.0", "print('mended', rate)")
        assert cli.main(["run", "--resume", str(out)]) == 0
        assert outcomes(out) == ["finished"] * 3
        assert (out / "00_good.ipynb").read_bytes() == before
        assert "mended 0.25" in (out / "01_bad.html").read_text()
        assert "rate 0.25" in (out / "02_next.html").read_text()
        assert "ZeroDivisionError" not in (out / "index.html").read_text()
        assert "00_good" not in capsys.readouterr().out
        assert cli.main(["run", "--resume", str(out)]) == 2
        assert "has already finished" in capsys.readouterr().err

    def test_wrong_parameter_is_an_error_before_anything_runs(self, tmp_path):
        notebook = write_notebook(tmp_path / "00_first.ipynb", "rate = 1")
        with pytest.raises(WorkshopError, match=r"'rats' \(did you mean 'rate'\?\)"):
            batch.start([notebook], {"rats": 2}, tmp_path / "out")
        with pytest.raises(WorkshopError, match="rate of 00_first is 'x'"):
            batch.start([notebook], {"rate": "x"}, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["--resume", "X", "-p", "rate=1"], "--resume uses the notebooks and parameters of"),
            (["--resume", "X"], "X has no execution"),
            (
                ["--scale", "smoke", "-p", "scale=full"],
                "--scale smoke and -p scale=full contradict",
            ),
            (["--scale", "tiny", "-p", "scale=no"], "--scale tiny and -p scale=no contradict"),
            (["--scale", "clas"], "scale is 'clas', but it must be one of class, full"),
            (["--folder", "."], "cannot be created (File exists)"),
            (["-p", "scale=tiny", "-p", "scale=tiny"], "-p scale is given more than once: keep"),
            (["-p", "project=no"], "in its own quotes: -p project='\"no\"'"),
        ],
    )
    def test_options_that_make_no_sense_are_a_sentence(self, server, arguments, words, capsys):
        assert cli.main(["run", *arguments]) == 2
        said = capsys.readouterr().err
        assert words in said
        assert said.count("\n") == 1

    def test_folder_belongs_to_one_execution_at_a_time(self, tmp_path):
        with held(tmp_path):
            again = pytest.raises(WorkshopError, match="is still running: wait for its end")
            with again, held(tmp_path):
                pass

    def test_damaged_record_is_a_sentence(self, tmp_path):
        (tmp_path / "execution.json").write_text("{")
        with pytest.raises(WorkshopError, match=r"execution\.json cannot be read"):
            batch.resume(tmp_path)

    def test_those_of_the_same_second_have_folders_of_their_own(self, tmp_path, monkeypatch):
        monkeypatch.setattr(running, "ROOT", tmp_path)
        folders = {running._made(None) for _ in range(3)}
        assert len(folders) == 3
        assert len({running._project(folder) for folder in folders}) == 3

    def test_folders_of_one_name_have_projects_of_their_own(self, server, tmp_path):
        notebook = write_notebook(tmp_path / "00_x.ipynb", "project = ''")
        projects = []
        for parent in ("a", "b"):
            out = batch.start([notebook], {}, tmp_path / parent / "out put")
            projects.append(record(out)["parameters"]["project"])
        assert all(re.fullmatch(r"sweep-workshop-out-put-[0-9a-f]{8}", name) for name in projects)
        assert len(set(projects)) == 2

    @pytest.mark.parametrize(
        ("url", "is_local"),
        [
            ("http://127.0.0.1:8517/local/p/sweeps/x", True),
            ("https://wandb.ai/a/p/sweeps/x", False),
        ],
    )
    def test_index_says_how_to_see_the_pages_of_the_local_server(self, tmp_path, url, is_local):
        write_index(Execution(tmp_path, {}, [], sweep={"path": "a/p/x", "url": url}))
        page = (tmp_path / "index.html").read_text()
        assert f'<a href="{url}">a/p/x</a>' in page
        assert ("<code>workshop server</code>" in page) == is_local

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_interrupt_leaves_a_record_and_no_kernel(self, server, tmp_path, number):
        source = f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))"
        notebook = write_notebook(tmp_path / "00_long.ipynb", source, "time.sleep(300)")
        command = [WORKSHOP, "run", notebook, "--folder", tmp_path / "out"]
        process = subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.PIPE, text=True
        )
        kernel = tmp_path / "pid"
        wait_for_text(kernel, r"\d", process)
        process.send_signal(number)
        told = process.communicate(timeout=patience(180))[0]
        assert process.returncode == 128 + number
        assert f"To continue: workshop run --resume {tmp_path / 'out'}\n" in told
        # It has been told to end.
        wait_for(lambda: not Path(f"/proc/{kernel.read_text()}").exists())
        assert outcomes(tmp_path / "out") == ["interrupted"]
        assert local_server.running() == server.url


def test_pages_of_an_execution_are_for_every_reader(server, tmp_path):
    notebook = write_notebook(tmp_path / "00_x.ipynb", "rate = 1")
    folder = batch.start([notebook], {"rate": 2}, tmp_path / "out")
    for name in ("index.html", "00_x.html"):
        page = Page((folder / name).read_text())
        assert are_in_order(page.levels), name
        assert (page.language, page.unnamed) == ("en", [])
        assert page.title


class TestSummary:
    def told(self, server, runs, **definition):
        """Register a sweep, log runs of it, and return its summary."""
        import wandb

        sweep_id = wandb.sweep({"method": "random", **definition}, project="summary")
        settings = wandb.Settings(sweep_id=sweep_id, silent=True)
        for config, logged in runs:
            with wandb.init(project="summary", config=config, settings=settings) as run:
                run.log(logged)
        return summary(f"{server.entity}/summary/{sweep_id}")

    def test_without_a_metric_no_run_is_the_best(self, server):
        parameters = {"depth": {"values": [1, 2]}, "learning_rate": {"value": 0.1}}
        config = {"learning_rate": 0.1, "dataset": "digits"}
        runs = [(config | {"depth": depth}, {"loss": depth}) for depth in (1, 2)]
        told = self.told(server, runs, parameters=parameters)
        assert told.startswith("Data: digits\nSweep: local/summary/")
        assert re.findall(r"^ *\S+-\d+ +(\d) +0\.1 ", told, re.MULTILINE) == ["1", "2"]
        assert told.endswith("The sweep has no metric, so there is no best run.")

    def test_of_several_goals_the_pareto_front_is_first(self, server):
        parameters = {"depth": {"values": [1, 2, 3]}}
        metrics = [{"name": "loss"}, {"name": "acc", "goal": "maximize"}]
        scheduled = {"method": "custom", "scheduler": {"engine": "optuna"}}
        logged = {1: (3, 1), 2: (2, 2), 3: (1, 1)}
        runs = [({"depth": depth}, {"loss": a, "acc": b}) for depth, (a, b) in logged.items()]
        told = self.told(server, runs, parameters=parameters, metrics=metrics, **scheduled)
        assert re.findall(r"^ +(\d) +\S+-\d+ +(\d) ", told, re.MULTILINE) == [
            ("1", "3"), ("1", "2"), ("2", "1"),
        ]  # fmt: skip
        assert told.endswith(
            "The sweep has several goals (loss and acc), so there is no best run: choose one from "
            "front 1, the Pareto front."
        )

    def test_a_program_of_ones_own_needs_no_learning_rate(self, server):
        parameters = {"depth": {"values": [1, 2, 3]}}
        runs = [({"depth": depth}, {"loss": abs(depth - 2) + 0.25}) for depth in (1, 2, 3)]
        told = self.told(server, runs, parameters=parameters, metric={"name": "loss"})
        assert told.startswith("Sweep: local/summary/")
        assert re.findall(r"^ *\S+-\d+ +(\d) ", told, re.MULTILINE) == ["2", "1", "3"]
        assert re.search(r"Best run: \S+ with loss 0\.25$", told)

    def test_a_sweep_without_runs_says_so(self, server):
        parameters = {"depth": {"values": [1, 2]}}
        assert self.told(server, [], parameters=parameters).endswith(", no runs yet")


class TestReporter:
    def told(self, out):
        reporter = Reporter(out, 2)
        reporter.begin(1, "03_run_agents", 3)
        for source in ("x = 1", "run(\n  'now')", "y = " + "2 + " * 100):
            reporter.cell(source)
        reporter.end("finished")

    def test_a_terminal_has_one_line_that_changes(self):
        ours, theirs = pty.openpty()
        with os.fdopen(theirs, "w") as terminal:
            self.told(terminal)
            told = ""
            while "\n" not in told:
                told += os.read(ours, 10_000).decode()
        os.close(ours)
        assert told.count("\n") == 1
        changes = told.split("\r")
        assert "03_run_agents: cell 2 of 3, 0 s | run(\x1b[K" in changes[3]
        assert all(len(change) < 90 for change in changes)
        assert "[1/2] 03_run_agents: finished after 0 s" in changes[-2]

    def test_a_log_has_few_lines(self, tmp_path, monkeypatch):
        log = tmp_path / "log"
        with log.open("w") as out:
            self.told(out)
        lines = ["[1/2] 03_run_agents", "[1/2] 03_run_agents: finished after 0 s"]
        assert log.read_text().splitlines() == lines
        monkeypatch.setattr("workshop.batch.reporter.LINE_INTERVAL_S", 0)
        with log.open("w") as out:
            self.told(out)
        assert "[1/2] 03_run_agents: cell 2 of 3, 0 s" in log.read_text().splitlines()


@pytest.mark.slow
def test_executions_side_by_side_keep_to_themselves(tmp_path, monkeypatch):
    """The first to end leaves the server, which neither found running, to the other; it trains."""
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "home"))
    for variable in [name for name in os.environ if name.startswith("WANDB_") or name == "NETRC"]:
        monkeypatch.delenv(variable)
    definition = load("configs/sweep_config.yaml")
    definition["parameters"]["optimizer"] = {"value": "sgd"}
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(definition))
    look = "from workshop.initialize import get, newest; print(get(newest(project)).config)"
    looking = write_notebook(tmp_path / "look.ipynb", "project = ''", look)
    third = {"trains": "03", "looks": looking}
    rate = {"trains": 0.1, "looks": 0.001}
    processes = {}
    for name in third:
        command = [WORKSHOP, "run", "02", third[name], "--scale", "tiny"]
        command += ["-p", f"learning_rates=[{rate[name]}]", "--folder", tmp_path / name]
        command += ["-p", f"sweep_file={tmp_path / 'sweep.yaml'}"]
        processes[name] = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    told = {name: process.communicate()[0] for name, process in processes.items()}
    assert [process.returncode for process in processes.values()] == [0, 0], told
    for name in third:
        found = record(tmp_path / name)["sweep"]
        assert found["path"].startswith(f"local/sweep-workshop-{name}-")
        index = (tmp_path / name / "index.html").read_text()
        assert f'<a href="{found["url"]}">{found["path"]}</a>' in index
        assert f"Sweep: {found['path']}, " in told[name]
    assert "'values': [0.001]" in (tmp_path / "looks/look.html").read_text()
    rows = re.findall(r"-sweep-\d+ +(\S+) +(\S+) +\S+$", told["trains"], re.MULTILINE)
    assert rows == [("0.1", "0.1")]
    assert local_server.running() is None
