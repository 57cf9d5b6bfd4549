"""Where a builder process begins, as `python -m`; its arguments: see `builder.py`.

OpenSSL is put out of the reach of `hashlib` before anything imports that: loading it takes 3.7 MB
of each process, and a build hashes small files, for which Python's own functions do.
"""

import sys
from collections.abc import Sequence
from importlib.util import find_spec

_SHA2 = ("_sha2",) if sys.version_info >= (3, 12) else ("_sha256", "_sha512")
_OWN = ("_md5", "_sha1", *_SHA2, "_sha3", "_blake2")
"""Python's own hashes; some distributions build it without."""


def main(arguments: Sequence[str]) -> None:
    """Serves with the bounds of the command line."""
    if all(find_spec(name) for name in _OWN):
        sys.modules["_hashlib"] = None  # type: ignore[assignment] # says: cannot be imported
    from engine.reconcile.builder import serve

    memory_bytes, cache_bytes, idle = arguments
    serve(int(memory_bytes), int(cache_bytes), float(idle))


if __name__ == "__main__":
    main(sys.argv[1:])
