-- Records that a report is ready, and what it covers.
--
-- Parameters: task_id, report_id, start_day, end_day, paths.
-- Safe to run twice: ready_at keeps its first value.
UPDATE etl.report
SET
    report_id = %(report_id)s,
    start_day = %(start_day)s,
    end_day = %(end_day)s,
    paths = %(paths)s,
    ready_at = coalesce(ready_at, now())
WHERE task_id = %(task_id)s
