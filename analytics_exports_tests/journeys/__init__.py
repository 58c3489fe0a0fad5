"""Real processes, from the outside."""
