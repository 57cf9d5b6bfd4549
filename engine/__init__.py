"""Lockstep: bring Kubernetes clusters to the state that Git describes, told by watches.

The stages, in order; data flows one way and each exports one verb and one noun:

    source     fetch     -> Artifact     Git and artifacts of other controllers, as trees of files
    render     render    -> Rendered     kustomize, variables: files to objects, pure
    plan       make_plan -> Plan         desired and live to a list of changes, pure
    apply      apply     -> ChangeSet    server-side apply, prune, wait for health
    status     commit    -> status       conditions, inventory, history, events

Around them: objects (algebra of Kubernetes objects), api (Flux's kinds), sops (encrypted files),
runtime (queue and controller), cluster (the only Kubernetes I/O), reconcile (one story a kind;
start with reconcile/kustomization.py), plugin (the contract of extensions), serve, apiserver, app,
demo and cli.
"""
