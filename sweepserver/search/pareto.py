"""Which runs a sweep with several goals prefers: non-dominated sorting.

A run dominates another one if it is at least as good by every goal and better by one.  Runs that
none dominates are front 1, the Pareto front; without them, the next ones are front 2, and so on.

Zhang et al., An Efficient Approach to Nondominated Sorting, IEEE Trans. Evol. Comput. 19, 2015.
"""

from collections.abc import Sequence


def fronts(losses: Sequence[Sequence[float]]) -> list[int]:
    """Return the front of each run, counted from 1.

    Args:
        losses: for each run one finite number per goal, of which less is better.
    """
    found = [0] * len(losses)
    members: list[list[tuple[float, ...]]] = []
    # In this order, no later run dominates an earlier one.
    for number in sorted(range(len(losses)), key=lambda number: tuple(losses[number])):
        loss = tuple(losses[number])
        first, last = 0, len(members)
        while first < last:  # where one front dominates a run, all before it do
            middle = (first + last) // 2
            if _is_dominated(loss, members[middle]):
                first = middle + 1
            else:
                last = middle
        if first == len(members):
            members.append([])
        members[first].append(loss)
        found[number] = first + 1
    return found


def _is_dominated(loss: tuple[float, ...], front: list[tuple[float, ...]]) -> bool:
    # By two goals, the last one of a front is the best of it by the second.
    others = front[-1:] if len(loss) == 2 else front
    for other in others:
        for mine, theirs in zip(loss, other, strict=True):
            if theirs > mine:
                break
        else:
            if other != loss:
                return True
    return False
