"""How much an API server may say: one that a tenant names may speak without end."""

from dataclasses import dataclass

_LISTS = 8  # answers that a list read as a whole may be long; it is kept in memory
_PATIENCE = 5  # answers that a list may take


@dataclass(frozen=True, slots=True)
class Allowance:
    """Bounds of what one API server answers.

    answer_bytes: of one answer, unpacked, or one event of a watch.   answer_time: seconds until the
    whole of an answer is there.   list_objects: of one list, and of all watches together.
    flags: how the settings begin that hold these.
    """

    answer_bytes: int = 512 * 2**20
    answer_time: float = 600.0
    list_objects: int = 2_000_000
    flags: str = "--api"

    @property
    def list_bytes(self) -> int:
        """Of a list that is read as a whole."""
        return _LISTS * self.answer_bytes

    @property
    def list_time(self) -> float:
        """Seconds that all pages of a list, or of a discovery, may take."""
        return _PATIENCE * self.answer_time


class Room:
    """Room for a number of things that are kept at the same time."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0

    def take(self, count: int = 1) -> bool:
        """Takes that much; False if there was not as much left: give it back all the same."""
        self.taken += count
        return self.taken <= self.most

    def give(self, count: int = 1) -> None:
        """That much is not kept any more."""
        self.taken -= count

    def __repr__(self) -> str:
        """How full it is."""
        return f"<Room {self.taken} of {self.most}>"
