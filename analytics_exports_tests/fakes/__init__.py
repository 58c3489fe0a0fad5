"""In-memory stand-ins, one for each port."""
