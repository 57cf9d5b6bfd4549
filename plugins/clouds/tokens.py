"""Tokens in files that the environment, or a file that it names, tells of."""

import anyio

from engine.plugin import TokenUnavailable


async def read_file(path: str) -> str:
    """The text of a file that the environment names.  Raises TokenUnavailable."""
    try:
        return (await anyio.Path(path).read_text()).strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise TokenUnavailable(f"the token file '{path}' cannot be read: {why}") from error
