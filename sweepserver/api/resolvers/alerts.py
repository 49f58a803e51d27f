"""What runs tell with `run.alert`; this server stores alerts and sends no mail."""

from sweepserver.api.resolvers.context import Context
from sweepserver.store.records import Alert


def notify_scriptable_run_alert(context: Context, input: dict) -> dict:
    """Store an alert of a run."""
    run = context.run_to_write(input["run_name"], input["project_name"], input["entity_name"])
    context.store.add(
        Alert,
        run_id=run.id,
        title=input["title"],
        text=input["text"],
        severity=input.get("severity") or "INFO",
        created_at=context.lifecycle.now(),
    )
    return {"success": True}


MUTATION = {"notify_scriptable_run_alert": notify_scriptable_run_alert}
