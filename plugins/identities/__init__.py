"""Who one is in a cloud: from a service account, a Secret or the pod to a credential that ends."""
