"""Every GraphQL document of the installed wandb client, and which of them are not served.

They are taken out of the client's Python sources and of its wandb-core binary.

    python -m maintenance.not_served

writes docs/not_served.md anew.
"""

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import wandb
from graphql import GraphQLError, OperationDefinitionNode, parse, validate

from sweepserver.api.graphql import SCHEMA

CLIENT = Path(wandb.__file__).parent
PAGE = Path(__file__).parents[1] / "docs" / "not_served.md"
COMMAND = "python -m maintenance.not_served"

DOCUMENT = re.compile(r"\s*(#graphql)?\s*(query|mutation|subscription|fragment)\s+\w+\s*[({o]")
IN_BINARY = re.compile(rb"(?:query|mutation|subscription) \w+ ?[({]")
FRAGMENT = re.compile(rb"\s*fragment \w+ on \w+ \{")

# What stands for the local variables in documents that the client puts together as it runs.
LOCALS = {
    "fragment": "fragment All on Run { id }",
    "fragment_name": "All",
    "node": "history",
    "delete_artifacts": True,
    "query_vars": ["$artifactID: ID!", "$entity: String!", "$project: String!", "$run: String!"],
    "query_args": [
        "artifactID: $artifactID", "entityName: $entity", "projectName: $project", "runName: $run",
    ],
    "mutation_params": "$any: Int",
    "mutation_input": "any: $any",
}  # fmt: skip
PLACEHOLDERS = {"_PROJECT_QUERY_": "project { id name entity { id name } }"}

# What the operations that are not served are for, by a pattern of their names.
PURPOSES = {
    r"(?i)launch|queue|DefaultResourceConfig": "Launch: jobs and queues",
    r"Automation|Integration": "Automations and integrations",
    r"Registr|Org": "Registries and organizations",
    r"(?i)link|Portfolio": "Links from one collection of artifacts to another",
    r"Team|Invite|ServiceAccount|CreateUser|ApiKey": (
        "Creating teams, users, and keys, which the instructor's roster does here"
    ),
    r"CustomChart|ProjectViews": "Reports and custom charts",
    r"Multipart": "Uploads in parts, which the client makes only if the server asks for them",
}


@dataclass(frozen=True)
class Document:
    """A GraphQL document.

    Attributes:
        text: The document.
        asked_by: What in the client asks it: a Python function, or wandb-core.
    """

    text: str
    asked_by: str

    @property
    def name(self) -> str:
        """The name of its operation."""
        operations = [
            part for part in parse(self.text).definitions
            if isinstance(part, OperationDefinitionNode)
        ]  # fmt: skip
        return operations[0].name.value if operations else ""

    @cached_property
    def is_served(self) -> bool:
        """Whether the schema has all it asks."""
        return not validate(SCHEMA, parse(self.text), max_errors=1)


@cache
def documents() -> list[Document]:
    """Return all documents of the client that have an operation."""
    found = [*from_python(), *from_binary()]
    return [document for document in found if document.name]


def from_python() -> Iterator[Document]:
    """Yield the documents in the client's Python sources."""
    trees = {
        path: ast.parse(source)
        for path in sorted(CLIENT.rglob("*.py"))
        if re.search(r"_GQL|query |mutation ", source := path.read_text())
    }
    users = users_of_constants(trees)
    for path, tree in trees.items():
        yield from in_tree(path, tree, users)


def users_of_constants(trees: dict[Path, ast.Module]) -> dict[str, set[str]]:
    """Return which functions use the constants, such as `GET_SWEEP_GQL`, of generated modules."""
    users = {}
    for path, tree in trees.items():
        if path.parent.name != "_generated":
            for node, function in with_function(tree, path):
                if isinstance(node, ast.Name) and node.id.endswith("_GQL"):
                    users.setdefault(node.id, set()).add(function)
    return users


def in_tree(path: Path, tree: ast.Module, users: dict[str, set[str]]) -> Iterator[Document]:
    """Yield the documents in a module."""
    inner = set()  # parts of a text that is put together
    for node, function in with_function(tree, path):
        if node in inner or not isinstance(node, (ast.Call, ast.JoinedStr, ast.Constant)):
            continue
        if isinstance(node, ast.Call):
            is_template = isinstance(node.func, ast.Attribute) and node.func.attr == "format"
            head = node.func.value if is_template else None
        else:
            head = node.values[0] if isinstance(node, ast.JoinedStr) else node
        if not (isinstance(head, ast.Constant) and DOCUMENT.match(str(head.value))):
            continue
        inner |= set(ast.walk(node))
        constant = constant_of(node, tree)
        asked_by = users.get(constant, {"nothing yet"} if constant else {function})
        yield Document(evaluated(node, path), ", ".join(sorted(asked_by)))


def with_function(node: ast.AST, path: Path, names: tuple[str, ...] = ()) -> Iterator:
    """Yield (node, name of the function that it is in) for a tree, outer nodes first."""
    yield node, ".".join(names) or path.stem
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        names = (*names, node.name)
    for child in ast.iter_child_nodes(node):
        yield from with_function(child, path, names)


def constant_of(node: ast.AST, tree: ast.Module) -> str | None:
    """Return the name of the module's constant to which a text is assigned."""
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and statement.value is node:
            return statement.targets[0].id
    return None


def evaluated(node: ast.expr, path: Path) -> str:
    """Return the text that an expression stands for."""
    module = importlib.import_module(
        ".".join(("wandb", *path.relative_to(CLIENT).with_suffix("").parts))
    )
    code = compile(ast.Expression(node), str(path), "eval")
    text = eval(code, vars(module) | LOCALS)  # noqa: S307 - of the installed client
    for placeholder, value in PLACEHOLDERS.items():
        text = text.replace(placeholder, value)
    return text


def from_binary() -> Iterator[Document]:
    """Yield the documents in wandb-core, where texts stand one behind the other."""
    binary = (CLIENT / "bin" / "wandb-core").read_bytes()
    for match in IN_BINARY.finditer(binary):
        end = end_of_block(binary, match.start())
        while fragment := FRAGMENT.match(binary, end):
            end = end_of_block(binary, fragment.start())
        yield Document(binary[match.start() : end].decode(), "wandb-core")


def end_of_block(text: bytes, start: int) -> int:
    """Return where the first outermost block in braces behind `start` ends."""
    depth = 0
    for brace in re.compile(rb"[{}]").finditer(text, start):
        depth += 1 if brace[0] == b"{" else -1
        if depth == 0:
            return brace.end()
    raise ValueError(f"The block at {start} has no end.")


def page() -> str:
    """Return the page that lists what is not served."""
    missing: dict[str, dict[str, set[str]]] = {}
    for document in documents():
        if not document.is_served:
            names = missing.setdefault(purpose(document.name), {})
            names.setdefault(document.name, set()).update(document.asked_by.split(", "))
    lines = [
        "# What the local W&B server does not serve",
        "",
        f"The wandb client {wandb.__version__} can send {len({d.name for d in documents()})} "
        f"different operations to a W&B server. The {sum(map(len, missing.values()))} below are "
        "answered with a sentence that says that the workshop's local W&B server doesn't serve "
        f"them. This page is written by `{COMMAND}`.",
    ]
    for heading in sorted(missing):
        lines += ["", f"## {heading}", "", "| operation | asked by |", "|---|---|"]
        for name, asked_by in sorted(missing[heading].items()):
            lines.append(f"| `{name}` | {', '.join(f'`{who}`' for who in sorted(asked_by))} |")
    return "\n".join(lines) + "\n"


def purpose(name: str) -> str:
    """Return what an operation is for."""
    for pattern, words in PURPOSES.items():
        if re.search(pattern, name):
            return words
    raise LookupError(f"{name} is not served: serve it, or tell in PURPOSES what it is for.")


if __name__ == "__main__":
    try:
        PAGE.write_text(page())
    except (GraphQLError, NameError) as error:
        raise SystemExit(f"A document of the client cannot be read: {error}") from error
