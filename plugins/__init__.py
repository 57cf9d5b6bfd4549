"""The built-in extensions, each listed here once; they come in as those of third parties do."""

from engine.plugin import Plugin
from plugins.checks import decryption, definitions, kubernetes, leases, permissions, unreconciled
from plugins.decryptors import age, awskms, azurekv, gcpkms, pgp, vault
from plugins.identities import aws, azure, gcp, generic, github

PLUGIN = Plugin(
    "builtin",
    checks={
        "kubernetes": kubernetes.check,
        "definitions": definitions.check,
        "permissions": permissions.check,
        "leases": leases.check,
        "unreconciled": unreconciled.check,
        "decryption": decryption.check,
    },
    decryptors={
        "age": age.DECRYPTOR,
        "pgp": pgp.DECRYPTOR,
        "kms": awskms.DECRYPTOR,
        "gcp_kms": gcpkms.DECRYPTOR,
        "azure_kv": azurekv.DECRYPTOR,
        "hc_vault": vault.DECRYPTOR,
    },
    identities={
        "aws": aws.token,
        "azure": azure.token,
        "gcp": gcp.token,
        "generic": generic.token,
        "github": github.token,
    },
)
