"""Omissions: the one thing that a counterfactual run leaves out; everything else takes its course."""

from typing import Literal, NamedTuple

Kind = Literal["sign", "enact", "repeal", "happen", "tranche"]


class Omission(NamedTuple):
    """What does not happen in a run: a signature, the coming or going of a policy, an event, a payment.

    Chance is addressed by name, so that what is left out shifts no draw of what remains.
    """

    kind: Kind
    name: str
    """Of the contract under its number, the policy, the dated event or the tranche."""
