"""The run launcher that hands runs to Celery's workers. deploy/celery.yaml names it."""

from dagster_celery.launcher import CeleryRunLauncher
from typing_extensions import override


class WorkersRunLauncher(CeleryRunLauncher):
    """The launcher of dagster-celery, except that a run that a person terminates stays ended."""

    @override
    def terminate(self, run_id: str) -> bool:
        """Tell the run's worker to end the run. Return whether the run can be terminated.

        Report the event RUN_CANCELING first, as Dagster's other launchers do. Without it the run
        counts as killed and is run again.
        """
        if run := self._instance.get_run_by_id(run_id):
            self._instance.report_run_canceling(run)
        return super().terminate(run_id)
