"""The built-in extensions, each listed here once; they come in as those of third parties do."""

from engine.plugin import Decryptor, Plugin, identity_at
from plugins.checks import decryption, definitions, kubernetes, leases, permissions, unreconciled

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
        "age": Decryptor.at("plugins.decryptors.age:DECRYPTOR"),
        "pgp": Decryptor.at("plugins.decryptors.pgp:DECRYPTOR"),
        "kms": Decryptor.at("plugins.decryptors.awskms:DECRYPTOR"),
        "gcp_kms": Decryptor.at("plugins.decryptors.gcpkms:DECRYPTOR"),
        "azure_kv": Decryptor.at("plugins.decryptors.azurekv:DECRYPTOR"),
        "hc_vault": Decryptor.at("plugins.decryptors.vault:DECRYPTOR"),
    },
    identities={
        "aws": identity_at("plugins.identities.aws:token"),
        "azure": identity_at("plugins.identities.azure:token"),
        "gcp": identity_at("plugins.identities.gcp:token"),
        "generic": identity_at("plugins.identities.generic:token"),
        "github": identity_at("plugins.identities.github:token"),
    },
)
