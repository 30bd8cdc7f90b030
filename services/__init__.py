"""The servers of Homeroom; they run from the source tree and are never published."""
