"""How often promotion, the registry and replay are wrong."""
