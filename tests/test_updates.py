"""`workshop copy --update` brings what the kit has changed, and leaves what a participant has."""

import json
import os
import shutil
import subprocess
import sys

from workshop import cli
from workshop.classroom import copies, manifest
from workshop.paths import ROOT

RUN, EDITED, PLAIN = (
    f"notebooks/{name}.ipynb"
    for name in ("01_define_the_sweep", "02_initialize_the_sweep", "03_run_agents")
)


def workshop(kit, *arguments):
    """Run the command of a kit or copy; return the lines that it prints."""
    program = "import sys; from workshop.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(kit)}, cwd=kit, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def change(file, text="\n# changed\n"):
    file.write_text(file.read_text() + text)


def edit(file, source):
    """Add a line to the first cell of a notebook."""
    notebook = json.loads(file.read_text())
    notebook["cells"][0]["source"] = [*notebook["cells"][0]["source"], source]
    file.write_text(json.dumps(notebook))


def execute(file):
    """Change a notebook as JupyterLab does when it's run."""
    notebook = json.loads(file.read_text())
    code = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    code["execution_count"] = 7
    code["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "mine"}]
    code["metadata"]["execution"] = {"shell.execute_reply": "2026-11-30"}
    notebook["metadata"]["language_info"] = {"name": "python", "version": "3.99"}
    file.write_text(json.dumps(notebook))


def contents(folder):
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not {".venv", ".kit", "data", "__pycache__"} & {*file.parts}
    }


def test_what_the_kit_has_changed_comes_and_what_a_participant_has_stays(tmp_path):
    kit, mine = tmp_path / "kit", tmp_path / "mine"
    for name, source in copies.files_of(ROOT).items():
        (kit / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, kit / name)
    workshop(kit, "copy", mine)

    execute(mine / RUN)
    edit(kit / RUN, "A fix.")
    edit(mine / EDITED, "Mine.")
    edit(kit / EDITED, "A fix.")
    edit(kit / PLAIN, "A fix.")
    execute(kit / "notebooks/04_analyze_runs.ipynb")  # no change: only its stored outputs
    change(kit / "configs/config.yaml")
    change(mine / "configs/config.yaml", "\n# mine\n")
    change(mine / "configs/sweep_config.yaml", "\n# mine\n")
    change(kit / "workshop/wording.py")
    (mine / "docs/slurm.md").unlink()
    (kit / "docs/handout.md").unlink()
    (kit / "docs/settings.md").unlink()
    change(mine / "docs/settings.md", "\nmine\n")
    for folder, text in ((kit, "the kit's"), (mine, "mine")):
        (folder / "notebooks/09_extra.txt").write_text(text)
    (kit / "workshop/added.py").touch()  # other modules, so a plain copy would add nothing
    before = contents(mine)

    dry = workshop(mine, "copy", "--update", "--dry-run")
    assert dry.pop() == "This was a dry run: nothing has been changed."
    assert contents(mine) == before

    *changes, summary, last = workshop(mine, "copy", "--update")
    after = contents(mine)
    lost = set(before.values()) - set(after.values())
    theirs = ("docs/handout.md", "workshop/wording.py", PLAIN, ".layout", ".manifest.json")
    assert lost <= {before[name] for name in theirs}, "only what was the kit's"

    [outputs] = mine.glob("notebooks/my-01_define_the_sweep-*.ipynb")
    [extra] = mine.glob("notebooks/my-09_extra-*.txt")
    assert {" ".join(line.split(maxsplit=1)) for line in changes} == {
        f"updated {RUN} (the one with your outputs is now {outputs.name})",
        f"kept {EDITED} (you've changed it; the kit's is new-02_initialize_the_sweep.ipynb)",
        f"updated {PLAIN}",
        "kept configs/config.yaml (you've changed it; the kit's is new-config.yaml)",
        "updated workshop/wording.py",
        "restored docs/slurm.md",
        "removed docs/handout.md (the kit no longer has it)",
        "kept docs/settings.md (the kit no longer has it, but you've changed or run it)",
        f"new notebooks/09_extra.txt (yours is now {extra.name})",
        "new workshop/added.py",
    }
    assert len(dry) == len(changes) + 1
    assert summary.startswith(f"{mine}: ")
    assert "3 files updated" in summary
    assert "3 files kept" in summary
    assert "restart their kernels" in last

    assert outputs.read_bytes() == before[RUN]
    assert extra.read_text() == "mine"
    for name in (RUN, PLAIN, "configs/new-config.yaml", "notebooks/09_extra.txt"):
        assert manifest.digest(mine / name) == manifest.digest(kit / name.replace("new-", ""))
    assert not (mine / "docs/handout.md").exists()

    assert workshop(mine, "copy", "--update") == [f"{mine} is up to date."]
    assert contents(mine) == after


def test_copy_without_a_record_loses_nothing(tmp_path, capsys):
    """As one that an older version has made."""
    mine = copies.copy(tmp_path / "mine")
    config, beside = mine / "configs/config.yaml", mine / "configs/new-config.yaml"
    for _ in range(2):
        (mine / manifest.FILE).unlink()
        change(config, "\n# mine\n")
        before = contents(mine)
        assert cli.main(["copy", "--update", str(mine)]) == 0
        assert contents(mine).items() >= before.items()
    assert beside.read_bytes() == (ROOT / "configs/config.yaml").read_bytes()
    assert not (mine / "configs/new-2-config.yaml").exists()
    assert "had no record" in capsys.readouterr().out
    assert cli.main(["copy", "--update", str(mine)]) == 0
    assert capsys.readouterr().out == f"{mine} is up to date.\n"

    (mine / manifest.FILE).unlink()
    change(beside, "\n# mine\n")
    assert cli.main(["copy", "--update", str(mine)]) == 0
    assert "the kit's is new-2-config.yaml" in capsys.readouterr().out
    assert "# mine" in beside.read_text()

    (mine / manifest.FILE).unlink()
    (mine / copies.LAYOUT).write_text("of another version")
    before = contents(mine)
    assert cli.main(["copy", "--update", str(mine)]) == 2
    assert "was made by an older version of the kit" in capsys.readouterr().err
    assert contents(mine) == before


def test_only_the_kit_of_a_copy_updates_it(tmp_path, capsys):
    mine, kit = copies.copy(tmp_path / "mine"), tmp_path / "kit"
    kit.mkdir()
    (mine / copies.KIT).unlink()
    (mine / copies.KIT).symlink_to(kit)
    for words, problem in (
        (["--update", mine], f"is a copy of the kit in {kit}, not of {ROOT}: update it in"),
        (["--update", kit], "is not a copy of the workshop: name your copy"),
        (["--dry-run", kit], "add --update"),
    ):
        assert cli.main(["copy", *map(str, words)]) == 2
        assert problem in capsys.readouterr().err
    assert not [*kit.iterdir()]
