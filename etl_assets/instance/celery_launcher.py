"""Dagster's run launcher where runs go to Celery's workers: deploy/celery.yaml names it."""

from dagster_celery.launcher import CeleryRunLauncher
from typing_extensions import override


class WorkersRunLauncher(CeleryRunLauncher):
    """dagster-celery's; a run that somebody terminates with it is not run again."""

    @override
    def terminate(self, run_id: str) -> bool:
        """Have the run's worker end it; return whether there is such a run.

        Without the event, which every other launcher of Dagster's writes, the run counts as one
        that was killed, and is run again.
        """
        if run := self._instance.get_run_by_id(run_id):
            self._instance.report_run_canceling(run)
        return super().terminate(run_id)
