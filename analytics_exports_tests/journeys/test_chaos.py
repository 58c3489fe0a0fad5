"""A short run of faults at random; ``make chaos`` goes on for as long as you like."""

from analytics_exports_tests.chaos.running import chaos

SEED = 14
FAULTS = 6


def test_exports_survive_what_breaks_the_service() -> None:
    with chaos(SEED) as run:
        run.round(FAULTS, seconds_between=0.5)
        report = run.report(SEED)

    assert report["wrong"] == [], report
    assert sum(report["faults"].values()) == FAULTS
    assert report["files_recomputed"] > 10
