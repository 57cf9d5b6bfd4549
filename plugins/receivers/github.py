"""GitHub, and who signs as it does: Gitea, Forgejo, Gogs.

Source: GitHub, "Validating webhook deliveries"; google/go-github ValidatePayload.
"""

from urllib.parse import parse_qs

from engine.hooks import Genuine, Hit, Refused
from engine.hooks.proof import check_signature

_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"


def payload_of(hit: Hit) -> bytes:
    """The JSON of a genuine call: the body, or a field of the form.  Raises Refused."""
    check_signature(hit, "X-Hub-Signature-256", "X-Hub-Signature")
    kind = hit.header("Content-Type").partition(";")[0].strip().lower()
    if kind == _JSON:
        return hit.body
    if kind != _FORM:
        raise Refused(f"its content is neither {_JSON} nor {_FORM}: choose one at the sender")
    try:
        form = parse_qs(hit.body.decode(), max_num_fields=100)
    except ValueError:
        raise Refused("the body is not a form") from None
    return form.get("payload", [""])[0].encode(errors="replace")


def verify(hit: Hit) -> Genuine:
    """Raises Refused unless it is signed."""
    return Genuine(hit.header("X-GitHub-Event"), payload_of(hit))
