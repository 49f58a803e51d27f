"""Nobody who works with a notebook sees the outputs that it came with."""

import asyncio
import json

import nbformat
import pytest

from tests.notebooks import write_notebook
from workshop import batch, stored_outputs
from workshop.batch.execution import store_outputs
from workshop.classroom.copies import copy
from workshop.classroom.lab_contents import LabContents


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    notebook = tmp_path_factory.mktemp("kit") / "00_first.ipynb"
    store_outputs([write_notebook(notebook, "rate = 1", "print('rate', rate)")])
    return notebook


def outputs(notebook: nbformat.NotebookNode) -> list[str]:
    return [output.text for cell in notebook.cells for output in cell.get("outputs", [])]


def test_the_file_keeps_them_for_its_readers(stored):
    notebook = nbformat.read(stored, as_version=4)
    assert outputs(notebook) == ["rate 1\n"]
    assert notebook.metadata[stored_outputs.MARK]
    nbformat.validate(notebook)


def test_jupyterlab_opens_a_notebook_without_them_and_saves_one_s_own(stored, tmp_path):
    async def opened() -> dict:
        return await contents.get("00_first.ipynb")

    contents = LabContents(root_dir=str(tmp_path))
    (tmp_path / stored.name).write_bytes(stored.read_bytes())
    model = asyncio.run(opened())
    notebook = model["content"]
    assert outputs(notebook) == []
    assert {cell.get("execution_count") for cell in notebook.cells} == {None}

    notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", text="my own\n")]
    asyncio.run(contents.save(model, "00_first.ipynb"))
    assert outputs(asyncio.run(opened())["content"]) == ["my own\n"]
    (tmp_path / "folder").mkdir()
    assert asyncio.run(contents.get("folder"))["type"] == "directory"


def test_an_execution_s_outputs_are_its_own(stored, tmp_path, server):
    executed = batch.start([stored], {"rate": 2}, tmp_path / "out") / stored.name
    notebook = nbformat.read(executed, as_version=4)
    assert outputs(notebook) == ["rate 2\n"]
    assert stored_outputs.MARK not in notebook.metadata


def test_a_copy_of_the_kit_has_none(tmp_path):
    notebooks = copy(tmp_path / "mine").glob("notebooks/0*.ipynb")
    texts = [json.loads(notebook.read_text()) for notebook in notebooks]
    assert len(texts) >= 7
    assert not any(cell.get("outputs") for text in texts for cell in text["cells"])
