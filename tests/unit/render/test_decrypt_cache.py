"""Decrypted files that a builder remembers: for those only who have the data key."""

import pytest

from engine.render.decrypt_cache import DecryptedFiles
from engine.sops import Format, SopsError
from tests.support.sealing import Person, Seal

ME = Person()
SEAL = Seal([ME])
FILE = SEAL.dotenv(TOKEN="hunter2")


def decrypted(files: DecryptedFiles, content: bytes = FILE, key: bytes = SEAL.data_key) -> bytes:
    return files(content, Format.DOTENV, key, True, None)


def test_an_unchanged_file_is_not_decrypted_again() -> None:
    files = DecryptedFiles(10_000)

    assert decrypted(files) == decrypted(files) == b"TOKEN=hunter2\n"
    assert (files.statistics().decrypted, files.statistics().used) == (1, 1)


def test_who_has_another_data_key_does_not_find_it() -> None:
    files = DecryptedFiles(10_000)
    decrypted(files)

    with pytest.raises(SopsError):
        decrypted(files, key=bytes(32))


def test_a_file_that_was_decrypted_without_its_mac_is_looked_at_again_with_it() -> None:
    files, changed = DecryptedFiles(10_000), FILE + b"#MORE=x\n"

    files(changed, Format.DOTENV, SEAL.data_key, False, None)
    files(changed, Format.DOTENV, SEAL.data_key, True, None)

    assert files.statistics().decrypted == 2


@pytest.mark.parametrize(("most", "kept"), [(0, 0), (400, 1), (10_000, 3)])
def test_as_many_are_kept_as_fit(most: int, kept: int) -> None:
    files = DecryptedFiles(most)
    for value in "abc":
        decrypted(files, SEAL.dotenv(TOKEN=value))

    assert files.statistics().files == kept
    assert files.statistics().held_bytes <= most
    assert "files=" in repr(files)
