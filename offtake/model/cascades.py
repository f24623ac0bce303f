"""Cascades: failures that followed failures, counted (contagion)."""

from collections.abc import Mapping, Sequence


def largest_chain(cascade: Mapping[str, Sequence[str]]) -> int:
    """Return how many failures hang together at most, by whose failures each of them followed.

    Examples
    --------
    >>> largest_chain({"a": (), "b": ("a",), "c": ("b",), "d": ()}), largest_chain({})
    (3, 0)
    """
    group: dict[str, str] = {}

    def first(name: str) -> str:
        while group.get(name, name) != name:
            name = group[name]
        return name

    for name, after in cascade.items():
        group.setdefault(name, name)
        for other in after:
            group[first(name)] = first(other)
    sizes: dict[str, int] = {}
    for name in group:
        sizes[first(name)] = sizes.get(first(name), 0) + 1
    return max(sizes.values(), default=0)
