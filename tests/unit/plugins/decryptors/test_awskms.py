"""AWS KMS, against a stand-in that verifies signatures."""

import base64

import pytest

from engine.plugin import KeyRing, KeyUnavailable, ServiceAccount
from engine.sops.metadata import MasterKey
from plugins.decryptors.awskms import DECRYPTOR
from tests.support.clouds.amazon import KEY, REGION, ROLE, Amazon, static
from tests.support.clouds.world import world

DATA_KEY = bytes(range(32))
APP = ServiceAccount("apps", "app")
IRSA = {"eks.amazonaws.com/role-arn": ROLE}


def key_of(amazon: Amazon, **more: object) -> MasterKey:
    return MasterKey("kms", KEY, amazon.sealed(DATA_KEY), **more)  # type: ignore[arg-type]


async def test_static_credentials_of_the_secret_open_a_key() -> None:
    async with world() as clouds:
        amazon = Amazon(clouds)

        opened = await DECRYPTOR.open(key_of(amazon), KeyRing(static()), clouds.context())

        assert opened == DATA_KEY
        assert [each.host for each in clouds.seen] == [f"kms.{REGION}.amazonaws.com"]


async def test_what_is_sealed_opens_again() -> None:
    async with world() as clouds:
        Amazon(clouds)
        ring, ctx = KeyRing(static()), clouds.context()

        key = await DECRYPTOR.seal(DATA_KEY, KEY, ring, ctx)

        assert (key.kind, key.recipient) == ("kms", KEY)
        assert await DECRYPTOR.open(key, ring, ctx) == DATA_KEY


async def test_the_encryption_context_of_the_file_is_sent() -> None:
    async with world() as clouds:
        amazon = Amazon(clouds)
        key = MasterKey("kms", KEY, amazon.sealed(DATA_KEY, {"env": "prod"}), {}, {"env": "prod"})

        assert await DECRYPTOR.open(key, KeyRing(static()), clouds.context()) == DATA_KEY


async def test_another_encryption_context_is_named_as_the_cause() -> None:
    async with world() as clouds:
        amazon = Amazon(clouds)
        key = MasterKey("kms", KEY, amazon.sealed(DATA_KEY, {"env": "prod"}))

        with pytest.raises(KeyUnavailable, match=r"InvalidCiphertextException.*encryption context"):
            await DECRYPTOR.open(key, KeyRing(static()), clouds.context())


async def test_the_role_of_the_file_is_assumed_first() -> None:
    async with world() as clouds:
        amazon = Amazon(clouds, allowed={ROLE})
        key = key_of(amazon, attributes={"role": ROLE})

        assert await DECRYPTOR.open(key, KeyRing(static()), clouds.context()) == DATA_KEY
        assert clouds.asked(f"sts.{REGION}.amazonaws.com")[0].form()["RoleArn"] == ROLE


async def test_a_role_may_stand_behind_the_key_as_sops_writes_it() -> None:
    async with world() as clouds:
        Amazon(clouds, allowed={ROLE})

        key = await DECRYPTOR.seal(DATA_KEY, f"{KEY}+{ROLE}", KeyRing(static()), clouds.context())

        assert (key.recipient, dict(key.attributes)) == (KEY, {"role": ROLE})


async def test_a_service_account_opens_a_key_through_its_role() -> None:
    async with world() as clouds:
        amazon = Amazon(clouds)
        clouds.kubernetes.account("app", IRSA)
        ctx = clouds.context(object_level_workload_identity=True)

        opened = await DECRYPTOR.open(key_of(amazon), KeyRing({}, APP), ctx)

        assert opened == DATA_KEY
        assert clouds.kubernetes.audiences() == [["sts.amazonaws.com"]]
        session = clouds.asked(f"sts.{REGION}.amazonaws.com")[0].form()["RoleSessionName"]
        assert session == "app.apps.eu-west-1.fluxcd.io"


async def test_a_thousand_files_ask_for_one_credential() -> None:
    async with world() as clouds:
        amazon = Amazon(clouds)
        clouds.kubernetes.account("app", IRSA)
        ctx = clouds.context(object_level_workload_identity=True)

        for _ in range(5):
            await DECRYPTOR.open(key_of(amazon), KeyRing({}, APP), ctx)

        assert len(clouds.asked(f"sts.{REGION}.amazonaws.com")) == 1


async def test_who_may_not_use_a_key_is_told_what_to_grant_to_whom() -> None:
    async with world() as clouds:
        amazon = Amazon(clouds, allowed=set())

        with pytest.raises(KeyUnavailable) as refused:
            await DECRYPTOR.open(key_of(amazon), KeyRing(static()), clouds.context())

        assert str(refused.value) == (
            f"AWS KMS key '{KEY}', asked as 'sops.aws-kms' of the decryption Secret: AWS Decrypt "
            "in 'eu-west-1': HTTP 400: AccessDeniedException: AKIDSTATIC may not: grant "
            f"kms:Decrypt on '{KEY}' to 'sops.aws-kms' of the decryption Secret"
        )


async def test_a_wrong_secret_is_refused_and_never_shown() -> None:
    async with world() as clouds:
        amazon = Amazon(clouds)
        ring = KeyRing(static(aws_secret_access_key="canary-secret"))

        with pytest.raises(KeyUnavailable, match="InvalidSignatureException") as refused:
            await DECRYPTOR.open(key_of(amazon), ring, clouds.context())

        assert "canary" not in f"{refused.value!r} {ring!r} {clouds.seen!r}"


async def test_a_throttled_request_is_sent_again_later() -> None:
    async with world() as clouds:
        amazon = Amazon(clouds, throttled=2)

        assert await DECRYPTOR.open(key_of(amazon), KeyRing(static()), clouds.context()) == DATA_KEY
        assert clouds.clock.slept == [0.5, 1.0]


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:kms:evil.example.com/:123456789012:key/1",
        "arn:aws:kms:eu-west-1.evil.example.com#:123456789012:key/1",
        "arn:evil:kms:eu-west-1:123456789012:key/1",
        "arn:aws:s3:eu-west-1:123456789012:key/1",
        "arn:aws:kms:eu-west-1:123456789012:key/1?x=/../..",
        "",
    ],
)
async def test_a_file_cannot_name_another_host_than_amazons(arn: str) -> None:
    async with world() as clouds:
        key = MasterKey("kms", arn, base64.b64encode(b"x").decode())

        with pytest.raises(KeyUnavailable, match="is none: it reads arn:aws:kms"):
            await DECRYPTOR.open(key, KeyRing(static()), clouds.context())

        assert clouds.seen == []


async def test_a_partition_that_is_unknown_is_no_host() -> None:
    async with world() as clouds:
        key = MasterKey("kms", KEY.replace("arn:aws:", "arn:aws-evil:"), "eA==")

        with pytest.raises(KeyUnavailable, match="'aws-evil:eu-west-1' is no partition"):
            await DECRYPTOR.open(key, KeyRing(static()), clouds.context())


async def test_the_operator_may_set_another_endpoint() -> None:
    async with world() as clouds:
        amazon = Amazon(clouds)
        clouds.serve("kms.private.amazonaws.com", amazon.kms)
        ctx = clouds.context({"AWS_ENDPOINT_URL_KMS": "https://kms.private.amazonaws.com"})

        assert await DECRYPTOR.open(key_of(amazon), KeyRing(static()), ctx) == DATA_KEY
        assert [each.host for each in clouds.seen] == ["kms.private.amazonaws.com"]


async def test_a_data_key_that_is_no_base64_says_so() -> None:
    async with world() as clouds:
        key = MasterKey("kms", KEY, "?!")

        with pytest.raises(KeyUnavailable, match="no base64"):
            await DECRYPTOR.open(key, KeyRing(static()), clouds.context())


@pytest.mark.parametrize("content", [b"- a", b"aws_access_key_id: A\n", b"\xff", b"{"])
async def test_static_credentials_that_are_none_are_named_by_their_key(content: bytes) -> None:
    async with world() as clouds:
        amazon = Amazon(clouds)

        ring = KeyRing({"sops.aws-kms": content})

        with pytest.raises(KeyUnavailable, match=r"'sops\.aws-kms' (is no YAML|needs)"):
            await DECRYPTOR.open(key_of(amazon), ring, clouds.context())


def test_nobody_knows_beforehand_which_keys_are_ours() -> None:
    assert DECRYPTOR.held(KeyRing(static())) == frozenset()


@pytest.mark.parametrize("text", ["no base64!", "sé"])
async def test_a_damaged_data_key_is_told_of(text: str) -> None:
    async with world() as clouds:
        key = MasterKey("kms", KEY, text)

        with pytest.raises(KeyUnavailable, match="the data key is no base64"):
            await DECRYPTOR.open(key, KeyRing(static()), clouds.context())
