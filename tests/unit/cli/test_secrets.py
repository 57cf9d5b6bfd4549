"""`lockstep secrets`: list, check and rotate, on local folders."""

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from engine.sops import MAX_BYTES, Format, decrypted, metadata_of
from tests.support.custody import CANARY, DECRYPTION, LOGIN, Repository, flux
from tests.support.scripted_api import ScriptedApi
from tests.support.sealing import Person, Seal
from tests.support.sops import AgeKey
from tests.support.sops_vectors import FOLDER
from tests.unit.plugins.checks.scenes import discovery

Call: TypeAlias = Callable[..., Any]

HEAVY = ("aiohttp", "cryptography", "opentelemetry", "dulwich", "pyrage", "engine.custody")
EXPIRED = "749506633512E1B19C09553DFA1E7382E9C9DCD0"
ME, OTHER, NEW = Person(), Person(), Person()
MINE = Seal([ME], "^stringData$").yaml(LOGIN)
BOTH = Seal([ME, OTHER], "^stringData$").yaml(LOGIN)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Two apps; one is decrypted.  No key of the user is where sops looks."""
    for name in ("SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "SOPS_AGE_SSH_PRIVATE_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "me.txt").write_bytes(ME.key_file)
    (tmp_path / "other.txt").write_bytes(OTHER.key_file)
    (tmp_path / "new.txt").write_bytes(NEW.key_file)
    found = Repository(tmp_path / "fleet")
    found.put(
        {
            "clusters/apps.yaml": flux("apps", "./apps", **DECRYPTION),
            "clusters/more.yaml": flux("more", "./more"),
            "apps/login.yaml": MINE,
            "more/login.yaml": BOTH,
        }
    )
    monkeypatch.chdir(found.root)
    return found


def recipients(content: bytes, form: Format = Format.YAML) -> list[str]:
    metadata = metadata_of(content, form)
    assert metadata is not None
    return [key.recipient for group in metadata.groups for key in group]


def plain(content: bytes, person: Person, form: Format = Format.YAML) -> bytes:
    return decrypted(content, form, AgeKey(person.identity).opened(content, form), verify_mac=True)


def rules(*people: Person) -> str:
    return yaml.safe_dump({"creation_rules": [{"age": ",".join(p.recipient for p in people)}]})


def flaws(call: Call, *arguments: str) -> dict[str, Mapping[str, Any]]:
    """By rule; of several of one rule the last."""
    done = call("secrets", "check", "-o", "json", *arguments)
    found: list[Mapping[str, Any]] = json.loads(done.out)
    worst = max((["ok", "warning", "error"].index(each["severity"]) for each in found), default=0)
    assert done.status == worst
    return {each["rule"]: each for each in found}


def test_list_shows_each_file_who_can_decrypt_it_and_what_does(
    call: Call, repository: Repository
) -> None:
    done = call("secrets", "list")

    assert done.status == 0
    assert "apps/login.yaml   yaml     1 age        1 key    2026-11-23T06:00:00Z" in done.out
    assert "flux-system/apps\n" in done.out
    assert "flux-system/more (no spec.decryption)\n" in done.out


def test_list_by_recipient_and_of_a_folder(call: Call, repository: Repository) -> None:
    done = call("secrets", "list", "more", "--by-recipient")

    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0] == ["RECIPIENT", "KIND", "FILE"]
    assert lines[1:] == sorted(
        [person.recipient, "age", "more/login.yaml"] for person in (ME, OTHER)
    )


def test_list_as_json_has_groups_and_manifests(call: Call, repository: Repository) -> None:
    (found,) = json.loads(call("secrets", "list", "apps/login.yaml", "-o", "json").out)

    assert found["groups"] == [[{"kind": "age", "recipient": ME.recipient}]]
    assert found["readBy"] == [
        {
            "kustomization": "flux-system/apps",
            "manifest": "clusters/apps.yaml:1",
            "decrypts": True,
            "secret": "sops-age",
        }
    ]


def test_list_of_nothing_says_so(call: Call, repository: Repository) -> None:
    done = call("secrets", "list", "clusters")

    assert (done.status, done.out) == (0, "")
    assert "no file at or below 'clusters' is encrypted with SOPS" in done.err


def test_check_finds_what_no_kustomization_decrypts(call: Call, repository: Repository) -> None:
    repository.put({"stray/a.yaml": MINE})

    found = flaws(call)

    assert found["not-decrypted"]["file"] == "more/login.yaml"
    assert "clusters/more.yaml:1" in found["not-decrypted"]["fix"]
    assert found["not-built"]["file"] == "stray/a.yaml"
    assert flaws(call, "apps").keys() == {"one-key", "not-verified"}


def test_check_compares_with_the_creation_rules(call: Call, repository: Repository) -> None:
    repository.put({".sops.yaml": rules(ME, NEW)})

    found = flaws(call, "more")

    assert OTHER.recipient in found["rotated-out"]["what"]
    assert found["rotated-out"]["fix"].startswith(
        "lockstep secrets rotate --new-data-key more/login.yaml"
    )
    assert NEW.recipient in found["not-yet-in"]["what"]


def test_check_says_what_breaks_without_keys(call: Call, repository: Repository) -> None:
    assert "lost" not in flaws(call, "--without", OTHER.recipient)
    assert flaws(call, "--without", ME.recipient)["lost"]["file"] == "apps/login.yaml"
    assert (
        "Kustomization flux-system/apps would fail"
        in call("secrets", "check", "--without", ME.recipient).out
    )
    both = call("secrets", "check", "--without", ME.recipient, "--without", OTHER.recipient).out
    assert "0 of 2 files encrypted for" in both


def test_check_names_files_that_only_one_key_opens(call: Call, repository: Repository) -> None:
    assert ME.recipient in flaws(call, "apps")["one-key"]["what"]
    assert "one-key" not in flaws(call, "more")


def test_check_verifies_with_the_keys_at_hand(
    call: Call, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "verified" not in flaws(call)
    assert flaws(call, "--age-key-file", str(tmp_path / "other.txt"))["verified"]["what"] == (
        "1 file decrypted and verified with the keys at hand"
    )

    monkeypatch.setenv("SOPS_AGE_KEY", ME.secret)
    assert flaws(call)["verified"]["what"].startswith("2 files decrypted")

    repository.put({"apps/login.yaml": MINE.replace(b"name: login", b"name: other")})
    tampered = flaws(call, "apps")["tampered"]
    assert (tampered["severity"], tampered["file"]) == ("error", "apps/login.yaml")


def test_check_finds_files_that_are_too_large(call: Call, repository: Repository) -> None:
    filler = b"# " + b"x" * MAX_BYTES + b"\n"
    repository.put({"apps/login.yaml": MINE + filler})

    assert "5 MiB" in flaws(call, "apps")["too-large"]["what"]


def test_check_finds_openpgp_keys_that_ended(call: Call, repository: Repository) -> None:
    part = {"fp": EXPIRED, "created_at": "2026-11-23T06:00:00Z", "enc": "x"}
    document = yaml.safe_load(MINE)
    document["sops"]["pgp"] = [part]
    repository.put({"apps/login.yaml": yaml.safe_dump(document)})

    found = flaws(call, "apps", "--pgp-key-file", str(FOLDER / "expired.asc"))

    assert found["key-ends"]["severity"] == "error"
    assert f"OpenPGP key {EXPIRED} ended on 2020-01-03" in found["key-ends"]["what"]


def test_check_finds_sealed_secrets_without_controller(call: Call, repository: Repository) -> None:
    sealed = "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: a}\n"
    repository.put({"apps/sealed.yaml": sealed})
    assert flaws(call)["no-controller"]["file"] == "apps/sealed.yaml"

    chart = {"chart": {"spec": {"chart": "sealed-secrets"}}}
    release = {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "spec": chart}
    repository.put({"infra/release.yaml": yaml.safe_dump(release)})
    assert "no-controller" not in flaws(call)


async def test_check_asks_the_cluster_about_sealed_secrets(
    lockstep: Callable[..., Any], api: ScriptedApi, repository: Repository
) -> None:
    sealed = "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: a}\n"
    repository.put({"apps/sealed.yaml": sealed})
    kind = ("bitnami.com", "v1alpha1", "SealedSecret", "sealedsecrets")

    for served, said in ((discovery(), True), (discovery(kind), False)):
        for (method, path), reply in served.items():
            api.on(method, path, reply)
        done = await lockstep("secrets", "check", "apps", "--cluster")

        assert ("the cluster does not serve its kind" in done.out) is said


def test_rotate_follows_the_creation_rules(
    call: Call, repository: Repository, tmp_path: Path
) -> None:
    repository.put({".sops.yaml": rules(OTHER, NEW)})
    before = plain(MINE, ME)
    (repository.root / "apps/login.yaml").chmod(0o640)

    done = call("secrets", "rotate", "apps", "--yes", "--age-key-file", str(tmp_path / "me.txt"))

    after = repository.read("apps/login.yaml")
    assert done.status == 0
    assert done.out == (
        f"✔ apps/login.yaml: rotated (+{OTHER.recipient}, +{NEW.recipient}, -{ME.recipient})\n"
    )
    assert recipients(after) == [OTHER.recipient, NEW.recipient]
    assert plain(after, NEW) == before
    assert stat.S_IMODE((repository.root / "apps/login.yaml").stat().st_mode) == 0o640
    assert os.listdir(repository.root / "apps") == ["login.yaml"]
    assert "--new-data-key makes others" in done.err


def test_rotate_keeps_what_is_sealed_for_those_who_stay(
    call: Call, repository: Repository, tmp_path: Path
) -> None:
    key = str(tmp_path / "me.txt")
    call("secrets", "rotate", "more", "-y", "--add", NEW.recipient, "--age-key-file", key)

    before, after = (
        metadata_of(each, Format.YAML) for each in (BOTH, repository.read("more/login.yaml"))
    )
    assert before is not None
    assert after is not None
    assert after.groups[0][:2] == before.groups[0]
    assert (after.mac, after.modified) == (before.mac, before.modified)


def test_rotate_with_a_new_data_key_encrypts_every_value_anew(
    call: Call, repository: Repository, tmp_path: Path
) -> None:
    options = ["--remove", OTHER.recipient, "--new-data-key", "-y"]
    done = call("secrets", "rotate", "more", *options, "--age-key-file", str(tmp_path / "me.txt"))

    after = repository.read("more/login.yaml")
    old = AgeKey(ME.identity).opened(BOTH, Format.YAML)
    assert f"(-{OTHER.recipient}, new data key)" in done.out
    assert AgeKey(ME.identity).opened(after, Format.YAML) != old
    assert plain(after, ME) == plain(BOTH, ME)
    assert yaml.safe_load(after)["stringData"] != yaml.safe_load(BOTH)["stringData"]


def test_a_dry_run_writes_nothing(call: Call, repository: Repository, tmp_path: Path) -> None:
    options = ["--add", NEW.recipient, "--dry-run", "--age-key-file", str(tmp_path / "me.txt")]
    done = call("secrets", "rotate", ".", *options)

    assert done.status == 0
    assert f"apps/login.yaml: would be rotated (+{NEW.recipient})" in done.err
    assert repository.read("apps/login.yaml") == MINE


def test_one_file_that_no_key_opens_stays_and_the_others_are_written(
    call: Call, repository: Repository, tmp_path: Path
) -> None:
    options = ["--add", NEW.recipient, "-y", "--age-key-file", str(tmp_path / "other.txt")]
    done = call("secrets", "rotate", ".", *options)

    assert done.status == 1
    assert repository.read("apps/login.yaml") == MINE
    assert NEW.recipient in recipients(repository.read("more/login.yaml"))
    assert "✗ apps/login.yaml: no key of" in done.err
    assert ME.recipient in done.err


def test_all_or_nothing_writes_nothing_if_one_file_fails(
    call: Call, repository: Repository, tmp_path: Path
) -> None:
    options = ["--add", NEW.recipient, "-y", "--age-key-file", str(tmp_path / "other.txt")]
    done = call("secrets", "rotate", ".", "--all-or-nothing", *options)

    assert done.status == 1
    assert repository.read("more/login.yaml") == BOTH
    assert "nothing was written" in done.err


def test_all_or_nothing_leaves_nothing_behind_if_a_folder_cannot_be_written(
    call: Call, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(number: int) -> None:
        if (repository.root / "more").stat().st_ino in {
            os.stat(each.parent).st_ino for each in repository.root.glob("more/.login*")
        }:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.custody.replacing.os.fsync", full)
    options = ["--add", NEW.recipient, "-y", "--age-key-file", str(tmp_path / "me.txt")]
    done = call("secrets", "rotate", ".", "--all-or-nothing", *options)

    assert done.status == 1
    assert "✗ more/login.yaml: [Errno 28] No space left on device" in done.err
    assert repository.read("apps/login.yaml") == MINE
    assert os.listdir(repository.root / "apps") == os.listdir(repository.root / "more")


def test_what_is_already_so_is_left_alone(
    call: Call, repository: Repository, tmp_path: Path
) -> None:
    repository.put({".sops.yaml": rules(ME)})

    done = call("secrets", "rotate", "apps", "-y")

    assert (done.status, done.out) == (0, "")
    assert "already so: 1 of 1 files" in done.err
    assert repository.read("apps/login.yaml") == MINE


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["apps", "--to", "bob"], 2, "--to: 'bob' names no recipient"),
        (["apps", "-y"], 1, "there is no .sops.yaml: say for whom"),
        (["clusters", "-y"], 1, "no file at or below clusters is encrypted with SOPS"),
        (["apps", "-y", "--remove", ME.recipient], 1, "could decrypt it: --add somebody"),
        (["apps", "--add", NEW.recipient], 1, "nothing was written: give --yes"),
        (["apps", "-y", "--add", "A" * 40], 1, "OpenPGP key 'A"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(
    call: Call,
    repository: Repository,
    tmp_path: Path,
    arguments: list[str],
    status: int,
    text: str,
) -> None:
    key = str(tmp_path / "me.txt")
    done = call("secrets", "rotate", *arguments, "--age-key-file", key)

    assert done.status == status
    assert text in done.err
    assert repository.read("apps/login.yaml") == MINE


def test_a_tampered_file_is_not_rotated(call: Call, repository: Repository, tmp_path: Path) -> None:
    changed = MINE.replace(b"name: login", b"name: other")
    repository.put({"apps/login.yaml": changed})

    options = ["--add", NEW.recipient, "-y", "--age-key-file", str(tmp_path / "me.txt")]
    done = call("secrets", "rotate", "apps", *options)

    assert done.status == 1
    assert "it is not what was encrypted" in done.err
    assert repository.read("apps/login.yaml") == changed


def test_no_output_holds_a_secret(
    call: Call, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCKSTEP_DEBUG", "1")
    monkeypatch.setenv("SOPS_AGE_KEY", ME.secret)
    bad = yaml.safe_dump({**LOGIN, "metadata": {"name": "plain"}})
    generator = f"secretGenerator: [{{name: g, literals: ['a={CANARY}']}}]\n"
    repository.put(
        {
            "apps/plain.yaml": bad,
            "gen/kustomization.yaml": generator,
            "broken/a.yaml": MINE.replace(b"name: login", b"name: other"),
            ".sops.yaml": rules(ME, NEW),
        }
    )
    (tmp_path / "broken.txt").write_text(ME.secret[:-3] + "\n")
    commands = [
        ["list"],
        ["list", "-o", "json"],
        ["check"],
        ["check", "-o", "json", "--without", ME.recipient],
        ["check", "--age-key-file", str(tmp_path / "broken.txt")],
        ["rotate", ".", "--dry-run"],
        ["rotate", ".", "-y", "--age-key-file", str(tmp_path / "broken.txt")],
        ["rotate", ".", "-y", "--new-data-key"],
    ]

    said = "".join(f"{done.out}{done.err}" for done in (call("secrets", *c) for c in commands))

    assert [each for each in (CANARY, ME.secret, ME.secret[:-3]) if each in said] == []


def test_every_rule_is_explained() -> None:
    root = Path(__file__).parents[3]
    code = "".join(each.read_text() for each in (root / "engine/custody").glob("*.py"))
    rules = set(re.findall(r"Severity\.(?:ERROR|WARNING),\s+\"([a-z-]+)\"", code))
    text = (root / "docs/secrets.md").read_text()

    assert len(rules) > 10
    assert [each for each in sorted(rules) if f"`{each}`" not in text] == []


@pytest.mark.parametrize("name", ["list", "check", "rotate"])
def test_help_has_an_example_and_imports_nothing_heavy(call: Call, name: str) -> None:
    program = (
        "import sys\nfrom engine.cli.main import status_of\n"
        f"status_of(['secrets', '{name}', '--help'])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert f"lockstep secrets {name}" in ended.stdout.partition("Examples:")[2]
    assert ended.stderr.strip() == "[]"
