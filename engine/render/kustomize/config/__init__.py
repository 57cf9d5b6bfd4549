"""What kustomization files say, and the fields that kustomize knows by itself."""
