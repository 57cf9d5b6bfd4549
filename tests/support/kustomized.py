"""A repository whose kustomizations use every way of naming another file."""

from collections.abc import Mapping

_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: &labels {app: web}}
spec:
  replicas: 1
  selector: {matchLabels: *labels}
  template:
    metadata: {labels: *labels}
    spec:
      containers:
      - name: web
        image: web:1
        env: [{name: A, value: "1"}]
        envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: token}}]
      serviceAccountName: web
"""

_TEXTS: Mapping[str, str] = {
    "overlay/kustomization.yaml": """\
resources: [../base, extra.yaml, list.yaml]
components: [../component]
namespace: shop
namePrefix: p-
nameSuffix: -s
labels: [{pairs: {team: a}, includeSelectors: true}]
commonAnnotations: {note: b}
images: [{name: web, newTag: "2"}]
replicas: [{name: web, count: 3}]
configurations: [config.yaml]
crds: [crds.json]
openapi: {path: openapi.json}
configMapGenerator:
- {name: settings, behavior: merge, files: [settings.ini], envs: [settings.env]}
patches:
- {path: patch.yaml}
- {path: operations.yaml, target: {kind: Deployment}}
replacements: [{path: replacement.yaml}]
transformers: [transformer.yaml]
generators: [generator.yaml]
""",
    "overlay/extra.yaml": """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: example.com/v1
kind: Widget
metadata: {name: one}
spec: {parts: [{id: a, size: 1}], owner: {name: settings}}
""",
    "overlay/list.yaml": """\
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: web}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: plain}, data: {a: b}}
""",
    "overlay/config.yaml": "namePrefix: [{path: metadata/name, kind: Widget}]\n",
    "overlay/crds.json": '{"example.Widget": {"Schema": {"properties": {"kind": {}}}}}',
    "overlay/openapi.json": '{"definitions": {}}',
    "overlay/settings.ini": "a=1\n",
    "overlay/settings.env": "B=2\n",
    "overlay/patch.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, annotations: {patched: "yes"}}
spec: {template: {spec: {containers: [{name: web, image: web:3}]}}}
""",
    "overlay/operations.yaml": "- {op: add, path: /metadata/annotations/operated, value: x}\n",
    "overlay/replacement.yaml": """\
source: {kind: Service, name: web, fieldPath: spec.ports.0}
targets:
- select: {kind: Widget}
  fieldPaths: [spec.port]
  options: {create: true}
""",
    "overlay/transformer.yaml": """\
apiVersion: builtin
kind: AnnotationsTransformer
metadata: {name: t}
annotations: {transformed: "yes"}
fieldSpecs: [{path: metadata/annotations, create: true}]
""",
    "overlay/generator.yaml": """\
apiVersion: builtin
kind: ConfigMapGenerator
metadata: {name: generated}
literals: [a=b]
""",
    "base/kustomization.yaml": """\
resources: [deployment.yaml]
configMapGenerator: [{name: settings, literals: [x=y]}]
secretGenerator: [{name: token, files: [token.txt]}]
""",
    "base/deployment.yaml": _DEPLOYMENT,
    "base/token.txt": "t0k3n",
    "component/kustomization.yaml": """\
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
patches: [{path: scale.yaml}]
""",
    "component/scale.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: side, image: side:1}]}}}
""",
    "plain/one.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {x: '1'}\n",
    "plain/deep/er/two.yml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two}\n",
    "plain/sub/kustomization.yaml": "resources: [three.yaml]\n",
    "plain/sub/three.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: three}\n",
    "unrelated/notes.md": "nothing",
}

FILES: Mapping[str, bytes] = {path: text.encode() for path, text in _TEXTS.items()}
"""`overlay` is a kustomization with all that there is; `plain` a folder without one."""
