"""The server, its users and their entities."""

from importlib.metadata import version

from workshop.server.records import User
from workshop.server.resolvers.context import Context

# W&B's names for what newer servers can do; the client asks before it uses it.
FEATURES = (
    "ARTIFACT_COLLECTIONS_FILTERING_SORTING",
    "ARTIFACT_COLLECTION_MEMBERSHIP_FILES",
    "ARTIFACT_TAGS",
    "CLIENT_IDS",
    "FILESTREAM_GZIP",
    "LARGE_FILENAMES",
    "MARK_RUN_FILES_UPLOADED",
    "PROJECT_ARTIFACT_COLLECTION_MEMBERSHIP",
    "STRUCTURED_CONSOLE_LOGS",
    "TOTAL_COUNT_IN_FILE_CONNECTION",
    "USE_ARTIFACT_WITH_ENTITY_AND_PROJECT_INFORMATION",
)


class EntityNode:
    """An entity: the home of one user's projects."""

    is_team = False
    organization = None

    def __init__(self, name: str):
        self.id = f"Entity:{name}"
        self.name = name


class UserNode:
    """A user."""

    typename = "User"
    flags = "{}"
    deleted_at = None

    def __init__(self, user: User):
        self.id = f"User:{user.name}"
        self.name = self.username = user.name
        self.email = f"{user.name}@localhost"
        self.entity = user.entity
        self.admin = bool(user.is_admin)
        self.api_keys = {"edges": []}
        self.teams = {"edges": []}


def user(context: Context, name: str) -> UserNode | None:
    """Return a user by name."""
    found = context.store.find(User, name=name)
    return found and UserNode(found)


def viewer(context: Context) -> UserNode:
    """Return who asks."""
    return UserNode(context.user)


def users(context: Context, query: str | None = None) -> dict:
    """Return the users whose name contains a text."""
    found = [user for user in context.store.all(User) if (query or "") in user.name]
    return {"edges": [{"node": UserNode(user)} for user in found]}


def entity(context: Context, name: str) -> EntityNode | None:
    """Return an entity of this server."""
    return EntityNode(name) if context.store.find(User, entity=name) else None


def server_info(context: Context) -> dict:
    """Return what the server can do."""
    client = version("wandb")
    return {
        "features": [{"name": name, "is_enabled": True} for name in FEATURES],
        "cli_version_info": {"min_cli_version": "0.0.1", "max_cli_version": client},
    }


QUERY = {"viewer": viewer, "users": users, "entity": entity, "server_info": server_info}
