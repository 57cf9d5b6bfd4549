import pytest

from engine.source.failures import GitError
from engine.source.git_protocol import (
    Advertisement,
    Mark,
    PackStream,
    RemoteRef,
    Want,
    fetch_request,
    ls_refs,
    packet,
    parse_advertisement,
    parse_ls_refs,
)

ONE, TWO = "1" * 40, "2" * 40
FLUSH = Mark.FLUSH.value


def body(*lines: str) -> bytes:
    return b"".join(packet(f"{line}\n") for line in lines) + FLUSH


def test_version_2_is_recognised_with_and_without_the_service_line() -> None:
    plain = body("version 2", "agent=git/2", "fetch=shallow")

    wanted = Advertisement(2, frozenset({"agent=git/2", "fetch=shallow"}))
    assert parse_advertisement(plain) == wanted
    assert parse_advertisement(body("# service=git-upload-pack") + plain) == wanted


@pytest.mark.parametrize("first", [[], ["version 1"]])
def test_before_version_2_the_refs_come_at_once(first: list[str]) -> None:
    lines = [f"{ONE} HEAD\0shallow agent=x", f"{ONE} refs/tags/v1", f"{TWO} refs/tags/v1^{{}}"]

    found = parse_advertisement(body("# service=git-upload-pack") + body(*first, *lines))

    assert found.capabilities == {"shallow", "agent=x"}
    assert found.refs == {"HEAD": RemoteRef(ONE), "refs/tags/v1": RemoteRef(ONE, TWO)}
    assert found.refs["refs/tags/v1"].commit == TWO


def test_a_listing_tells_tags_from_their_commits() -> None:
    found = parse_ls_refs(
        body(
            f"{ONE} HEAD symref-target:refs/heads/main",
            f"{ONE} refs/tags/v1 peeled:{TWO}",
            "unborn HEAD symref-target:refs/heads/main",
        )
    )

    assert found == {"HEAD": RemoteRef(ONE), "refs/tags/v1": RemoteRef(ONE, TWO)}


def test_ids_of_64_digits_are_read_as_well() -> None:
    assert parse_ls_refs(body(f"{'a' * 64} refs/heads/main")) == {
        "refs/heads/main": RemoteRef("a" * 64)
    }


def test_each_request_names_the_format_of_the_repository() -> None:
    sha256 = frozenset({"side-band-64k", "object-format=sha256"})

    old = fetch_request(Advertisement(0, sha256), Want(["a" * 64], depth=0))
    new = fetch_request(Advertisement(2, sha256), Want(["a" * 64]))

    assert b"side-band-64k object-format=sha256 agent=" in old
    assert packet("object-format=sha256") in new
    assert packet("object-format=sha256") in ls_refs((), "sha256")
    assert packet("object-format=sha1") in ls_refs(())


@pytest.mark.parametrize("given", [("md5",), ("sha1", "sha256")])
def test_a_format_that_is_not_known_is_named(given: tuple[str, ...]) -> None:
    server = Advertisement(2, frozenset(f"object-format={each}" for each in given))

    with pytest.raises(GitError, match="object ids that are not supported"):
        assert server.object_format


def test_a_request_before_version_2_asks_for_what_the_server_offers() -> None:
    server = Advertisement(0, frozenset({"side-band-64k", "shallow", "multi_ack"}))

    found = fetch_request(server, Want([ONE], [TWO], [TWO]))

    assert found.startswith(packet(f"want {ONE} side-band-64k agent=git/lockstep\n"))
    assert found.endswith(FLUSH + packet(f"have {TWO}\n") + packet("done\n"))


def test_a_server_without_shallow_gives_the_whole_history() -> None:
    server = Advertisement(0, frozenset({"side-band-64k"}))

    assert b"deepen" not in fetch_request(server, Want([ONE]))
    with pytest.raises(GitError, match="does not offer side-band-64k"):
        fetch_request(Advertisement(0, frozenset()), Want([ONE]))


@pytest.mark.parametrize(
    ("stream", "problem"),
    [
        (packet("ERR no such ref\n"), "the server reports: no such ref"),
        (packet("packfile\n") + packet("\3out of memory\n"), "the server reports: out of memory"),
        (packet("shallow-info\n") + FLUSH, "holds no pack"),
        (packet("packfile\n") + b"00ff\1PA", "ended in the middle"),
        (b"zzzz", "not Git's protocol"),
    ],
)
def test_an_answer_without_a_whole_pack_is_an_error(stream: bytes, problem: str) -> None:
    with pytest.raises(GitError, match=problem):
        read_whole(stream)


def read_whole(stream: bytes) -> bytes:
    found = PackStream(2)
    content = b"".join(found.feed(stream))
    found.finish()
    return content


def test_progress_and_what_is_told_of_shallow_commits_are_skipped() -> None:
    stream = PackStream(2)
    lines = [packet("shallow-info\n"), packet(f"shallow {ONE}\n"), Mark.DELIMITER.value]
    lines += [packet("packfile\n"), packet("\2counting\n"), packet("\1PACK"), packet("\1!"), FLUSH]

    assert b"".join(stream.feed(b"".join(lines))) == b"PACK!"
