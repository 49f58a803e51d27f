"""How the JupyterLab of `workshop lab` opens notebooks: without the kit's stored outputs."""

from typing import Any

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

from workshop import stored_outputs


class LabContents(AsyncLargeFileManager):
    """A contents manager that opens the kit's notebooks without their stored outputs.

    The file keeps the outputs until its user saves the notebook.
    """

    async def get(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Return a file or folder, as the base class does."""
        model: dict[str, Any] = await super().get(*arguments, **options)
        if model["type"] == "notebook" and model["content"] is not None:
            stored_outputs.remove(model["content"])
        return model
