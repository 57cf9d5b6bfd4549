"""A certificate and its private key in one file, as Windows and Azure's portal give them (.pfx).

How much work its password is to try, the file itself says: a process of its own opens it, which
ends when that is too much.  Source: RFC 7292; RFC 9879 (its newer MAC).
"""

import base64
import json
from pathlib import Path
from typing import Final

from engine.plugin import Context
from plugins.clouds.limited import Overspent, Unopened, opened
from plugins.clouds.private_keys import BadKey

_MOST_BYTES: Final = 12 * 1024
"""Of a file; a key of 4096 bits with a chain of three has 8 KiB."""
_CHILD: Final = Path(__file__).with_name("pkcs12_child.py")


async def as_pem(content: bytes, password: bytes, ctx: Context) -> bytes:
    """The key, not encrypted, its certificate and those that follow.  Raises BadKey."""
    if len(content) > _MOST_BYTES:
        raise BadKey(f"the PKCS#12 file is too long: it has more than {_MOST_BYTES} bytes")
    asked = {
        "file": base64.b64encode(content).decode(),
        "password": base64.b64encode(password).decode(),
    }
    try:
        return await opened(_CHILD, json.dumps(asked).encode(), ctx)
    except Unopened as error:
        raise BadKey(str(error)) from None
    except Overspent:
        raise BadKey(
            "the PKCS#12 file takes too much time or memory to try its password: write it anew "
            "with `openssl pkcs12 -export -iter 600000`"
        ) from None
