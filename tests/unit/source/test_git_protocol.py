import pytest

from engine.source.failures import GitError
from engine.source.git_protocol import (
    Advertisement,
    Mark,
    PackStream,
    RemoteRef,
    Want,
    fetch_request,
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


def test_sha256_is_named_as_what_is_missing() -> None:
    with pytest.raises(GitError, match="SHA-256 object ids, which are not supported"):
        parse_ls_refs(body(f"{'a' * 64} refs/heads/main"))


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
