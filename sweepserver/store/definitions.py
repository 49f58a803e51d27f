"""Reading a sweep's configuration, which is YAML, at a cost that its length bounds.

A short text can stand for more than fits into memory: anchors and aliases double what they name,
merge keys (`<<`) copy it, and what is nested deeply needs time with the square of its depth.  So a
text is first composed into nodes, in which an alias is its anchor's node once more; what the nodes
stand for is counted before anything is made of them.
"""

import threading
from collections import OrderedDict
from typing import Any

import yaml

from sweepserver.errors import RequestError

MOST_CHARACTERS = 200_000
MOST_VALUES = 100_000
MOST_LEVELS = 50
MOST_NUMBER_CHARACTERS = 400  # the largest float has 309 digits
MOST_CHARACTERS_KEPT = 1_000_000  # of configurations whose values are in memory

MERGE = "tag:yaml.org,2002:merge"
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


def read(text: str) -> Any:
    """Return what a configuration holds.

    Raises:
        RequestError: It is not valid YAML, or too large.
    """
    if len(text) > MOST_CHARACTERS:
        raise too_large()
    try:
        check_depth(text)
        loader = yaml.CSafeLoader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            Extent().of(node)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    # ValueError: the 13th month.  ArithmeticError: a number of base 60 that no float can hold.
    except (yaml.YAMLError, ValueError, ArithmeticError, RecursionError) as error:
        raise RequestError(f"The sweep's configuration isn't valid YAML: {error}.") from error


def check_depth(text: str) -> None:
    """Raise a RequestError if a text is nested too deeply to be composed.

    The parser reads no further than it is asked, and its composer has no limit of its own: it ends
    the process when its stack is full.
    """
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MOST_LEVELS:
                raise too_deep()
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class Extent:
    """Counts what nodes stand for once aliases and merge keys are followed."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int, list] | None] = {}
        self._merged = 0  # pairs that merge keys copy, in all mappings together

    def of(self, node: yaml.Node) -> tuple[int, int, list]:
        """Return how many values a node stands for, how deep they are, and a mapping's pairs.

        The pairs are those that merging leaves, each as its number of values and its depth; they
        are what another mapping copies that merges this one.

        Raises:
            RequestError: There are too many, or they are too deep, or contain themselves.
        """
        if id(node) in self._known:
            found = self._known[id(node)]
            if found is None:
                raise RequestError(
                    "The sweep's configuration has an alias inside the value that it names: write "
                    "it out."
                )
            return found
        self._known[id(node)] = None  # while what is inside of it is counted
        pairs = []
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.tag == MERGE:
                    merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
                    for each in merged:
                        copied = self.of(each)[2]
                        self._merged += len(copied)
                        check_number(self._merged)
                        pairs += copied
                else:
                    self.of(key)
                    pairs.append(self.of(value)[:2])
            inner = pairs
        elif isinstance(node, yaml.SequenceNode):
            inner = [self.of(item)[:2] for item in node.value]
        else:
            inner = []
            if node.tag in NUMBERS and len(node.value) > MOST_NUMBER_CHARACTERS:
                raise RequestError(
                    f"The sweep's configuration has a number of {len(node.value)} characters; use "
                    f"at most {MOST_NUMBER_CHARACTERS}."
                )
        number = 1 + sum(number for number, _ in inner)
        depth = 1 + max((depth for _, depth in inner), default=0)
        check_number(number)
        if depth > MOST_LEVELS:
            raise too_deep()
        self._known[id(node)] = number, depth, pairs
        return number, depth, pairs


def check_number(values: int) -> None:
    """Raise a RequestError if a configuration has too many values."""
    if values > MOST_VALUES:
        raise too_large()


def too_large() -> RequestError:
    """Return the error that a configuration is too large."""
    return RequestError(
        f"The sweep's configuration is too large; use at most {MOST_CHARACTERS:,} characters and "
        f"{MOST_VALUES:,} values: a range of numbers takes `min` and `max`."
    )


def too_deep() -> RequestError:
    """Return the error that a configuration is nested too deeply."""
    return RequestError(
        f"The sweep's configuration is nested in more than {MOST_LEVELS} levels; use fewer."
    )


class Definitions:
    """The configurations that were read last, as far as their length together allows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, object] = OrderedDict()
        self._characters = 0

    def read(self, text: str) -> Any:
        """Return a parsed configuration, which is shared and must not be changed."""
        with self._lock:
            if text in self._kept:
                self._kept.move_to_end(text)
                return self._kept[text]
        found = read(text)
        with self._lock:
            if text not in self._kept:
                self._kept[text] = found
                self._characters += len(text)
            while self._characters > MOST_CHARACTERS_KEPT and len(self._kept) > 1:
                forgotten, _ = self._kept.popitem(last=False)
                self._characters -= len(forgotten)
        return found


KNOWN = Definitions()
