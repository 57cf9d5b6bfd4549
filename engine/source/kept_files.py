"""Contents of small files by Git's id, so that what is read again and again is unpacked once."""

import threading
from collections import OrderedDict

_OVERHEAD = 250  # bytes of a kept file beside its content
_SHARES = 64  # files at least that are kept


class KeptFiles:
    """Contents by id, those that were asked for last; a large one is not worth the others' room."""

    def __init__(self, most: int) -> None:
        """most: bytes, about; 0 keeps nothing."""
        self._most, self._bytes = most, 0
        self._contents: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, blob_id: str) -> bytes | None:
        """The content, None if it is not kept."""
        with self._lock:
            content = self._contents.get(blob_id)
            if content is not None:
                self._contents.move_to_end(blob_id)
        return content

    def keep(self, blob_id: str, content: bytes) -> None:
        """Remember a content that was just read."""
        if not self._most or len(content) > self._most // _SHARES:
            return
        with self._lock:
            if blob_id not in self._contents:
                self._contents[blob_id] = content
                self._bytes += len(content) + _OVERHEAD
            while self._bytes > self._most:
                _, gone = self._contents.popitem(last=False)
                self._bytes -= len(gone) + _OVERHEAD
