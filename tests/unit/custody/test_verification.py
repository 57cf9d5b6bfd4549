"""Keys that end."""

import pytest

from engine.custody.survey import Sealed
from engine.custody.verification import ending
from engine.plugin import KeyRing, Severity
from engine.sops import Format, MasterKey, Metadata
from plugins.decryptors import pgp
from tests.support.sops_vectors import FOLDER

DAY = 86_400.0
END = 1_578_009_600.0  # of the key in expired.asc: 2020-01-03
PRIMARY = "749506633512E1B19C09553DFA1E7382E9C9DCD0"
SUBKEY = "B32FF78F6A8D27E0E218E1EFE79A35B2ABFA3367"


def sealed(recipient: str) -> Sealed:
    metadata = Metadata(((MasterKey("pgp", recipient, ""),),), 0, "", "")
    return Sealed("a.yaml", 7, Format.YAML, 100, metadata)


def test_an_openpgp_key_and_its_subkeys_know_their_end() -> None:
    ring = KeyRing({"a.asc": (FOLDER / "expired.asc").read_bytes()})

    assert pgp.DECRYPTOR.ends(ring) == {PRIMARY: END, SUBKEY: END}


@pytest.mark.parametrize(
    ("left", "severity"),
    [(31, None), (29, Severity.WARNING), (0, Severity.ERROR), (-9, Severity.ERROR)],
)
def test_a_key_is_told_of_in_its_last_thirty_days(left: int, severity: Severity | None) -> None:
    flaws = list(ending({PRIMARY: END}, [sealed(PRIMARY)], END - left * DAY))

    assert [each.severity for each in flaws] == ([] if severity is None else [severity])
    assert all(each.place == "a.yaml:7" and PRIMARY in each.fix for each in flaws)


def test_a_key_that_no_file_needs_may_end() -> None:
    assert list(ending({PRIMARY: END}, [sealed("A" * 40)], END)) == []
