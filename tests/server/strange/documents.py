"""GraphQL documents that the schema allows, with values that are mostly plausible."""

from collections.abc import Callable
from dataclasses import dataclass, field

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
)
from hypothesis import strategies as st

from sweepserver.api.graphql import SCHEMA
from tests.server.strange.values import FLOATS, INTEGERS, JSON_VALUES, texts

MOST_FIELDS, MOST_LEVELS = 4, 5
Known = dict[str, list[str]]
WHOLE_NUMBERS = st.one_of(st.integers(0, 60), st.integers(0, 60), st.sampled_from(INTEGERS))
SCALARS = {
    "Int": WHOLE_NUMBERS,
    "Int64": WHOLE_NUMBERS,
    "Float": st.one_of(st.integers(0, 3), st.sampled_from(FLOATS)),
    "Boolean": st.booleans(),
}


def values(kind: object, name: str, operation: str, known: Known) -> st.SearchStrategy:
    """Return values for an argument: mostly plausible, now and then strange or of a wrong type.

    Args:
        kind: The argument's type.
        name: Its name.
        operation: The field of the schema's roots that it is used for.
        known: What the server has, by a word in the names of arguments that ask for it.
    """
    if isinstance(kind, GraphQLNonNull):
        return values(kind.of_type, name, operation, known)
    if isinstance(kind, GraphQLList):
        right = st.lists(values(kind.of_type, name, operation, known), max_size=3)
    elif isinstance(kind, GraphQLInputObjectType):
        right = inputs(kind, operation, known)
    elif isinstance(kind, GraphQLEnumType):
        right = st.sampled_from(list(kind.values))
    elif kind.name in SCALARS:
        right = SCALARS[kind.name]
    else:
        likely = plausible(name, operation, known)
        right = st.integers(0, 4).flatmap(lambda n: st.sampled_from(likely) if n else texts())
    wrong = st.one_of(st.none(), JSON_VALUES)
    return st.integers(0, 30).flatmap(lambda n: right if n else wrong)


def inputs(kind: GraphQLInputObjectType, operation: str, known: Known) -> st.SearchStrategy[dict]:
    """Return input objects, which have what they must have."""
    required, optional = {}, {}
    for name, details in kind.fields.items():
        group = required if isinstance(details.type, GraphQLNonNull) else optional
        group[name] = values(details.type, name, operation, known)
    return st.fixed_dictionaries(required, optional=optional)


def plausible(name: str, operation: str, known: Known) -> list[str]:
    """Return what fits an argument by its name."""
    if name.lower().endswith(("id", "ids")):
        kinds = [kind for kind in known if kind[0].isupper()]
        fitting = [kind for kind in kinds if kind.lower() in (name + operation).lower()]
        return [text for kind in fitting or kinds for text in known[kind]]
    return next((found for word, found in known.items() if word in name.lower()), ["x"])


@dataclass
class Document:
    """A GraphQL document while it is made up, with its variables."""

    draw: Callable
    operation: str
    known: Known
    declared: list[str] = field(default_factory=list)
    variables: dict = field(default_factory=dict)

    def field(self, name: str, definition: object, level: int) -> str:
        """Return a field with arguments as variables, and with fields of its own."""
        arguments = []
        for argument, details in definition.args.items():
            required = isinstance(details.type, GraphQLNonNull)
            if required or self.draw(st.integers(0, 2)):
                variable = f"v{len(self.variables)}"
                self.declared.append(f"${variable}: {details.type}")
                self.variables[variable] = self.draw(
                    values(details.type, argument, self.operation, self.known)
                )
                arguments.append(f"{argument}: ${variable}")
        alias = f"f{level}{len(self.variables)}{name}: {name}"
        listed = f"({', '.join(arguments)})" if arguments else ""
        return f"{alias}{listed}{self.selection(get_named_type(definition.type), level)}"

    def selection(self, kind: object, level: int) -> str:
        """Return the fields to ask of a type; nothing if it is a leaf."""
        if isinstance(kind, (GraphQLUnionType, GraphQLInterfaceType)):
            members = SCHEMA.get_possible_types(kind)
            parts = (f"... on {m.name}{self.selection(m, level)}" for m in members)
            return " { __typename " + " ".join(parts) + " }"
        if not isinstance(kind, GraphQLObjectType):
            return ""
        names = list(kind.fields)
        if level >= MOST_LEVELS:
            names = [
                n
                for n in names
                if not isinstance(get_named_type(kind.fields[n].type), GraphQLObjectType)
            ]
        # What leads on to a list's items is always taken, or little would ever be reached.
        chosen = {name for name in names if name in ("edges", "node")}
        if names:
            chosen |= self.draw(st.sets(st.sampled_from(names), min_size=1, max_size=MOST_FIELDS))
        parts = (self.field(name, kind.fields[name], level + 1) for name in sorted(chosen))
        return " { __typename " + " ".join(parts) + " }"


@st.composite
def operations(draw: Callable, root: GraphQLObjectType, name: str, known: Known) -> dict:
    """Return a request that asks one field of the schema's roots."""
    document = Document(draw, name, known)
    asked = document.field(name, root.fields[name], 0)
    declared = f"({', '.join(document.declared)})" if document.declared else ""
    kind = "mutation" if root is SCHEMA.mutation_type else "query"
    return {
        "query": f"{kind} Fuzz{declared} {{ {asked} }}",
        "variables": document.variables,
    }
