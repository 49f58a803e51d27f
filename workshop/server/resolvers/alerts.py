"""What runs tell with `run.alert`; this server sends no mail, it keeps the alerts."""

from workshop.server.errors import NotFoundError
from workshop.server.records import Alert, Run
from workshop.server.resolvers.context import Context


def notify_scriptable_run_alert(context: Context, input: dict) -> dict:
    """Keep an alert of a run."""
    project = context.project_to_write(input["project_name"], input["entity_name"])
    run = context.store.find(Run, project_id=project.id, name=input["run_name"])
    if run is None:
        raise NotFoundError(f"There is no run {input['run_name']} in project {project.name}.")
    context.store.add(
        Alert,
        run_id=run.id,
        title=input["title"],
        text=input["text"],
        severity=input.get("severity") or "INFO",
        created_at=context.controller.now(),
    )
    return {"success": True}


MUTATION = {"notify_scriptable_run_alert": notify_scriptable_run_alert}
