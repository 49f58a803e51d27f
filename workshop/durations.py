"""Durations in words, and as SLURM writes them."""

from workshop.wording import count


def exact(seconds: float) -> str:
    """Return a duration to the second, such as `1 h 5 min` or `12 s`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def clock(seconds: float) -> str:
    """Return a duration as SLURM writes it, such as `00:05:00` or `2-12:00:00`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    before = f"{days}-" if days else ""
    return f"{before}{hours:02}:{minutes:02}:{seconds:02}"


def rough(seconds: float) -> str:
    """Return a duration in its largest unit alone, such as `about 2 hours`."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if (number := int(seconds / length)) > 0:
            return f"about {count(number, unit)}"
    return "less than a minute"
