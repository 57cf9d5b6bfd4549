"""Where kustomize 5.8.1 does otherwise than kustomize's master, which the engine follows.

docs/kustomize.md says the same to people.  Random fleets hold none of this; a test builds each.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.support.oracle import Case

_SET = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  template: {metadata: {labels: {app: db}}}
  volumeClaimTemplates: [{metadata: {name: data}}]
"""
_POD = (
    "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: %s}]}\n"
)


@dataclass(frozen=True)
class Difference:
    """A repository that shows it; recorded: parts of the ids of the corpus' cases that do."""

    case: Case
    recorded: tuple[str, ...] = ()


def _case(kustomization: str, **files: str) -> Case:
    texts = {"kustomization.yaml": kustomization, **{f"{name}.yaml": files[name] for name in files}}
    return Case({name: text.encode() for name, text in texts.items()})


KNOWN: Mapping[str, Difference] = {
    "labels of volume claims": Difference(
        _case(
            "resources: [a.yaml]\nlabels: [{pairs: {a: b}, includeVolumeClaimTemplates: true}]\n",
            a=_SET,
        ),
        (
            "IncludeVolumeClaimTemplatesTrue",
            "TestKustomizationLabelsInStatefulSetTemplateWithIncludeSelectorsTrue",
        ),
    ),
    "labels of pod templates only": Difference(
        _case("resources: [a.yaml]\nlabels: [{pairs: {a: b}, includeTemplates: true}]\n", a=_SET)
    ),
    "configuration of volume claims' labels": Difference(
        _case(
            "resources: [a.yaml]\nconfigurations: [b.yaml]\n",
            a=_SET,
            b="volumeClaimTemplateLabels: [{path: spec/x, kind: Widget}]\n",
        ),
        (
            "TestCustomConfig",
            "TestFixedBug605_BaseCustomizationAvailableInOverlay",
        ),
    ),
    "parts of structured values": Difference(
        _case(
            "resources: [a.yaml]\n"
            "replacements:\n"
            "- sourceValue: new\n"
            "  targets:\n"
            "  - select: {kind: ConfigMap}\n"
            "    fieldPaths: [data.a.url]\n"
            "    options: {delimiter: /, index: 1}\n",
            a="apiVersion: v1\n"
            "kind: ConfigMap\n"
            "metadata: {name: a}\n"
            'data: {a: \'{"url": "a/b/c"}\'}\n',
        ),
        ("TestValueInlineStructuredData",),
    ),
    "admission policies without a namespace": Difference(
        _case(
            "resources: [a.yaml]\nnamespace: shop\n",
            a="apiVersion: admissionregistration.k8s.io/v1\n"
            "kind: ValidatingAdmissionPolicy\n"
            "metadata: {name: a}\n",
        ),
        ("TestNamespaceNotAddedToValidatingAdmissionPolicies",),
    ),
    "image names that are no patterns": Difference(
        _case("resources: [a.yaml]\nimages: [{name: '[', newTag: x}]\n", a=_POD % "b"),
        ("TestTransfomersImageInvalidNameRegexp",),
    ),
    "image digests of every algorithm": Difference(
        _case("resources: [a.yaml]\nimages: [{name: b, newTag: x}]\n", a=_POD % "b@sha512:ab")
    ),
    "dots inside of a folder's name": Difference(
        Case(
            {
                "kustomization.yaml": b"resources: [a..b]\n",
                "a..b/kustomization.yaml": b"resources: [a.yaml]\n",
                "a..b/a.yaml": (_POD % "b").encode(),
            }
        )
    ),
}
