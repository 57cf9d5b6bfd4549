"""Options for the signature that an artifact of a registry must have.

Source: flux2 cmd/flux/create_source_oci.go, create_source_chart.go.
"""

from collections.abc import Callable, Mapping
from typing import Any

import click


def with_verification(function: Callable[..., Any]) -> Callable[..., Any]:
    """The command function with the options that `verification` reads."""
    for option in (
        click.option("--verify-issuer", default="", help="Who vouches for the signer: a regex."),
        click.option("--verify-subject", default="", help="Who must have signed: a regex."),
        click.option("--verify-secret-ref", default="", help="Secret with public keys."),
        click.option(
            "--verify-provider", type=click.Choice(["cosign"]), help="How signatures are checked."
        ),
    ):
        function = option(function)
    return function


def verification(given: Mapping[str, Any]) -> dict[str, Any]:
    """`spec.verify`, empty if none is asked for.  Raises click.UsageError."""
    who = {"issuer": given["verify_issuer"], "subject": given["verify_subject"]}  # both required
    if given["verify_provider"]:
        return {
            "provider": given["verify_provider"],
            "secretRef": {"name": given["verify_secret_ref"]},
            "matchOIDCIdentity": [who] if any(who.values()) else [],
        }
    if given["verify_secret_ref"] or any(who.values()):
        raise click.UsageError(
            "--verify-secret-ref, --verify-subject and --verify-issuer need "
            "--verify-provider cosign"
        )
    return {}
