"""`lockstep create`: objects of Flux from options: printed as YAML, or applied and waited for.

Source: flux-behaviour section 11; flux2 cmd/flux/create*.go.
"""

from engine.cli.groups import Table, TableGroup
from engine.cli.help import examples

_SOURCES: Table = {
    "git": ("engine.cli.create_source_git", "Make a GitRepository."),
    "oci": ("engine.cli.create_source_oci", "Make an OCIRepository."),
    "helm": ("engine.cli.create_source_helm", "Make a HelmRepository."),
    "chart": ("engine.cli.create_source_chart", "Make a HelmChart."),
    "bucket": ("engine.cli.create_source_bucket", "Make a Bucket."),
}
_SECRETS: Table = {
    "git": ("engine.cli.create_secret_git", "Make the Secret with which a repository is read."),
    "receiver": ("engine.cli.create_secret_receiver", "Make the Secret of a Receiver."),
}
_COMMANDS: Table = {
    "kustomization": ("engine.cli.create_kustomization", "Make a Kustomization."),
    "ks": ("engine.cli.create_kustomization", "The same."),
    "alert": ("engine.cli.create_alert", "Make an Alert."),
    "alert-provider": ("engine.cli.create_provider", "Make a Provider, which alerts go to."),
    "receiver": ("engine.cli.create_receiver", "Make a Receiver, which webhooks call."),
}

command = TableGroup(
    "create",
    _COMMANDS,
    help="Make objects of Flux from options.",
    epilog=examples(
        "lockstep create kustomization apps --source GitRepository/fleet --path ./apps --export",
        "lockstep create source git fleet --url https://git.example.com/fleet --branch main",
        "lockstep create alert drift --provider-ref slack --event-source 'Kustomization/*'",
        "lockstep create receiver github --type github --secret-ref token --resource "
        "GitRepository/fleet",
    ),
)
command.add_command(
    TableGroup(
        "source",
        _SOURCES,
        help="Make sources.",
        epilog=examples(
            "lockstep create source git fleet --url https://git.example.com/fleet "
            "--branch main --export",
            "lockstep create source oci apps --url oci://registry.example.com/apps --tag 1.2.3",
        ),
    )
)
command.add_command(
    TableGroup(
        "secret",
        _SECRETS,
        help="Make the Secrets that sources and receivers name.",
        epilog=examples(
            "lockstep create secret git fleet-auth --url ssh://git@git.example.com/fleet --export"
        ),
    )
)
