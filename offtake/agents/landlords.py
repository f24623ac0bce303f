"""Landlords: they let shells at their rent; a lease given up returns to what they have to let."""

from offtake.agents.participant import Participant


class Landlord(Participant):
    """Lets shells in a region."""
