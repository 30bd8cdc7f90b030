"""The consent service: carries what families allow, sealed, to the organizations it concerns."""
