"""The consent service's rules, without network and database."""
