"""Records of tar files, judged by Python's own."""

import io
import tarfile

import pytest

from engine.source.archive_record import BLOCK, END, header, padding
from engine.source.tree import Entry, Form

FILE, FOLDER = Entry(Form.FILE, "1"), Entry(Form.FOLDER, "2")
PATHS = [
    "a",
    "a" * 99,
    "a" * 100,
    "a" * 101,
    "/".join(["folder"] * 40) + "/x.yaml",
    "été/ü.yaml",
    "a b\n=c",
    "\udcff",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("entry", [FILE, FOLDER, Entry(Form.FILE, "1", executable=True)])
def test_a_header_is_read_as_it_was_meant(path: str, entry: Entry) -> None:
    size = 5 if entry.form is Form.FILE else 0
    record = header(path, entry, size) + b"x" * size + padding(size)

    assert len(record) % BLOCK == 0
    with tarfile.open(fileobj=io.BytesIO(record + END), mode="r:", errorlevel=2) as tar:
        (member,) = tar.getmembers()
    assert (member.name, member.size) == (path, size)
    assert member.isdir() if entry is FOLDER else member.isreg()
    assert member.mode == (0o750 if entry is FOLDER else 0o700 if entry.executable else 0o600)
    assert (member.uid, member.gid, member.uname, member.gname, member.mtime) == (0, 0, "", "", 0)


@pytest.mark.parametrize("length", range(80, 120))
def test_the_length_of_an_extended_name_counts_its_own_digits(length: int) -> None:
    path = "é" + "a" * length

    with tarfile.open(fileobj=io.BytesIO(header(path, FILE, 0) + END), mode="r:") as tar:
        assert tar.getnames() == [path]
