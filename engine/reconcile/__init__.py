"""One story a kind; read kustomization.py first."""
