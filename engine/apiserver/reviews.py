"""Questions about access and identity: everybody may do everything here.

Source: authorization.k8s.io/v1, authentication.k8s.io/v1.
"""

from typing import Any

_RULES = {
    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    "incomplete": False,
}
ADMIN = {"username": "system:admin", "groups": ["system:masters", "system:authenticated"]}


def reviewed(plural: str, obj: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
    """The review with its answer as status."""
    metadata = {**(obj.get("metadata") or {}), "creationTimestamp": None}
    return {**obj, "metadata": metadata, "status": _status(plural, obj, user)}


def _status(plural: str, obj: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
    if plural == "selfsubjectrulesreviews":
        return dict(_RULES)
    if plural == "selfsubjectreviews":
        return {"userInfo": user}
    if plural == "tokenreviews":
        token = (obj.get("spec") or {}).get("token")
        return {"authenticated": bool(token), "user": ADMIN if token else {}}
    return {"allowed": True}


def user_of(headers: Any) -> dict[str, Any]:
    """Who asks: the impersonated user if there is one, else the administrator."""
    name = headers.get("Impersonate-User")
    if not name:
        return dict(ADMIN)
    groups = headers.getall("Impersonate-Group", [])
    return {"username": name, "groups": [*groups, "system:authenticated"]}
