"""The server, its users and their entities."""

from sweepserver.api.resolvers.context import Context
from sweepserver.people.auth import may_write
from sweepserver.store.quota import stored
from sweepserver.store.records import User

NEWEST_CLIENT = "0.31.0"
"""Of the client that this server is tested with; `wandb verify` compares."""

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
    "SWEEPS_LOCAL_SCHEDULER",
    "SWEEPS_QUERY_FILTERING",
    "TOTAL_COUNT_IN_FILE_CONNECTION",
    "USE_ARTIFACT_WITH_ENTITY_AND_PROJECT_INFORMATION",
)


class EntityNode:
    """An entity: the home of one user's projects, which everybody may read."""

    is_team = False
    entity_type = "user"
    organization = None
    available = False  # the name is taken
    read_only_admin = False
    private_only = False
    is_paid = False
    code_saving_enabled = True
    default_access = "READ"
    photo_url = None
    xxhash_digests_enabled = False

    def __init__(self, name: str):
        self.id = f"Entity:{name}"
        self.name = name

    def read_only(self, context: Context) -> bool:
        """Whether the user may not write."""
        return not may_write(context.user, self.name)

    def storage_bytes(self, context: Context) -> int:
        """Return how many bytes its runs, their files and its artifacts have."""
        return stored(context.store, self.name).total

    def members(self, context: Context) -> list[User]:
        """Return the owner of the entity."""
        return context.store.all(User, entity=self.name)


class UserNode:
    """A user."""

    typename = "User"
    flags = "{}"
    deleted_at = None
    pending = False
    account_type = "member"
    photo_url = None
    api_key = None  # nobody is told a key

    def __init__(self, user: User):
        self.id = f"User:{user.name}"
        self.name = self.username = user.name
        self.email = f"{user.name}@localhost"
        self.entity = user.entity
        self.admin = bool(user.is_admin)
        self.role = "admin" if user.is_admin else "member"
        self.api_keys: dict[str, list] = {"edges": []}
        self.teams: dict[str, list] = {"edges": []}


def viewer(context: Context) -> User:
    """Return who asks."""
    return context.user


def users(context: Context, query: str | None = None) -> dict:
    """Return the users whose name contains a text."""
    found = [user for user in context.store.all(User) if (query or "") in user.name]
    return {"edges": [{"node": user} for user in found]}


def entity(context: Context, name: str) -> EntityNode | None:
    """Return an entity of this server."""
    return EntityNode(name) if context.store.find(User, entity=name) else None


def server_info(context: Context) -> dict:
    """Return what the server can do."""
    return {
        "features": [{"name": name, "is_enabled": True} for name in FEATURES],
        "cli_version_info": {"min_cli_version": "0.0.1", "max_cli_version": NEWEST_CLIENT},
    }


QUERY = {"viewer": viewer, "users": users, "entity": entity, "server_info": server_info}
