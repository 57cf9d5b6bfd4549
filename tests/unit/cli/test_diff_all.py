import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from engine.source.author import commit_files
from tests.support.checkouts import cloned, config_map, kustomization, two_clusters, write

Call: TypeAlias = Callable[..., Any]

SECRET = """\
apiVersion: v1
kind: Secret
metadata: {name: login, namespace: apps}
stringData: {password: hunter2}
"""


def test_a_change_is_told_for_each_kustomization_with_its_lines(call: Call, tmp_path: Path) -> None:
    folder = cloned(tmp_path, two_clusters() | {"infra/old.yaml": config_map("old", x="1")})
    same = call("diff", "all", str(folder), "--base", "main")
    write(
        folder,
        {
            "clusters/prod/vars.yaml": config_map("vars", "flux-system", region="us"),
            "infra/login.yaml": SECRET,
        },
    )
    (folder / "infra/old.yaml").unlink()
    ended = call("diff", "all", str(folder), "--base", "main")

    assert (same.status, same.out) == (0, "")
    assert ended.status == 1
    infra = (
        "Kustomization/flux-system/infra\n"
        "  - ConfigMap/apps/old deleted (infra/old.yaml:1)\n"
        "  + Secret/apps/login created (infra/login.yaml:1)\n"
        "  1 created, 1 deleted, 1 unchanged\n"
    )
    assert ended.out == (
        "clusters/prod: Kustomization/flux-system/apps\n"
        "  ~ ConfigMap/apps/web configured (apps/base/c.yaml:1)\n"
        '      .data.region: "eu-prod" → "us" (apps/base/c.yaml:5)\n'
        "  1 configured\n"
        "clusters/prod: Kustomization/flux-system/flux-system\n"
        "  ~ ConfigMap/flux-system/vars configured (clusters/prod/vars.yaml:1)\n"
        '      .data.region: "eu-prod" → "us" (clusters/prod/vars.yaml:5)\n'
        "  1 configured, 4 unchanged\n"
        f"clusters/prod: {infra}clusters/staging: {infra}"
    )


def test_a_changed_secret_is_seen_and_its_values_are_not(call: Call, tmp_path: Path) -> None:
    leaky = config_map("leak", text="hunter2 and more")
    folder = cloned(tmp_path, two_clusters() | {"infra/login.yaml": SECRET})
    write(
        folder,
        {"infra/login.yaml": SECRET.replace("hunter2", "correct horse"), "infra/leak.yaml": leaky},
    )
    forms = [
        call("diff", "all", str(folder), "--base", "main", "-o", form).out
        for form in ("text", "flux", "json", "brief")
    ]

    assert ".data.password: changed (infra/login.yaml:4)" in forms[0]
    assert "data.password\n± value change\n- *** (before)\n+ *** (after)\n" in forms[1]
    for text in forms:
        assert "Secret" in text
        assert "hunter2" not in text
        assert "horse" not in text
        assert "aHVudGVyMg" not in text


def test_a_secrets_value_in_what_another_kustomization_makes_is_not_shown(
    call: Call, tmp_path: Path
) -> None:
    files = {
        name: text.replace("kind: ConfigMap, name: vars", "kind: Secret, name: login")
        for name, text in two_clusters().items()
    }
    secret = SECRET.replace("namespace: apps", "namespace: flux-system")
    secret = secret.replace("password", "region")
    manifest = "clusters/prod/login.yaml"
    folder = cloned(tmp_path, files | {manifest: secret})
    write(folder, {manifest: secret.replace("hunter2", "correct horse")})
    forms = [
        call("diff", "all", str(folder), "--base", "main", "-o", form).out
        for form in ("text", "flux", "json")
    ]

    for text in forms:
        assert "ConfigMap/apps/web" in text or '"web"' in text
        assert "hunter2" not in text
        assert "horse" not in text


def test_what_moves_to_another_kustomization_is_not_deleted(call: Call, tmp_path: Path) -> None:
    folder = cloned(tmp_path, two_clusters() | {"infra/c.yaml": config_map("moves", x="1")})
    (folder / "infra/c.yaml").unlink()
    write(
        folder,
        {
            "apps/base/m.yaml": config_map("moves", x="1"),
            "apps/base/kustomization.yaml": "resources: [c.yaml, m.yaml]\n",
        },
    )
    ended = call("diff", "all", str(folder), "--base", "main", "-o", "json")

    objects = [each for part in json.loads(ended.out) for each in part["objects"]]
    moved = [(each["action"], each["why"]) for each in objects if each["name"] == "moves"]
    assert sorted(set(moved)) == [
        ("created", ""),
        ("kept", "Kustomization/flux-system/apps takes it over"),
    ]


def test_two_commits_are_compared(call: Call, tmp_path: Path) -> None:
    folder = cloned(tmp_path, two_clusters())
    new = config_map("vars", "flux-system", region="us").encode()
    commit_files(folder / ".git", {"clusters/prod/vars.yaml": new}, "second")
    arguments = ("diff", "all", str(folder), "--base", "main~1", "--head", "main", "-o", "brief")
    ended = call(*arguments)

    assert ended.out == "ConfigMap/apps/web configured\nConfigMap/flux-system/vars configured\n"


def test_a_new_side_that_cannot_be_rendered_is_not_called_the_same(
    call: Call, tmp_path: Path
) -> None:
    folder = cloned(tmp_path, two_clusters())
    write(folder, {"infra/ns.yaml": "kind: ["})
    ended = call("diff", "all", str(folder), "--base", "main")

    assert ended.status == 2
    assert "infra/ns.yaml" in ended.err


def test_a_commit_that_is_not_there_is_an_error_with_advice(call: Call, tmp_path: Path) -> None:
    ended = call("diff", "all", str(cloned(tmp_path, two_clusters())), "--base", "origin/main")

    assert (ended.status, ended.out) == (2, "")
    assert "'origin/main' is no commit, branch or tag" in ended.err
    assert "git fetch origin" in ended.err


def test_what_could_not_be_built_before_is_not_called_the_same(call: Call, tmp_path: Path) -> None:
    folder = cloned(tmp_path, two_clusters() | {"infra/c.yaml": "kind: ["})
    write(folder, {"infra/c.yaml": config_map("mended", x="1")})
    ended = call("diff", "all", str(folder), "--base", "main")

    assert ended.status == 1
    assert "ConfigMap/apps/mended configured (infra/c.yaml:1): what it was is not" in ended.out


def old_infra(**settings: str) -> str:
    more = "".join(f"  {name}: {value}\n" for name, value in settings.items())
    return kustomization("infra", "./infra", more)


PROTECTED = config_map("old", x="1").replace(
    "namespace: apps}",
    "namespace: apps, annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}}",
)


@pytest.mark.parametrize(
    ("old", "before", "after", "wanted"),
    [
        (config_map("old", x="1"), old_infra(), old_infra(), ("deleted", "")),
        (PROTECTED, old_infra(), old_infra(), ("kept", "it is protected")),
        (
            config_map("old", x="1"),
            old_infra(),
            old_infra().replace("prune: true", "prune: false"),
            ("kept", "prune is off"),
        ),
        (
            config_map("old", x="1"),
            old_infra().replace("prune: true", "prune: false"),
            old_infra(),
            ("deleted", ""),
        ),
        (config_map("old", x="1"), old_infra(), "", ("deleted", "")),
        (
            config_map("old", x="1"),
            old_infra(deletionPolicy="Orphan"),
            "",
            ("kept", "its Kustomization leaves what it made"),
        ),
        (
            config_map("old", x="1"),
            old_infra(deletionPolicy="Delete").replace("prune: true", "prune: false"),
            "",
            ("deleted", ""),
        ),
    ],
)
def test_what_leaves_git_is_deleted_as_its_kustomization_then_says(
    call: Call, tmp_path: Path, old: str, before: str, after: str, wanted: tuple[str, str]
) -> None:
    manifest = "clusters/prod/infra.yaml"
    folder = cloned(tmp_path, {manifest: before, "infra/old.yaml": old})
    (folder / "infra/old.yaml").unlink()
    write(folder, {manifest: after, "infra/new.yaml": config_map("new", x="1")})
    ended = call("diff", "all", str(folder), "--base", "main", "-o", "json")

    objects = [each for part in json.loads(ended.out) for each in part["objects"]]
    assert [(o["action"], o["why"]) for o in objects if o["name"] == "old"] == [wanted]


def test_where_there_is_nothing_on_either_side_it_says_so(call: Call, tmp_path: Path) -> None:
    folder = cloned(tmp_path, {"docs/readme.md": "nothing here"})
    ended = call("diff", "all", str(folder), "--base", "main")

    assert (ended.status, ended.out) == (2, "")
    assert f"there is no Kustomization below '{folder}' on either side; give the" in ended.err
