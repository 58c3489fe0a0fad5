"""Generates ``docs/reference/openapi.json``."""

import json

from analytics_exports.api.app import create_app
from analytics_exports.bootstrap import Application
from analytics_exports.settings import Settings


def document() -> str:
    """The OpenAPI document with the default settings."""
    interface = create_app(Application(Settings(), "reference")).openapi()
    return json.dumps(interface, indent=1, ensure_ascii=False) + "\n"
