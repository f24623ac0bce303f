"""What deals are worth to their buyer together: some given, the rest left out."""

from collections.abc import Set
from dataclasses import dataclass

import numpy as np

from offtake.model.transport import transport_optimum


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundles:
    """Deals of a month, as lots against columns: what is bought can be put to the best of its uses."""

    labs: tuple[str, ...]
    """Buyer by lot."""
    clouds: tuple[str, ...]
    """Seller by column."""
    value: np.ndarray
    """By lot and column, USD per H100e-hour; minus infinity where the pair may not trade."""
    taken: np.ndarray
    """H100e by lot and column."""
    wanted: np.ndarray
    """H100e by lot."""
    limit: np.ndarray
    """Most of a column that a lot could use, H100e by lot and column."""

    def sellers(self, lab: str) -> frozenset[str]:
        """Return the clouds that a lab has deals with."""
        used = self.taken[self._lots(lab)].sum(axis=0) > 0
        return frozenset(
            c for c, is_used in zip(self.clouds, used.tolist(), strict=True) if is_used
        )

    def worth(self, lab: str, clouds: Set[str]) -> float:
        """Return what a lab can make of its deals with some clouds alone, USD an hour.

        The other deals are gone; what the lab keeps goes to the lots where it is worth most, in the
        quantities bought. With all of its deals a lab uses them as they were matched.
        """
        lots = self._lots(lab)
        kept = np.array([c in clouds for c in self.clouds])
        if clouds >= self.sellers(lab):
            bought = self.taken[lots]
            return float((np.where(bought > 0, self.value[lots], 0.0) * bought).sum())
        if not clouds:
            return 0.0
        return transport_optimum(
            self.value[lots][:, kept],
            wanted=self.wanted[lots],
            room=self.taken[lots][:, kept].sum(axis=0),
            limit=self.limit[lots][:, kept],
        )

    def _lots(self, lab: str) -> np.ndarray:
        return np.array([name == lab for name in self.labs])
