"""How a federation is run: on a laptop, in a container, on Kubernetes."""
