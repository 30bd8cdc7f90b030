"""Kills a node and cuts its power at random points of its work, and looks at what is left."""
