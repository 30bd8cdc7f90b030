"""A federation of our own manifests as containers, by podman in a Debian of its own."""
