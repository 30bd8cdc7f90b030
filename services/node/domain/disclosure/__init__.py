"""Disclosure control: which cells of a frozen table can be shown without telling of anyone."""
