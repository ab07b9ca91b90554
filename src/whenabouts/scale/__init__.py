"""The same verbs on a cluster: thin adapters to Ray, the only room that imports it."""
