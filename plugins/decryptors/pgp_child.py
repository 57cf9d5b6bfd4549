"""The program that opens one OpenPGP message with pysequoia, which knows more kinds than we do.

`plugins/clouds/limited_child.py` runs it, as pysequoia unpacks what is compressed without an end:
there the end is that of the memory and the time that it may have.
In, on stdin, as JSON: {"keys": [[a key's packets in base64, ...], ...], "message": in base64};
which of a key's packets are given is one way to open it.  Out, on stdout: the content; with status
3, why there is none, a line each.  Any other end is that of its memory or time.
"""

import base64
import json
import sys

from pysequoia import Tsk, decrypt

_REFUSED = 3
_LONGEST = 64 * 1024  # bytes of a content; a data key has 32


def main() -> int:
    """Opens the message on stdin; the exit status."""
    asked = json.load(sys.stdin.buffer)
    message = base64.b64decode(asked["message"])
    reasons: dict[str, None] = {}
    for packets in asked["keys"]:
        try:
            key = Tsk.from_bytes(b"".join(map(base64.b64decode, packets)))
            content = decrypt(message, key.decryptor()).bytes
        except (RuntimeError, OSError) as error:  # an OSError: a packet that is cut off
            reasons[str(error).partition("\n")[0]] = None
            continue
        if content and len(content) <= _LONGEST:
            sys.stdout.buffer.write(content)
            return 0
        reasons["what the message holds is no data key"] = None
    sys.stdout.write("\n".join(reasons))
    return _REFUSED


if __name__ == "__main__":
    sys.exit(main())
