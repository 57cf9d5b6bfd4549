"""Questions about access and identity: everybody may do everything here.

Source: authorization.k8s.io/v1, authentication.k8s.io/v1.
"""

from typing import Any

from engine.apiserver.operations.tokens import AUDIENCE, Tokens

_RULES = {
    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    "incomplete": False,
}


def reviewed(
    plural: str, obj: dict[str, Any], user: dict[str, Any], tokens: Tokens
) -> dict[str, Any]:
    """The review with its answer as status; user: the userInfo of who asks."""
    metadata = {**(obj.get("metadata") or {}), "creationTimestamp": None}
    return {**obj, "metadata": metadata, "status": _status(plural, obj, user, tokens)}


def _status(
    plural: str, obj: dict[str, Any], user: dict[str, Any], tokens: Tokens
) -> dict[str, Any]:
    if plural == "selfsubjectrulesreviews":
        return dict(_RULES)
    if plural == "selfsubjectreviews":
        return {"userInfo": user}
    if plural == "tokenreviews":
        spec = obj.get("spec") or {}
        audiences = spec.get("audiences") or [AUDIENCE]
        holder = tokens.holder(str(spec.get("token") or ""), audiences)
        if holder is None:
            return {"authenticated": False, "user": {}}
        return {"authenticated": True, "user": holder, "audiences": audiences}
    return {"allowed": True}


def acting_as(user: dict[str, Any], headers: Any) -> dict[str, Any]:
    """The impersonated user if there is one, else `user` itself."""
    name = headers.get("Impersonate-User")
    if not name:
        return user
    groups = headers.getall("Impersonate-Group", [])
    return {"username": name, "groups": [*groups, "system:authenticated"]}
