"""The built-in extensions, each listed here once; they come in as those of third parties do."""

from engine.plugin import Decryptor, Plugin, diagnosis_at, identity_at, notifier_at, receiver_at
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
    diagnoses={
        "installation": diagnosis_at("plugins.checks.installation:diagnose"),
        "failing": diagnosis_at("plugins.checks.failing:diagnose"),
        "unhealthy": diagnosis_at("plugins.checks.unhealthy:diagnose"),
        "stale": diagnosis_at("plugins.checks.stale:diagnose"),
        "contention": diagnosis_at("plugins.checks.contention:diagnose"),
        "claims": diagnosis_at("plugins.checks.claims:diagnose"),
        "undecryptable": diagnosis_at("plugins.checks.undecryptable:diagnose"),
        "drift": diagnosis_at("plugins.checks.drift:diagnose"),
        "orphans": diagnosis_at("plugins.checks.orphans:diagnose"),
        "prune": diagnosis_at("plugins.checks.prune:diagnose"),
        "suspended": diagnosis_at("plugins.checks.suspended:diagnose"),
        "intervals": diagnosis_at("plugins.checks.intervals:diagnose"),
        "load": diagnosis_at("plugins.checks.load:diagnose"),
        "throttling": diagnosis_at("plugins.checks.throttling:diagnose"),
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
    notifiers={
        "generic": notifier_at("plugins.notifiers.generic:notify"),
        "generic-hmac": notifier_at("plugins.notifiers.generic:notify_signed"),
        "slack": notifier_at("plugins.notifiers.slack:notify"),
        "msteams": notifier_at("plugins.notifiers.msteams:notify"),
        "alertmanager": notifier_at("plugins.notifiers.alertmanager:notify"),
        "github": notifier_at("plugins.notifiers.github:notify"),
        "gitlab": notifier_at("plugins.notifiers.gitlab:notify"),
    },
    receivers={
        "generic": receiver_at("plugins.receivers.generic:verify"),
        "generic-hmac": receiver_at("plugins.receivers.generichmac:verify"),
        "github": receiver_at("plugins.receivers.github:verify"),
        "gitlab": receiver_at("plugins.receivers.gitlab:verify"),
        "bitbucket": receiver_at("plugins.receivers.bitbucket:verify"),
        "harbor": receiver_at("plugins.receivers.harbor:verify"),
        "dockerhub": receiver_at("plugins.receivers.dockerhub:verify"),
        "quay": receiver_at("plugins.receivers.quay:verify"),
        "nexus": receiver_at("plugins.receivers.nexus:verify"),
        "acr": receiver_at("plugins.receivers.acr:verify"),
        "cdevents": receiver_at("plugins.receivers.cdevents:verify"),
    },
)
