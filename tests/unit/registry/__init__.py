"""The registry's rules, without network and database."""
