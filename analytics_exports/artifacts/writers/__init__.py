"""The formats, one module each. A module ``FORMAT`` implements ``artifacts.formats.FileFormat``."""
