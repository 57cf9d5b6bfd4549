"""What the chart lets the engine do, as Helm renders it, against what the engine says it needs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.cli.kinds import KINDS
from engine.cluster.endpoint import MARK
from engine.objects.ref import Object
from plugins.checks.permissions import Deed, needed
from tests.support.chart import rendered, settings_in
from tests.unit.plugins.checks.scenes import context

TENANCIES = ("flux", "strict")
POLICIES = "--set=admissionPolicies.enabled=true"
FLUX = {kind.resource.group for kind in KINDS.values()}


@dataclass(frozen=True)
class Rights:
    """Of the release's service account."""

    objects: Mapping[tuple[str, str], Object]

    def rules(self) -> list[tuple[str, Object]]:
        """(namespace, rule) of each rule; namespace: empty: everywhere."""
        found: list[tuple[str, Object]] = []
        for binding in self.objects.values():
            if not binding["kind"].endswith("RoleBinding"):
                continue
            (subject,) = binding["subjects"]
            assert (subject["namespace"], subject["name"]) == ("flux-system", "lockstep")
            role = binding["roleRef"]["kind"], binding["roleRef"]["name"]
            namespace = binding["metadata"].get("namespace", "")
            found += [(namespace, rule) for rule in self._rules_of(*role)]
        return found

    def _rules_of(self, kind: str, name: str) -> Iterable[Object]:
        if name == "cluster-admin":
            return [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
        rules: list[Object] = self.objects[kind, name]["rules"]
        return rules

    def allow(self, deed: Deed) -> bool:
        """As the API server decides; resourceNames are left to those who look at them."""
        whole = f"{deed.resource}/{deed.subresource}" if deed.subresource else deed.resource
        asked = {"verbs": deed.verb, "apiGroups": deed.group, "resources": whole}
        return any(
            namespace in ("", deed.namespace)
            and all({"*", value} & set(rule[name]) for name, value in asked.items())
            for namespace, rule in self.rules()
        )


def rights(folder: Path, *arguments: str) -> Rights:
    return Rights(rendered(folder, *arguments))


@pytest.mark.parametrize("tenancy", TENANCIES)
async def test_the_chart_grants_what_lockstep_check_asks_for(tenancy: str, tmp_path: Path) -> None:
    granted = rights(tmp_path, f"--set=tenancy={tenancy}")
    async with context(tenancy=tenancy, object_level_workload_identity=True) as (_, given):
        denied = [str(deed) for deed in needed(given) if not granted.allow(deed)]

    assert denied == []


@pytest.mark.parametrize("verb", ["get", "list", "watch", "patch"])
def test_a_webhook_may_wake_and_an_alert_may_name_each_kind_of_flux(
    verb: str, tmp_path: Path
) -> None:
    strict = rights(tmp_path, "--set=tenancy=strict")
    kinds = [kind.resource for kind in KINDS.values()]

    assert [each for each in kinds if not strict.allow(Deed(verb, each.group, each.plural))] == []


def test_strict_tenancy_writes_nothing_but_flux_kinds_events_and_leases(tmp_path: Path) -> None:
    writes = {
        (verb, plural)
        for _, rule in rights(tmp_path, "--set=tenancy=strict", POLICIES).rules()
        for group in rule["apiGroups"]
        for plural in rule["resources"]
        for verb in rule["verbs"]
        if verb not in ("get", "list", "watch") and group not in FLUX
    }

    assert writes == {
        ("create", "events"),
        ("patch", "events"),
        ("create", "leases"),
        ("patch", "leases"),
        ("create", "serviceaccounts/token"),
        ("create", "tokenreviews"),
        ("create", "selfsubjectreviews"),
        ("create", "selfsubjectaccessreviews"),
        ("impersonate", "serviceaccounts"),
        ("impersonate", f"userextras/{MARK}"),
    }


def test_strict_tenancy_opens_no_shell_and_no_kubelet(tmp_path: Path) -> None:
    strict = rights(tmp_path, "--set=tenancy=strict")

    assert strict.allow(Deed("watch", "", "pods"))
    for subresource in ("exec", "attach", "portforward", "proxy"):
        assert not strict.allow(Deed("get", "", "pods", subresource))
        assert not strict.allow(Deed("get", "", "nodes", subresource))


def test_without_strict_tenancy_the_engine_may_apply_anything_as_in_flux(tmp_path: Path) -> None:
    assert rights(tmp_path).allow(Deed("escalate", "rbac.authorization.k8s.io", "clusterroles"))


def test_leases_are_held_in_the_release_namespace_only(tmp_path: Path) -> None:
    strict = rights(tmp_path, "--set=tenancy=strict")
    lease = "coordination.k8s.io", "leases", ""

    assert strict.allow(Deed("patch", *lease, "flux-system"))
    assert not strict.allow(Deed("patch", *lease, "kube-system"))


def test_who_views_or_edits_a_namespace_does_so_with_flux_kinds(tmp_path: Path) -> None:
    objects = rendered(tmp_path)
    view = objects["ClusterRole", "lockstep-flux-view-flux-system"]
    edit = objects["ClusterRole", "lockstep-flux-edit-flux-system"]
    to = "rbac.authorization.k8s.io/aggregate-to-"

    def aggregated(role: Object) -> set[str]:
        labels = role["metadata"]["labels"]
        return {name.removeprefix(to) for name in labels if name.startswith(to)}

    assert aggregated(view) == {"view", "edit", "admin"}
    assert aggregated(edit) == {"edit", "admin"}
    assert {*view["rules"][0]["apiGroups"]} == {*edit["rules"][0]["apiGroups"]} == FLUX


def test_rights_may_be_left_to_somebody_else(tmp_path: Path) -> None:
    kinds = {kind for kind, _ in rendered(tmp_path, "--set=rbac.create=false")}

    assert not {kind for kind in kinds if "Role" in kind}


def test_the_engine_marks_nothing_where_it_may_have_no_right_to(tmp_path: Path) -> None:
    objects = rendered(tmp_path, "--set=rbac.create=false")

    assert settings_in(objects["Deployment", "lockstep"]).impersonation_mark == ""


def test_policies_are_there_only_if_wanted(tmp_path: Path) -> None:
    assert not {kind for kind, _ in rendered(tmp_path) if kind.startswith("Validating")}


def test_the_mark_is_the_same_wherever_it_is_said(tmp_path: Path) -> None:
    objects = rendered(tmp_path, POLICIES)
    mark = settings_in(objects["Deployment", "lockstep"]).impersonation_mark
    (rule,) = [
        rule
        for rule in objects["ClusterRole", "lockstep-crd-controller-flux-system"]["rules"]
        if rule["resources"] == [f"userextras/{MARK}"]
    ]

    assert mark == "flux-system/lockstep"
    assert rule["resourceNames"] == [mark]
    conditions = conditions_of(objects)
    assert f'"{MARK}" in request.userInfo.extra)' in conditions
    assert '"system:serviceaccounts:flux-system" in request.userInfo.groups)' in conditions


def test_names_in_the_values_stay_texts_in_the_policy(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(
        """
admissionPolicies:
  enabled: true
  breakGlass: {groups: ["a\\"b", "it's"], users: ["x || true"]}
  controllers: {users: ["cert & manager"]}
"""
    )
    objects = rendered(tmp_path, f"--values={values}")

    conditions = conditions_of(objects)
    assert '["x || true"]' in conditions
    assert '["a\\"b","it\'s"]' in conditions
    assert "cert" in conditions


def test_a_policy_can_begin_by_telling_only(tmp_path: Path) -> None:
    objects = rendered(tmp_path, POLICIES, "--set=admissionPolicies.actions={Warn,Audit}")
    binding = objects["ValidatingAdmissionPolicyBinding", "lockstep-owned-objects-flux-system"]

    assert binding["spec"]["validationActions"] == ["Warn", "Audit"]


def conditions_of(objects: Mapping[tuple[str, str], Object]) -> str:
    """What is asked before anybody is stopped."""
    policy = objects["ValidatingAdmissionPolicy", "lockstep-owned-objects-flux-system"]
    return "\n".join(each["expression"] for each in policy["spec"]["matchConditions"])
