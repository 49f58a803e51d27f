"""What a try-out has found out about a program."""

from dataclasses import dataclass, field
from typing import Any

from workshop.adopt.effects import Effect
from workshop.adopt.endings import Observation
from workshop.adopt.metrics import LoggedMetric


@dataclass
class Adoption:
    """What was found out about a program.

    Attributes:
        definition: how its agents start it.
        observations: what was found, in the order in which it was.
        effects: what each of its parameters does.
        logged: what it logs, the best to judge a sweep by first.
        proposed: the text of a definition; empty if the program cannot be swept yet.
        seconds: how long it took with its usual values; None if it had to be ended.
    """

    definition: dict[str, Any]
    observations: list[Observation] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    logged: list[LoggedMetric] = field(default_factory=list)
    proposed: str = ""
    seconds: float | None = None

    @property
    def is_ready(self) -> bool:
        """Whether nothing was found from which a sweep would suffer."""
        return not any(observation.is_problem for observation in self.observations)

    def say(self, subject: str, sentence: str, is_problem: bool = False) -> None:
        """Note an observation."""
        self.observations.append(Observation(subject, sentence, is_problem))
