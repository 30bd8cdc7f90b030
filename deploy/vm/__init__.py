"""An organization's node on one machine, as podman and systemd run it."""
