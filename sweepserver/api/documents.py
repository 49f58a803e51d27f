"""Limits of GraphQL requests; the client's own are far below them."""

from collections.abc import Callable

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    Node,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    ValidationRule,
    Visitor,
    specified_rules,
    visit,
)

from sweepserver.allowance import MIB
from sweepserver.errors import RequestError

# The client's largest document has 249 tokens, its deepest 25 levels, and each one mutation.
MOST_TOKENS, MOST_LEVELS, MOST_MUTATIONS = 2000, 60, 10
MOST_DOCUMENT_CHARACTERS = 100_000
# Of the variables.  The client announces an artifact's files by the ten thousand.
MOST_TEXT_CHARACTERS, MOST_LIST_ITEMS = 2 * MIB, 20_000
LONG = {"Entity.storageBytes"}  # it looks at all artifacts, and takes no arguments


def check_length(text: str) -> None:
    """Raise a RequestError if the text of a document is too long."""
    if len(text) > MOST_DOCUMENT_CHARACTERS:
        raise RequestError(
            f"The GraphQL document has {len(text):,} characters; use at most "
            f"{MOST_DOCUMENT_CHARACTERS:,}, and variables for longer values."
        )


def check_extent(document: DocumentNode) -> None:
    """Raise a RequestError if a document is nested too deeply, or does too much at once."""
    # Fragments may be spread inside each other, so that their levels add up.
    if sum(map(levels, document.definitions)) > MOST_LEVELS:
        raise RequestError(
            f"The GraphQL document is nested in more than {MOST_LEVELS} levels, those of its "
            "fragments included; use fewer."
        )
    for definition in document.definitions:
        if (
            isinstance(definition, OperationDefinitionNode)
            and definition.operation is OperationType.MUTATION
            and len(definition.selection_set.selections) > MOST_MUTATIONS
        ):
            raise RequestError(
                f"The GraphQL document has more than {MOST_MUTATIONS} mutations; use one request "
                "for each."
            )


def levels(definition: Node) -> int:
    """Return in how many levels the fields of an operation or a fragment are nested."""
    deepest, waiting = 0, [(definition, 0)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        inner = depth + isinstance(node, SelectionSetNode)
        for key in node.keys:
            value = getattr(node, key, None)
            parts = value if isinstance(value, (list, tuple)) else [value]
            waiting += [(part, inner) for part in parts if isinstance(part, Node)]
    return deepest


def check_sizes(variables: dict, is_mutation: bool) -> None:
    """Raise a RequestError if a list is too long to be worked on, or a text to be kept."""
    waiting = list(variables.values())
    while waiting:
        value = waiting.pop()
        if is_mutation and isinstance(value, str) and len(value) > MOST_TEXT_CHARACTERS:
            raise RequestError(
                f"The request has a text of {len(value):,} characters; use at most "
                f"{MOST_TEXT_CHARACTERS:,}, and keep longer ones in a file or an artifact."
            )
        if isinstance(value, list) and len(value) > MOST_LIST_ITEMS:
            raise RequestError(
                f"The request has a list of {len(value):,} items; use at most {MOST_LIST_ITEMS:,}."
            )
        if isinstance(value, (dict, list)):
            waiting += value.values() if isinstance(value, dict) else value


class ShortMutations(ValidationRule):
    """Refuses to select, list, add up or read histories in the answer of a mutation.

    The fields that do so take arguments, but for one.  Nobody else can write meanwhile, and no
    mutation of the client has such a field.
    """

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: object) -> None:
        """Look into an operation only if it is a mutation."""
        if node.operation is not OperationType.MUTATION:
            return
        spread = self.context.get_recursively_referenced_fragments(node)
        for part in (node, *spread):
            types = TypeInfo(self.context.schema)
            visit(part, TypeInfoVisitor(types, LongFields(types, self.report_error)))


class LongFields(Visitor):
    """Reports the fields below the root that take arguments, or long."""

    def __init__(self, types: TypeInfo, report: Callable[[GraphQLError], None]):
        super().__init__()
        self._types, self._report = types, report

    def enter_field(self, node: FieldNode, *_: object) -> None:
        """Look at a field."""
        definition, parent = self._types.get_field_def(), self._types.get_parent_type()
        if not definition or not parent or parent.name == "Mutation":
            return
        if definition.args or f"{parent.name}.{node.name.value}" in LONG:
            self._report(
                GraphQLError(
                    f"a mutation cannot answer {parent.name}.{node.name.value}; ask for it in a "
                    "query."
                )
            )


# The client never asks for the schema.
RULES = (*specified_rules, NoSchemaIntrospectionCustomRule, ShortMutations)
