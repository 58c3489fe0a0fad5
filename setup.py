"""Puts into the wheel what stands at the top of the repository, where people and their tools look for it."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

TOP = Path(__file__).parent
KEPT = ("alembic", "alembic.ini", "dagster.yaml", "workspace.yaml", "demo", "deploy/dagster")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "target", "logs", "dbt_packages", ".user.yml")


class BuildWithProject(build_py):
    """Copies the project's files beside the code; ``analytics_exports.PROJECT`` is where they are."""

    def run(self) -> None:
        """Build as ever, then copy."""
        super().run()
        if self.editable_mode:
            return
        folder = Path(self.build_lib, "analytics_exports", "_project")
        shutil.rmtree(folder, ignore_errors=True)
        for name in KEPT:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (TOP / name).is_dir():
                shutil.copytree(TOP / name, target, ignore=LEFT_OUT)
            else:
                shutil.copy(TOP / name, target)


setup(cmdclass={"build_py": BuildWithProject})
