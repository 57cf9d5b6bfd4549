"""What holds for every type of Receiver, whoever gives it."""

import json

import pytest

from engine.hooks import Genuine, Hit, Refused
from engine.hooks.payload import request_of
from plugins import PLUGIN
from tests.support.webhooks import FORGES, JSON, SENDERS, TOKEN, Call, Sender, signature

ALL = [*SENDERS.items(), *(("github", sender) for sender in FORGES.values())]
NAMES = [*SENDERS, *FORGES]
PROVEN = [(kind, sender) for kind, sender in ALL if sender.proof]
PROVEN_NAMES = [name for name, (_, sender) in zip(NAMES, ALL, strict=True) if sender.proof]
SHAPED = ("dockerhub", "quay", "acr", "cdevents")


def verified(kind: str, call: Call, token: str = TOKEN) -> Genuine:
    return PLUGIN.receivers[kind](Hit(call.lowered, call.body, token.encode()))


def refusal(kind: str, call: Call, token: str = TOKEN) -> str:
    with pytest.raises(Refused) as refused:
        verified(kind, call, token)
    return str(refused.value)


def test_every_type_that_needs_no_login_at_a_cloud_is_there() -> None:
    assert set(PLUGIN.receivers) == set(SENDERS)
    assert not {"gcr", "generic-oidc"} & set(PLUGIN.receivers)


@pytest.mark.parametrize(("kind", "sender"), ALL, ids=NAMES)
def test_a_genuine_call_is_taken_and_its_body_is_what_expressions_see(
    kind: str, sender: Sender
) -> None:
    genuine = verified(kind, sender.call())

    assert genuine.event == (sender.event[1] if sender.event else None)
    assert request_of(genuine.payload) == sender.body


@pytest.mark.parametrize(("kind", "sender"), ALL, ids=NAMES)
def test_a_repeated_call_is_as_genuine_as_the_first(kind: str, sender: Sender) -> None:
    call = sender.call()

    assert verified(kind, call) == verified(kind, call)


@pytest.mark.parametrize(("kind", "sender"), PROVEN, ids=PROVEN_NAMES)
def test_a_call_without_a_proof_is_refused_and_the_header_is_named(
    kind: str, sender: Sender
) -> None:
    call = sender.call()
    proofs = sender.prove(call.body, TOKEN) if sender.prove else {}
    bare = call.but(**{name.replace("-", "_"): "" for name in proofs})

    assert refusal(kind, bare).startswith(f"header {sender.proof}") or "X-Hub-Signature" in refusal(
        kind, bare
    )


@pytest.mark.parametrize(("kind", "sender"), PROVEN, ids=PROVEN_NAMES)
def test_a_call_that_is_proven_with_another_token_is_refused(kind: str, sender: Sender) -> None:
    said = refusal(kind, sender.call("another token"))

    assert "token" in said
    assert TOKEN not in said
    assert "another token" not in said


@pytest.mark.parametrize("kind", ["generic-hmac", "github", "bitbucket", "nexus"])
def test_a_body_that_was_changed_on_its_way_is_refused(kind: str) -> None:
    call = SENDERS[kind].call()

    assert "does not sign" in refusal(kind, Call(call.headers, call.body + b" "))


@pytest.mark.parametrize(("kind", "sender"), PROVEN, ids=PROVEN_NAMES)
def test_a_proof_is_asked_for_before_the_body_is_read(kind: str, sender: Sender) -> None:
    said = refusal(kind, sender.call("another token", body=b"{not json"))

    assert "JSON" not in said


@pytest.mark.parametrize(
    "proof",
    ["x", "=", "sha256=", "sha256=zz", "md5=00", "sha256", "sha256=" + "0" * 64, "SHA256=00", "é"],
)
@pytest.mark.parametrize(("kind", "sender"), PROVEN, ids=PROVEN_NAMES)
def test_a_malformed_proof_is_refused(kind: str, sender: Sender, proof: str) -> None:
    refusal(kind, sender.call().but(**{sender.proof.replace("-", "_"): proof}))


@pytest.mark.parametrize("hash_", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("kind", ["generic-hmac", "github", "bitbucket"])
def test_a_signature_may_be_made_with_any_hash_of_the_contract(kind: str, hash_: str) -> None:
    call = SENDERS[kind].call()
    name = SENDERS[kind].proof.replace("-", "_")

    verified(kind, call.but(**{name: signature(call.body, TOKEN, hash_)}))


def test_a_weak_signature_does_not_make_up_for_a_wrong_strong_one() -> None:
    call = SENDERS["github"].call().but(X_Hub_Signature_256="sha256=" + "0" * 64)

    assert "X-Hub-Signature-256" in refusal("github", call)


@pytest.mark.parametrize(("kind", "sender"), [a for a in ALL if a[1].event], ids=str)
def test_another_event_is_told_as_such(kind: str, sender: Sender) -> None:
    assert sender.event is not None
    assert verified(kind, sender.call(event=sender.event[2])).event == sender.event[2]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b'"x"', b"\xff", b"[" * 5000])
@pytest.mark.parametrize("kind", [*SHAPED, "nexus"])
def test_a_body_that_is_no_json_object_is_refused_where_it_must_look_like_its_own(
    kind: str, body: bytes
) -> None:
    assert "JSON" in refusal(kind, SENDERS[kind].call(body=body))


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        ("dockerhub", {"push_data": "x"}, "push_data is not an object"),
        ("dockerhub", {"repository": {"repo_url": 1}}, "repository.repo_url is not a text"),
        ("quay", {"docker_url": {}}, "docker_url is not a text"),
        ("quay", {"updated_tags": [1]}, "updated_tags is not a list of texts"),
        ("acr", {"target": {"tag": []}}, "target.tag is not a text"),
        ("nexus", {"action": 1}, "action is not a text"),
        ("cdevents", {}, "no context"),
        ("cdevents", {"context": {"id": "a"}}, "no context.version"),
    ],
)
def test_a_field_of_another_type_is_named(kind: str, body: object, field: str) -> None:
    assert field in refusal(kind, SENDERS[kind].call(body=json.dumps(body).encode()))


@pytest.mark.parametrize("kind", ["dockerhub", "quay", "acr"])
def test_fields_may_be_missing_or_null_as_in_go(kind: str) -> None:
    for body in (b"{}", b"null", b'{"push_data": null, "target": null, "docker_url": null}'):
        verified(kind, SENDERS[kind].call(body=body))


@pytest.mark.parametrize(
    ("type_", "is_one"),
    [
        ("dev.cdevents.change.merged.0.9.9", True),
        ("dev.cdevents.change.merged.1.0.0", False),
        ("dev.cdevents.change.exploded.0.1.0", False),
        ("dev.cdeventsx.mytool-build.mended.1.2.3", True),
        ("dev.cdevents.change.merged", False),
        ("x" * 100_000, False),
    ],
)
def test_an_event_of_cdevents_has_a_known_subject_and_predicate(type_: str, is_one: bool) -> None:
    body = dict(SENDERS["cdevents"].body)
    body["context"] = {**body["context"], "type": type_}
    call = SENDERS["cdevents"].call(body=json.dumps(body).encode())

    if is_one:
        verified("cdevents", call)
    else:
        assert refusal("cdevents", call) == "the body's context.type is no type of CDEvents"


@pytest.mark.parametrize("field", ["version", "id", "source", "type", "timestamp"])
def test_an_event_of_cdevents_lacks_no_part_of_its_context(field: str) -> None:
    body = dict(SENDERS["cdevents"].body)
    body["context"] = {name: text for name, text in body["context"].items() if name != field}

    said = refusal("cdevents", SENDERS["cdevents"].call(body=json.dumps(body).encode()))

    assert said == f"the body has no context.{field} of a CDEvent"


def test_a_form_of_github_holds_its_json_in_a_field_and_is_signed_as_a_whole() -> None:
    body = b"payload=%7B%22ref%22%3A%22main%22%7D&x=y"
    form = SENDERS["github"].call(body=body).but(Content_Type="application/x-www-form-urlencoded")

    assert verified("github", form).payload == b'{"ref":"main"}'


def test_other_content_of_github_is_refused() -> None:
    call = SENDERS["github"].call().but(Content_Type="text/plain")

    assert "choose one at the sender" in refusal("github", call)


def test_who_stored_the_token_with_a_line_break_is_told() -> None:
    said = refusal("gitlab", SENDERS["gitlab"].call(), TOKEN + "\n")

    assert said.endswith("ends in a line break, which no header holds: store it without")
    assert JSON not in said
