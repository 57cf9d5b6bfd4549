"""What the whole runs of Kustomizations left in order, so that the next one may be cut short."""

from dataclasses import dataclass

from engine.objects.ref import Ref


@dataclass(frozen=True, slots=True)
class Order:
    """What a whole run left in order.

    digest: of the build.  inventory: digest of it, as written.
    """

    uid: str
    generation: int
    digest: str
    inventory: bytes


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts at one moment; `noted` since the start."""

    held: int
    noted: int  #: runs that were cut short


class Orderly:
    """The Kustomizations whose last whole run left everything in order."""

    def __init__(self) -> None:
        self._known: dict[Ref, Order] = {}
        self._noted = 0

    def get(self, owner: Ref) -> Order | None:
        """What the owner's last whole run left in order; None: something may be to do."""
        return self._known.get(owner)

    def keep(self, owner: Ref, order: Order) -> None:
        """A whole run has ended well."""
        self._known[owner] = order

    def count(self) -> None:
        """A run was cut short."""
        self._noted += 1

    def forget(self, owner: Ref) -> None:
        """A whole run begins, or the owner is gone."""
        self._known.pop(owner, None)

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        return Statistics(len(self._known), self._noted)

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Orderly {self.statistics()}>"
