"""The consent service's rules: who may record and revoke, and in which order changes stand."""
