"""Names for runs whose users gave none, such as `quiet-river-7`."""

import random

ADJECTIVES = (
    "amber", "brave", "calm", "clever", "crisp", "eager", "fresh", "gentle", "golden", "happy",
    "keen", "lively", "lucky", "mellow", "noble", "patient", "quiet", "rapid", "silver", "steady",
    "sunny", "swift", "vivid", "warm", "wise",
)  # fmt: skip
NOUNS = (
    "brook", "cloud", "comet", "dawn", "ember", "field", "forest", "garden", "harbor", "island",
    "lake", "leaf", "meadow", "moon", "mountain", "ocean", "pine", "rain", "ridge", "river",
    "shore", "sky", "star", "valley", "wind",
)  # fmt: skip


def run_name(number: int, noun: str | None = None) -> str:
    """Return a name for a project's or sweep's run number `number`."""
    return f"{random.choice(ADJECTIVES)}-{noun or random.choice(NOUNS)}-{number}"  # noqa: S311
