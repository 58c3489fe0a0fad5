"""The tests, by speed and purpose: unit, ports, integration, journeys, conventions."""
