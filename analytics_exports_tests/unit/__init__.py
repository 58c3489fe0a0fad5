"""Rules and use cases on fakes: milliseconds, no database, no process."""
