import html
import os
import re
import subprocess
import sys
import threading
from http.client import HTTPConnection
from types import SimpleNamespace
from urllib.parse import urlsplit

import nbformat
import pandas as pd
import pytest
import yaml

from sweepserver.people.keys import key_file, read_key
from sweepserver.search import hyperparameters
from sweepserver.search.metric import Metric
from tests.browser.web import HOP, serving
from tests.notebooks import write_notebook
from tests.server.poster import EVIL, Poster
from tests.waiting import patience, wait_for
from workshop.analyze import snapshot
from workshop.analyze.plots.export import PLOTLY_JSON, WIDGET_VIEW
from workshop.analyze.snapshot import look
from workshop.batch import start
from workshop.connection import local_server
from workshop.define import definition
from workshop.define.linter import lint
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.initialize.run_tables import fetch_runs
from workshop.run_agents.slurm import journal, task_ledger
from workshop.widgets import LiveView, View, live_ledger, pick_runs, sweep_form, watch

METRIC, LOSS = "Validation Accuracy", "Validation Loss"
GRID = definition.load("configs/sweep_config.yaml")


@pytest.fixture(scope="module")
def client(server):
    return Poster(SimpleNamespace(url=server.url, key=key()))


@pytest.fixture
def eight(client, request) -> str:
    """A sweep of eight runs, one of which goes on."""
    project = re.sub(r"\W+", "-", request.node.name)[-40:].strip("-")
    return f"local/{project}/{client.sweep_of_eight(project)}"


def key() -> str:
    """Return the key that the server has left for its user."""
    return read_key(key_file(local_server.store(), "local"))


def go_on(client, path: str, **end) -> None:
    """Let the last run of a sweep of eight log an epoch."""
    project = path.split("/")[1]
    row = {"_step": 3, "Epoch": 3, METRIC: 99}
    client.post(project, f"{project}-r7", [row], offset=2, **end)


def controls(widget, *words):
    """Return the widgets inside of one whose label or tooltip is one of the words."""
    found = []
    for child in getattr(widget, "children", ()):
        if getattr(child, "description", None) in words:
            found.append(child)
        found += controls(child, *words)
    return found


class TestLook:
    def test_it_sees_how_far_each_run_is_and_which_is_best(self, eight):
        seen = look(eight)
        assert (seen.expected, seen.ended, seen.complete, seen.closed) == (8, 7, False, False)
        assert list(seen.runs["name"]) == [f"trial-{number}" for number in range(1, 9)]
        assert set(seen.table()["epoch"]) == {"2 of 4"}
        # Neither the failed run with 62 nor the running one with 72.
        assert seen.best["name"] == "trial-6"
        text = str(seen)
        assert text.startswith("7 of 8 runs ended · 1 failed, 6 finished, 1 running\n")
        assert f"Best so far: {METRIC} 52 (trial-6: learning_rate 0.002154, optimizer sgd)" in text
        assert len(text.splitlines()) == 2 + 1 + 8

    def test_later_runs_of_a_sweep_with_very_many_are_not_taken_for_runs_that_never_started(
        self, eight, monkeypatch
    ):
        monkeypatch.setattr(snapshot, "_MOST_RUNS", 6)
        registration.stop(eight)
        seen = look(eight)
        assert list(seen.runs["name"]) == [f"trial-{number}" for number in range(1, 7)]
        assert seen.ended == 6
        assert seen.headline.endswith(" · not looked at: 2 later runs")
        assert not seen.complete
        assert "never started" not in seen.closing

    def test_a_sweep_without_runs_says_so(self, server):
        seen = look(registration.register(GRID, "look-empty"))
        assert seen.headline == "0 of 8 runs ended · no runs yet"
        assert "no run has finished" in seen.best_so_far
        assert not seen.complete

    def test_a_sweep_that_is_no_such_thing_is_an_error_with_the_form_of_a_path(self, server):
        for path in ("local/look-empty/nothing1", "nothing1"):
            with pytest.raises(WorkshopError, match=rf"{path}.*give entity/project/ID"):
                look(path)


class TestStop:
    def test_a_stopped_sweep_lets_its_runs_end_and_cannot_be_stopped_again(self, client, eight):
        registration.stop(eight)
        assert (look(eight).closed, look(eight).complete) == (True, False)
        go_on(client, eight, complete=True, exitcode=0)
        assert look(eight).complete
        with pytest.raises(WorkshopError, match=rf"--stop {eight}` failed: .*finished"):
            registration.stop(eight)

    def test_a_sweep_that_was_stopped_early_says_how_many_runs_are_missing(self, client):
        path = f"local/stopped-early/{client.sweep('stopped-early', GRID)}"
        for run in ("adam", "sgd"):
            point = {"learning_rate": 0.1, "optimizer": run, "scale": "smoke"}
            client.run("stopped-early", run, point, sweep=path.split("/")[-1])
            client.post("stopped-early", run, [{METRIC: 1}], complete=True, exitcode=0)
        registration.stop(path)
        view = watch(path)
        assert view.wait(0)
        for shown in (view.as_text(), view.as_html()):
            assert "2 of 8 runs ended" in shown
            assert "The sweep ended early: 6 runs were never started." in shown
        assert view._note.value == "nothing more will change"


class TestLiveView:
    def views(self, *views):
        """Return a look that sees one after the other, and the last one from then on."""
        left = list(views)

        def look():
            view = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(view, Exception):
                raise view
            return view

        return look

    def test_it_follows_until_the_view_is_final(self):
        looks = self.views(View("a", "<p>a</p>", False), View("b", "<p>b</p>", True))
        view = LiveView(looks, "ends", every=0.05)
        assert view.as_text() in "ab"
        assert view.wait(patience(300))
        assert (view.as_text(), view.as_html()) == ("b", "<p>b</p>")
        assert controls(view, "Stop updating")[0].disabled

    def test_looks_that_fail_are_said_and_repeated(self):
        first = View("a", "a", False)
        failures = [WorkshopError("the server sleeps"), OSError("<no network>")] * 20
        view = LiveView(self.views(first, *failures, View("b", "b", True)), "fails", every=0.05)
        said = set()
        wait_for(lambda: said.add(view._note.value) or view.wait(0.001), every=0.01)
        assert "the server sleeps; trying again" in said
        assert "no answer (OSError: &lt;no network&gt;); trying again" in said
        assert view.as_text() == "b"

    def test_a_first_look_that_fails_is_an_error(self):
        with pytest.raises(WorkshopError, match="no such sweep"):
            LiveView(self.views(WorkshopError("no such sweep")), "nothing")

    def test_a_new_view_of_a_subject_stops_the_one_before_it(self):
        looks = self.views(View("a", "a", False))
        first, other = (LiveView(looks, name, every=0.05) for name in ("subject", "another"))
        second = LiveView(looks, "subject", every=0.05)
        assert first.wait(0)
        assert not second.wait(0.2)
        assert not other.wait(0)
        for view in (second, other):
            controls(view, "Stop updating")[0].click()
            assert view.wait(0)


class TestWatch:
    def test_it_follows_the_runs_and_stops_the_sweep(self, client, eight):
        view = watch(eight, every=0.05)
        assert view.as_text() == str(look(eight))
        assert 'max="8" value="7"' in view.as_html()
        go_on(client, eight)
        wait_for(lambda: "3 of 4" in view.as_text())
        controls(view, "Stop the sweep")[0].click()
        wait_for(lambda: "The sweep is stopped" in view.as_html())
        assert look(eight).closed
        assert controls(view, "Stop the sweep")[0].disabled
        assert not view.wait(0)
        go_on(client, eight, complete=True, exitcode=0)
        assert view.wait(patience(300))
        assert f"{METRIC} 99 (trial-8" in view.as_text()

    def test_every_look_after_the_first_is_one_request(self, server, eight):
        seen = []

        def pass_on(request):
            seen.append(request.path)
            sent = request.rfile.read(int(request.headers.get("Content-Length", 0)))
            kept = {name: text for name, text in request.headers.items() if name.lower() not in HOP}
            connection = HTTPConnection(urlsplit(server.url).netloc)
            connection.request(request.command, request.path, sent, kept)
            reply = connection.getresponse()
            headers = [pair for pair in reply.getheaders() if pair[0].lower() not in HOP]
            return reply.status, headers, reply.read()

        program = (
            "from workshop.widgets import watch\n"
            f"view = watch({eight!r}, every=60)\n"
            "for _ in range(4): view._look()"
        )
        with serving(pass_on) as port:
            address = {"WANDB_BASE_URL": f"http://127.0.0.1:{port}", "WANDB_API_KEY": key()}
            environment = {k: v for k, v in os.environ.items() if k != "WANDB_SERVICE"} | address
            subprocess.run([sys.executable, "-c", program], env=environment, check=True)
        assert seen == ["/graphql"] * (1 + 5)  # one that checks the key, and the looks

    def test_a_sweep_that_is_over_cannot_be_stopped_and_is_looked_at_once(self, client, eight):
        go_on(client, eight, complete=True, exitcode=0)
        view = watch(eight)
        assert view.wait(0)
        assert controls(view, "Stop the sweep")[0].disabled

    def test_of_many_runs_those_that_run_and_the_newest_are_shown(self, client):
        name = client.sweep("many", GRID)
        for number in range(40):
            client.run("many", f"m{number}", {}, sweep=name, displayName=f"trial-{number}.")
            end = {"complete": True, "exitcode": 0} if number != 5 else {}
            client.post("many", f"m{number}", [{"_step": 1, METRIC: number}], **end)
        view = watch(f"local/many/{name}")
        shown = re.findall(r"trial-(\d+)\.</td>", view.as_html())
        assert shown == ["5", *map(str, range(29, 40))]
        assert "12 of 40 runs" in view.as_html()
        assert "trial-0." in view.as_text()
        view.stop()

    def test_what_users_logged_is_only_text(self, client):
        config = GRID | {"parameters": {EVIL: {"values": [EVIL, "b"]}}}
        path = f"local/watch-evil/{client.sweep('watch-evil', config)}"
        sweep_id = path.split("/")[-1]
        client.run("watch-evil", "e", {EVIL: EVIL}, sweep=sweep_id, displayName=EVIL)
        client.post("watch-evil", "e", [{METRIC: 1}], complete=True, exitcode=0)
        view = watch(path)
        assert "&lt;script&gt;" in view.as_html()
        assert not re.search(r"<(script|img|a) ", view.as_html().replace("<script>", "<script >"))


def test_the_ledger_is_followed_until_no_task_is_left(server, monkeypatch):
    path = registration.register(GRID, "live-ledger")
    journal.folder("90210").mkdir(parents=True)
    journal.record("90210", sweep=path, tasks=1)

    def silence(job):
        raise WorkshopError("SLURM's `scontrol` did not answer within 30 s")

    monkeypatch.setattr(task_ledger, "starts", silence)
    view = live_ledger(path)
    assert not view.wait(0)
    assert "1 unknown" in view.as_text()
    view.stop()
    monkeypatch.setattr(task_ledger, "starts", lambda job: {})
    view = live_ledger(path)
    assert view.wait(0)  # for SLURM knows nothing of this array
    assert "90210_1" in view.as_text()
    assert "90210_1</td>" in view.as_html()
    assert "<p" in view.as_html()
    assert "1 cancelled" in view.as_html()


class TestForm:
    @pytest.mark.parametrize("name", ["", "_random", "_bayes", "_optuna"])
    def test_it_keeps_what_it_was_given(self, name):
        config = definition.load(f"configs/sweep_config{name}.yaml")
        form = sweep_form(config)
        assert form.config == config
        assert yaml.safe_load(form.yaml) == config
        assert list(form.config)[:2] == ["program", "command"]
        assert form.problems == []
        assert f"{definition.combinations(config)} runs" in form.as_text()

    def test_yaml_and_number_of_runs_follow(self):
        form = sweep_form(GRID)
        assert "8 runs (4 of learning_rate times 2 of optimizer)" in form._result.value
        values = controls(form, "values")[0]
        values.value = "1e-3, 0.1, 0.2"
        assert "6 runs (3 of learning_rate times 2 of optimizer)" in form._result.value
        assert form.config["parameters"]["learning_rate"] == {"values": [0.001, 0.1, 0.2]}
        controls(form, "At most this many runs (run_cap)")[0].value = "5"
        assert (
            "5 runs (3 of learning_rate times 2 of optimizer; 6 without the cap)" in form.as_html()
        )

    def test_a_parameter_is_added_drawn_from_a_range_and_removed(self):
        form = sweep_form(GRID)
        controls(form, "Method")[0].value = "random"
        controls(form, "Add a parameter")[0].click()
        assert "a row has no parameter: choose one, or remove the row" in form.problems
        controls(form, "Parameter")[-1].value = "weight_decay"
        controls(form, "from")[-1].value = "log_uniform_values"
        controls(form, "min")[0].value, controls(form, "max")[0].value = "1e-6", "0.01"
        expected = {"distribution": "log_uniform_values", "min": 1e-6, "max": 0.01}
        assert form.config["parameters"]["weight_decay"] == expected
        assert form.problems == []
        assert "The sweep never ends" in form._result.value
        controls(form, "Remove")[0].click()
        assert list(form.config["parameters"]) == ["optimizer", "scale", "weight_decay"]

    def test_the_names_of_another_program_are_typed(self, tmp_path):
        (tmp_path / "train.py").write_text("")
        config = GRID | {"program": str(tmp_path / "train.py"), "command": None}
        config |= {"metric": {"name": "val/f1", "goal": "maximize"}}
        form = sweep_form({key: value for key, value in config.items() if value is not None})
        (metric,) = controls(form, "Metric")
        assert (form.problems, metric.value) == ([], "val/f1")
        metric.value = "val/loss"
        assert form.config["metric"]["name"] == "val/loss"

    @pytest.mark.parametrize("method", ["grid", "random", "bayes"])
    def test_a_metric_without_a_name_is_none(self, tmp_path, method):
        (tmp_path / "train.py").write_text("")
        config = {"program": str(tmp_path / "train.py"), "method": method}
        config["parameters"] = {"depth": {"values": [1, 2]}}
        form = sweep_form(config)
        assert form.config == config
        assert form.problems == lint(config)
        assert ("section 'metric' is missing" in str(form.problems)) == (method == "bayes")

    def test_only_a_scheduler_searches_without_parameters(self):
        config = {key: GRID[key] for key in GRID if key != "parameters"}
        assert "parameters is {}: it must map each parameter" in sweep_form(config).problems[0]
        scheduled = sweep_form(config | {"scheduler": {"engine": "wandb"}})
        assert scheduled.problems[0].startswith("parameters is missing, and the scheduler has no")

    @pytest.mark.parametrize(
        ("metric", "expected"),
        [
            ({"name": LOSS, "target": 0.1}, {"name": LOSS, "goal": "minimize", "target": 0.1}),
            ({"name": METRIC}, {"name": METRIC, "goal": "minimize"}),
            (None, {"name": METRIC, "goal": "maximize"}),
        ],
    )
    def test_a_missing_goal_is_the_one_by_which_the_sweep_is_judged(self, metric, expected):
        form = sweep_form(GRID | {"metric": metric})
        assert (form.config["metric"], form.problems) == (expected, [])
        assert controls(form, "Goal")[0].value == Metric.of({"metric": expected}).goal
        if metric:
            assert Metric.of(form.config) == Metric.of({"metric": metric})

    def test_null_is_kept_as_a_value(self):
        parameters = {"x": {"value": None}, "y": {"values": [None, 0.05]}}
        assert sweep_form(GRID | {"parameters": parameters}).config["parameters"] == parameters

    def test_hopeless_runs_end_early(self):
        form = sweep_form(GRID)
        assert controls(form, "but not before epoch")[0].layout.display == "none"
        controls(form, "Stop poor runs early (hyperband)")[0].value = True
        assert controls(form, "but not before epoch")[0].layout.display is None
        controls(form, "but not before epoch")[0].value = "2"
        assert form.config["early_terminate"] == {"type": "hyperband", "min_iter": 2}
        assert form.problems == []

    @pytest.mark.parametrize(
        ("label", "typed"),
        [
            ("values", "0.1, 0.1"),
            ("values", "0.1,, 0.2"),
            ("values", ""),
            ("values", "<b>fast</b>"),
            ("Parameter", "learning_rat"),
            ("from", "a range"),
            ("At most this many runs (run_cap)", "many"),
        ],
    )
    def test_problems_are_said_in_the_words_of_lint(self, label, typed):
        form = sweep_form(GRID)
        controls(form, label)[0].value = typed
        assert form.problems == lint(form.config) != []
        assert "Not ready: " in form.as_text()
        for problem in form.problems:
            assert html.escape(problem) in form._result.value

    def test_a_parameter_in_two_rows_is_a_problem(self):
        form = sweep_form(GRID)
        controls(form, "Parameter")[0].value = "optimizer"
        assert form.problems[0] == "parameter 'optimizer' is in 2 rows: remove all but one"

    @pytest.mark.parametrize(
        "change",
        [
            {"method": "gird"},
            {"metric": {"name": "accuracy", "goal": "maximise"}},
            {"early_terminate": {"type": "hyperband", "s": 2, "max_iter": 27}},
            {"early_terminate": {"type": "median", "min_iter": 1}},
            {"parameters": {"momentum": {"distribution": "beta", "a": 1, "b": 2}}},
            {"parameters": {"momentum": {"distribution": "q_norm", "mu": 1, "sigma": 2, "q": 1}}},
            {"parameters": {"momentum": {"distribution": "unheard_of", "min": 0, "max": 0.5}}},
            {"parameters": {"momentum": {"valeus": [1, 2]}}},
            {"parameters": {"dataset": {"values": ["images:a, b", "images:c[d]", "digits"]}}},
        ],
        ids=str,
    )
    def test_odd_configurations_are_kept_for_lint_to_name(self, change):
        form = sweep_form(GRID | change)
        assert form.config == GRID | change
        assert form.problems == lint(GRID | change)

    def test_it_is_saved_in_a_file_for_load(self, tmp_path):
        form = sweep_form(GRID)
        controls(form, "values")[0].value = "0.3, 0.03"
        file = tmp_path / "my_sweep.yaml"
        controls(form, "File")[0].value = str(file)
        assert f"Not saved yet: {file}" in form._saved.value
        (save,) = controls(form, "Save")
        save.click()
        assert html.escape(f'Saved. Use it with load("{file}").') in form._saved.value
        assert definition.load(file) == form.config
        controls(form, "values")[0].value = "0.2"
        assert form._saved.value == ""
        save.click()
        assert definition.load(file)["parameters"]["learning_rate"] == {"values": [0.2]}

        edited = "# mine\n" + file.read_text()
        file.write_text(edited)
        save.click()
        assert f"Not saved: {file} was edited, or written by something else" in form._saved.value
        controls(form, "Add a parameter")[0].click()
        save.click()
        assert "Not saved: the sweep is not ready: a row has no parameter" in form._saved.value
        assert file.read_text() == edited

    @pytest.mark.parametrize("step", ["0", "-1", "a", "true", ""])
    def test_a_step_as_it_is_typed_breaks_nothing(self, step):
        given = {"distribution": "q_uniform", "min": 16, "max": 64, "q": 16}
        form = sweep_form(GRID | {"parameters": {"batch_size": given}})
        assert "3 runs" in form.as_text()
        controls(form, "q")[0].value = step
        assert form.problems == lint(form.config)
        assert bool(form.problems) == bool(step)

    @pytest.mark.parametrize("section", ["metric", "parameters", "early_terminate"])
    def test_what_no_form_can_show_is_refused(self, section):
        with pytest.raises(WorkshopError, match=rf"{section} must be a mapping, got \['a'\]"):
            sweep_form(GRID | {section: ["a"]})

    def test_several_goals_are_refused(self):
        config = definition.load("configs/sweep_config_optuna.yaml")
        config["metrics"] = [config.pop("metric"), {"name": LOSS}]
        assert lint(config) == []
        with pytest.raises(WorkshopError, match="the form shows only one"):
            sweep_form(config)


class TestPickRuns:
    @pytest.fixture
    def picker(self, eight):
        varied = hyperparameters(registration.get(eight).config)
        return pick_runs(fetch_runs(eight), varied, METRIC, keys=("Epoch", METRIC))

    def lines(self, picker) -> list[str]:
        (output,) = picker._figure.outputs
        return [trace["name"] for trace in output["data"][PLOTLY_JSON]["data"]]

    def test_the_best_are_selected_and_drawn_at_the_start(self, picker):
        boxes = [row[0] for row in picker._rows]
        assert [box.description for box in boxes[:3]] == ["trial-6", "trial-5", "trial-4"]
        assert [box.value for box in boxes] == [True] * 3 + [False] * 5
        assert [box.description for box in boxes[6:]] == ["trial-7", "trial-8"]
        assert len(self.lines(picker)) == 3
        assert self.lines(picker)[0] == "learning_rate 0.002154, optimizer sgd"

    def test_a_selection_is_drawn_and_cleared(self, picker):
        controls(picker, "trial-8")[0].value = True
        controls(picker, "trial-6")[0].value = False
        assert len(self.lines(picker)) == 3
        assert [run[-2:] for run in picker.selected] == ["r4", "r3", "r7"]
        controls(picker, "Clear selection")[0].click()
        assert (picker.selected, self.lines(picker)) == ([], [])
        assert "Select a run to see its curves" in picker.as_text()

    def test_its_text_is_the_table_with_crosses_and_the_figure_in_words(self, picker):
        lines = picker.as_text().splitlines()
        assert len(lines) == 1 + 8 + 1
        assert [line.split()[0] == "x" for line in lines[1:9]] == [True] * 3 + [False] * 5
        assert lines[-1].startswith("Learning curves of 3 runs")
        assert picker.as_html().count("<td") == 8 * 6

    def test_a_run_that_cannot_be_read_is_said(self, eight):
        runs = fetch_runs(eight)
        runs.loc[runs["name"] == "trial-6", "path"] += "x"
        picker = pick_runs(runs, ["learning_rate"], METRIC, keys=("Epoch", METRIC))
        assert "cannot be read" in picker._note.value
        assert len(self.lines(picker)) == 2

    def test_many_runs_are_shown_ten_at_a_time(self, eight):
        runs = fetch_runs(eight)
        many = pd.concat([runs] * 3, ignore_index=True)
        many["run"] = many["name"] = [f"<r{number}>" for number in many.index]
        picker = pick_runs(many, ["optimizer"], METRIC, first=0)
        first, second = (controls(picker, name)[0] for name in ("Earlier rows", "Later rows"))
        shown = []
        for _ in range(4):
            used = [row[0] for row in picker._rows if row[0].layout.display != "none"]
            shown.append([box.description for box in used])
            second.click()
        assert [len(page) for page in shown] == [10, 10, 4, 4]
        assert len({name for page in shown for name in page}) == 24
        assert (first.disabled, second.disabled) == (False, True)
        assert "21 to 24 of 24" in picker._where.value
        assert "&lt;r0&gt;" in picker.as_html()

    def test_what_a_foreign_program_logged_is_drawn_by_step(self, eight):
        runs = fetch_runs(eight)
        runs.attrs["definition"] = {"program": "/somewhere/train.py"}
        axis = pick_runs(runs, ["learning_rate"], METRIC)._figure.outputs[0]["data"][PLOTLY_JSON]
        assert axis["layout"]["xaxis"]["title"]["text"] == "step"
        assert axis["layout"]["yaxis"]["title"]["text"] == METRIC, "not in percent"

    @pytest.mark.parametrize("count", [0, 1])
    def test_few_runs_are_no_error(self, eight, count):
        picker = pick_runs(fetch_runs(eight)[:count], ["optimizer"], METRIC, keys=("Epoch", METRIC))
        assert len(picker._rows) == count
        assert len(self.lines(picker)) == count


def test_a_widget_without_a_page_is_its_text(eight):
    view = watch(eight)
    view.stop()
    bundle = view._repr_mimebundle_()
    assert WIDGET_VIEW in bundle
    assert bundle["text/plain"] == repr(view) == str(look(eight))


def test_an_executed_notebook_has_the_newest_text_in_place_of_its_widgets(client, eight, tmp_path):
    """And the view's thread does not keep the kernel."""
    notebook = write_notebook(
        tmp_path / "00_widgets.ipynb",
        "sweep = ''",
        "from workshop.widgets import watch\nview = watch(sweep, every=0.2)\nview",
        f"import pathlib\npathlib.Path('looked').touch()\nassert view.wait({patience(300)})",
    )

    def end_the_last_run():
        wait_for((tmp_path / "looked").exists)
        go_on(client, eight, complete=True, exitcode=0)

    ending = threading.Thread(target=end_the_last_run)
    ending.start()
    start([notebook], {"sweep": eight}, tmp_path / "out")
    ending.join()
    executed = nbformat.read(tmp_path / "out" / "00_widgets.ipynb", as_version=4)
    assert WIDGET_VIEW not in nbformat.writes(executed)
    assert "widgets" not in executed.metadata
    (output,) = [o for cell in executed.cells for o in cell.get("outputs", []) if "data" in o]
    assert output.data["text/html"].startswith('<details class="widget-as-text" open>')
    assert output.data["text/plain"].startswith("8 of 8 runs ended")
    page = (tmp_path / "out" / "00_widgets.html").read_text()
    assert "8 of 8 runs ended" in page
    assert "unpkg" not in page
