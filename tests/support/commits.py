"""Random commits: objects that come, change, go, move and become another kind.

For laws that hold what is foretold of a commit against what then happens.
"""

from collections.abc import Mapping, Sequence
from json import dumps, loads
from typing import Any, TypeAlias

from hypothesis import strategies as st

from engine.objects.ref import Object
from engine.plan.tolerance import ANNOTATION
from tests.support.fleet import Content, Files

Objects: TypeAlias = st.SearchStrategy[dict[str, Any]]

ELSEWHERE = "elsewhere"  # stands for another namespace that there is
OWN_GROUP = "own-group"  # stands for an API group that is nobody else's
GROUP = "kustomize.toolkit.fluxcd.io"
FORCED = {f"{GROUP}/force": "enabled"}
TOLERATED = ("warn", "ignore")  # drift that is not corrected
MARKS: Sequence[Mapping[str, str]] = (
    {},
    {},
    {"note": "x"},
    {f"{GROUP}/ssa": "IfNotPresent"},
    {f"{GROUP}/ssa": "Merge"},
    {f"{GROUP}/ssa": "Ignore"},
    {f"{GROUP}/reconcile": "disabled"},
    {f"{GROUP}/prune": "disabled"},
    *({ANNOTATION: word} for word in TOLERATED),
)
VALUES = st.dictionaries(st.sampled_from("xyz"), st.sampled_from("123"))
_NAMES = st.sampled_from(["web", "log", "job"])


def obj(api_version: str, kind: str, name: str, **fields: Any) -> dict[str, Any]:
    """One with these fields; `annotations` and `namespace` go into its metadata."""
    names = [name for name in ("annotations", "namespace", "labels") if name in fields]
    places = {name: fields.pop(name) for name in names}
    metadata: dict[str, Any] = {"name": name, **{k: v for k, v in places.items() if v}}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def config_maps(name: str, namespace: str = "") -> Objects:
    """Of the same name with other values and marks."""
    return st.builds(
        lambda data, marks: obj(
            "v1", "ConfigMap", name, data=data, annotations=marks, namespace=namespace
        ),
        VALUES,
        st.sampled_from(MARKS),
    )


def sealed(kind: str, name: str) -> Objects:
    """ConfigMaps or Secrets that may be immutable, and may be made anew."""
    field = "data" if kind == "ConfigMap" else "stringData"
    return st.builds(
        lambda data, immutable, marks: obj(
            "v1", kind, name, **{field: data, "immutable": immutable}, annotations=marks
        ),
        VALUES,
        st.sampled_from([True, True, None, False]),
        st.sampled_from([{}, FORCED, FORCED]),
    )


def things(name: str) -> Objects:
    """One name, three kinds."""
    account = st.just(obj("v1", "ServiceAccount", name))
    return st.one_of(config_maps(name), sealed("Secret", name), account)


def services(name: str) -> Objects:
    """With a list that is merged by two keys."""
    ports = st.lists(
        st.tuples(st.sampled_from([80, 81, 82]), st.sampled_from([None, "TCP", "UDP"])),
        min_size=1,
        unique_by=lambda each: (each[0], each[1] or "TCP"),
    )
    return st.builds(
        lambda each, selector: obj(
            "v1",
            "Service",
            name,
            spec={
                "selector": {"app": selector},
                "ports": [
                    {
                        "name": f"p{port}{(kind or 'tcp').lower()}",
                        "port": port,
                        **({"protocol": kind} if kind else {}),
                    }
                    for port, kind in each
                ],
            },
        ),
        ports,
        st.sampled_from(["web", "log"]),
    )


def containers() -> st.SearchStrategy[list[dict[str, Any]]]:
    """A list merged by name, with lists in it: merged, by two keys, and atomic."""
    env = st.lists(
        st.builds(
            lambda n, v: {"name": n, "value": v}, st.sampled_from("ABC"), st.sampled_from("12")
        ),
        unique_by=lambda each: each["name"],
        max_size=3,
    )
    limits = st.sampled_from([{}, {"cpu": "1"}, {"cpu": 1}, {"cpu": "1000m", "memory": "1Gi"}])
    one = st.builds(
        lambda name, image, env, args, limits: {
            "name": name,
            "image": f"example.invalid/i:{image}",
            **({"env": env} if env else {}),
            **({"args": args} if args else {}),
            **({"resources": {"limits": limits}} if limits else {}),
        },
        _NAMES,
        st.integers(1, 2),
        env,
        st.lists(st.sampled_from("ab"), max_size=2),
        limits,
    )
    return st.lists(one, min_size=1, max_size=3, unique_by=lambda each: each["name"])


def workloads(name: str) -> Objects:
    """Deployments whose selector, which is immutable, seldom changes; some may be made anew."""

    def deployment(
        replicas: int | None, each: list[Any], selector: str, volumes: list[str], marks: Object
    ) -> dict[str, Any]:
        labels = {"app": selector}
        pod = {
            "containers": each,
            **({"volumes": [{"name": v, "emptyDir": {}} for v in volumes]} if volumes else {}),
        }
        spec: dict[str, Any] = {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        }
        if replicas is not None:
            spec["replicas"] = replicas
        return obj("apps/v1", "Deployment", name, spec=spec, annotations=marks)

    return st.builds(
        deployment,
        st.sampled_from([None, 0, 0, 1]),
        containers(),
        st.sampled_from(["web", "web", "web", "log"]),
        st.lists(st.sampled_from("vw"), unique=True),
        st.sampled_from([{}, FORCED]),
    )


def alerts(name: str) -> Objects:
    """A custom resource: its schema's lists are atomic, and it has defaults."""
    source = st.builds(
        lambda kind, n: {"kind": kind, "name": n},
        st.sampled_from(["GitRepository", "Kustomization"]),
        st.sampled_from(["*", "a", "b"]),
    )
    return st.builds(
        lambda sources, severity, words: obj(
            "notification.toolkit.fluxcd.io/v1beta3",
            "Alert",
            name,
            spec={
                "providerRef": {"name": "p"},
                "eventSources": sources,
                **({"eventSeverity": severity} if severity else {}),
                **({"inclusionList": words} if words else {}),
                "suspend": True,
            },
        ),
        st.lists(source, min_size=1, max_size=3),
        st.sampled_from([None, "info", "error"]),
        st.lists(st.sampled_from("ab"), max_size=2),
    )


def roles(name: str) -> Objects:
    """Rules are one atomic list."""
    rule = st.builds(
        lambda verbs, what: {"apiGroups": [""], "resources": what, "verbs": verbs},
        st.lists(st.sampled_from(["get", "list"]), min_size=1, unique=True),
        st.lists(st.sampled_from(["pods", "configmaps"]), min_size=1, unique=True),
    )
    return st.builds(
        lambda rules: obj("rbac.authorization.k8s.io/v1", "Role", name, rules=rules),
        st.lists(rule, max_size=2),
    )


def definitions() -> Objects:
    """One kind, in a group of its own, with more or fewer fields."""
    text = {"type": "string"}

    def definition(names: list[str]) -> dict[str, Any]:
        fields = {"type": "object", "properties": dict.fromkeys(names, text)}
        schema = {"type": "object", "properties": {"spec": fields}}
        served = {"name": "v1", "served": True, "storage": True}
        return obj(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            f"widgets.{OWN_GROUP}",
            spec={
                "group": OWN_GROUP,
                "names": {"kind": "Widget", "plural": "widgets"},
                "scope": "Namespaced",
                "versions": [{**served, "schema": {"openAPIV3Schema": schema}}],
            },
        )

    return st.sampled_from([["x"], ["x", "y"], ["x", "y"]]).map(definition)


def widgets(name: str) -> Objects:
    """Of that kind; not every definition allows all of them."""
    values = st.dictionaries(st.sampled_from("xxy"), st.sampled_from("12"))
    return values.map(lambda spec: obj(f"{OWN_GROUP}/v1", "Widget", name, spec=spec))


FILES: Mapping[str, Objects] = {
    "app/plain.yaml": config_maps("plain"),
    "app/moved.yaml": config_maps("moved", ELSEWHERE) | config_maps("moved"),
    "app/thing.yaml": things("thing"),
    "app/conf.yaml": sealed("ConfigMap", "conf"),
    "app/login.yaml": sealed("Secret", "login"),
    "app/service.yaml": services("web"),
    "app/workload.yaml": workloads("web"),
    "app/alert.yaml": alerts("drift"),
    "app/role.yaml": roles("reader"),
    "app/widget.yaml": widgets("one"),
}
COMMITS: st.SearchStrategy[Files] = st.fixed_dictionaries(
    {
        **{path: st.none() | each for path, each in FILES.items()},
        "app/definition.yaml": definitions(),  # without it there is nothing to say of its objects
    }
)
"""What the folder `app` holds from now on; see `placed`."""


SPECS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "prune": st.sampled_from([True, True, True, False]),
        "force": st.sampled_from([False, False, True]),
        "ignore": st.sampled_from(
            [None, None, [{"paths": ["/data/x"], "target": {"kind": "ConfigMap"}}]]
        ),
    }
)
"""Fields of the Kustomization."""
EDITS = st.dictionaries(st.sampled_from(["app/plain.yaml", "app/moved.yaml"]), VALUES)
"""What somebody writes by hand into the objects of these files; see `tolerates_edits`."""


def tolerates_edits(file: Content) -> bool:
    """Whether the engine leaves what others write into the object of a file."""
    annotations = file["metadata"].get("annotations") if isinstance(file, Mapping) else None
    return (annotations or {}).get(ANNOTATION) in TOLERATED


def group_of(home: str) -> str:
    """The API group of the objects in that namespace that have one of their own."""
    return f"{home}.example.org"


def placed(files: Files, home: str, elsewhere: str) -> Files:
    """The same with objects in these namespaces, as they are not known when examples are made."""
    names = {ELSEWHERE: elsewhere}
    found: dict[str, Content] = {}
    for path, each in files.items():
        found[path] = each
        if isinstance(each, Mapping):
            each = loads(dumps(each).replace(OWN_GROUP, group_of(home)))
            metadata = each["metadata"]
            namespace = names.get(metadata.get("namespace", ""), home)
            found[path] = {**each, "metadata": {**metadata, "namespace": namespace}}
    return found
