"""What the server refuses in an object, in the words of kube-apiserver."""
