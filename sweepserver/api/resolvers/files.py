"""Files of runs."""

from functools import partial

from sweepserver.api.file_routes import download_path, upload_path
from sweepserver.api.resolvers.context import Context, connection, global_id
from sweepserver.store import patterns
from sweepserver.store.files import clean_name, mimetype
from sweepserver.store.records import File, Project, Run
from sweepserver.values import timestamp


class FileNode:
    """A file that a run uploaded."""

    storage_path = None
    artifact = None
    upload_url = None
    upload_headers = ()
    upload_multipart_urls = None

    def __init__(self, file: File, run: Run, project: Project, base_url: str):
        self.id = global_id(file)
        self.name = self.display_name = file.name
        self.size_bytes = file.size
        self.mimetype = mimetype(file.name)
        self.updated_at = timestamp(file.updated_at)
        self.md5 = self.digest = file.md5
        self.direct_url = base_url + download_path(project, run, file.name)

    def url(self, context: Context, upload: bool | None = None) -> str:
        """Return where to fetch the file."""
        return self.direct_url


class FileFields:
    """The fields of a run that list its files."""

    record: Run

    def file_count(self, context: Context) -> int:
        """Return how many files there are."""
        return context.store.count(File, run_id=self.record.id)

    def files(
        self,
        context: Context,
        names: list[str] | None = None,
        after: str | None = None,
        first: int | None = None,
        pattern: str | None = None,
    ) -> dict:
        """Return a page of the files, all or those of some names or of an SQL LIKE pattern."""
        found = context.store.all(File, "name", run_id=self.record.id)
        if names:
            wanted = {clean_name(name) for name in names if name}
            found = [file for file in found if file.name in wanted]
        elif pattern is not None:
            is_like = patterns.like(pattern)
            found = [file for file in found if is_like(file.name)]
        project = context.project_of(self.record)
        return connection(
            found, first, after, lambda file: FileNode(file, self.record, project, context.base_url)
        )


def file_to_come(name: str, url: str | None, **more: object) -> dict:
    """Return the fields of a file that is still to be uploaded to a URL."""
    return {
        "id": name,
        "name": name,
        "display_name": name,
        "size_bytes": 0,
        "upload_url": url,
        "upload_headers": [],
        "direct_url": url or "",
        **more,
    }


def create_run_files(context: Context, input: dict) -> dict:
    """Return an upload URL for each of some names."""
    run = context.run_to_write(
        input["run_name"], input.get("project_name"), input.get("entity_name")
    )
    targets = []
    for name in input["files"]:
        stored = clean_name(name)
        path = upload_path(
            context.authenticator.upload_token(context.user, run.id, stored), run, stored
        )
        targets.append(file_to_come(name, context.base_url + path))
    return {"run_id": global_id(run), "upload_headers": [], "files": targets}


def mark_run_files_uploaded(context: Context, input: dict) -> dict:
    """Return whether files have arrived, as they have once their upload is answered."""
    run = context.run_to_write(input["run_name"], input["project_name"], input["entity_name"])
    names = {file.name for file in context.store.all(File, run_id=run.id)}
    return {"success": all(clean_name(name) in names for name in input["files"])}


def delete_files(context: Context, input: dict) -> dict:
    """Delete files."""
    for file_id in input["files"]:
        file = context.by_global_id(File, file_id)
        context.store.remove(file)
        context.afterwards.append(partial(context.files.remove, file))
    return {"success": True}


MUTATION = {
    "create_run_files": create_run_files,
    "mark_run_files_uploaded": mark_run_files_uploaded,
    "delete_files": delete_files,
}
