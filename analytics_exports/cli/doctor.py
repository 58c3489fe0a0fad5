"""``doctor``: checks everything an export needs, and reports problems and remedies.

The parts check themselves (``services.health``), so that the doctor and ``GET /status`` never disagree.
"""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum

from analytics_exports.bootstrap.operators import Administration, Project, administration, project
from analytics_exports.cli.checks import check_dbt, check_disk, check_service, check_users
from analytics_exports.domain.errors import ExportError, StorageUnavailable
from analytics_exports.settings import PREFIX, Settings

REMEDIES = {
    "dbt_project": f"Let {PREFIX}DBT_PROJECT name the folder of a dbt project, and install analytics-exports[demo].",
    "manifest": f"Run dbt, and let {PREFIX}DBT_MANIFEST name its manifest.json.",
    "warehouse": f"Run dbt, and let {PREFIX}WAREHOUSE name its DuckDB file.",
    "artifact_store": f"Let {PREFIX}ARTIFACT_STORE name a folder, and run: analytics-exports store prepare",
    "disk": f"Free some space, or let {PREFIX}STATE_DIR name a folder on another disk.",
    "database": f"Start PostgreSQL, or let {PREFIX}DATABASE_URL name one that runs.",
    "users": "Admit somebody: analytics-exports users create NAME; then: analytics-exports tokens create NAME",
    "service": "Look at GET /api/analytics/status and the logs, or stop the program that has the port.",
}


class Severity(StrEnum):
    """A warning does not prevent exports."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """The state of one part: ``problem`` and ``remedy`` are ``None`` when it works."""

    part: str
    problem: str | None
    remedy: str | None
    severity: Severity


def examine(settings: Settings) -> list[Finding]:
    """Check each part, and each model that is marked as a dataset and cannot be one."""
    looked_at = project(settings)
    with ExitStack() as held:
        database = None
        if settings.database_url:  # the embedded one runs only during `serve`
            database = held.enter_context(administration(settings.database_url, timedelta(days=settings.token_days)))
        parts = _parts(settings, looked_at, database)
    return [*parts, *_rejections(looked_at), *_lineage(looked_at)]


def findings_text(findings: list[Finding]) -> str:
    """A line for each part, with its remedy below."""
    lines = []
    for finding in findings:
        lines.append(f"{finding.severity:7}  {finding.part}")
        lines += [f"         {text}" for text in (finding.problem, finding.remedy) if text]
    return "\n".join(lines)


def findings_json(findings: list[Finding]) -> str:
    """The findings as JSON."""
    return json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False)


def _parts(settings: Settings, project: Project, database: Administration | None) -> list[Finding]:
    questions: dict[str, Callable[[], object]] = {
        "manifest": project.catalogue.state,
        "warehouse": project.warehouse.data_as_of,
        "artifact_store": lambda: _check_store(settings, project),
        "disk": lambda: check_disk(settings),
        "database": lambda: _check_database(database),
        "service": lambda: check_service(settings),
    }
    if settings.dbt_project:
        questions = {"dbt_project": lambda: check_dbt(settings), **questions}
    if database is not None and not settings.jwt_issuer:  # otherwise there are no users yet, or the issuer has them
        questions["users"] = lambda: check_users(database.users)
    return [_finding(part, question) for part, question in questions.items()]


def _finding(part: str, question: Callable[[], object]) -> Finding:
    try:
        question()
    except ExportError as problem:
        return Finding(part, str(problem), REMEDIES[part], Severity.PROBLEM)
    return Finding(part, None, None, Severity.OK)


def _rejections(project: Project) -> list[Finding]:
    try:
        rejected = project.catalogue.state().rejected
    except ExportError:
        return []
    remedy = "Change the model or its meta in the dbt project, and run dbt."
    return [Finding(f"dataset {rejection.name}", rejection.reason, remedy, Severity.PROBLEM) for rejection in rejected]


def _lineage(project: Project) -> list[Finding]:
    """What Dagster's asset graph cannot show; exports do not need it."""
    remedy = "Run dbt; the asset graph shows the rest without it."
    return [Finding("asset graph", problem, remedy, Severity.WARNING) for problem in project.lineage_problems()]


def _check_store(settings: Settings, project: Project) -> None:
    """A store in the state folder is created by ``serve``, so its absence is no problem."""
    try:
        project.artifacts.check()
    except StorageUnavailable:
        if settings.artifact_store:
            raise


def _check_database(database: Administration | None) -> None:
    """The database responds; of the embedded one it is sufficient that it could be started."""
    if database is not None:
        database.users.all()
    else:
        from analytics_exports.development.binaries import executables  # its dependencies are in the demo extra

        executables(None)
