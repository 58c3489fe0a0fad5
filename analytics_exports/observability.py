"""Logging: one line of JSON for each event, on standard error.

Configured once by the entry point of each process. Messages name what happened; they never contain filter values,
tokens, file paths or the texts of exceptions.
"""

import logging
import sys

import structlog


def configure_logging(level: int = logging.INFO) -> None:
    """Send all logging of this process through one JSON renderer."""
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)
