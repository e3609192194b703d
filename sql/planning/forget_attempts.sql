-- Deletes the attempts of a run that succeeded without loading anything.
--
-- Parameters: feed (text), run_id (text).
-- Safe to run twice: the second time there is nothing to delete.
DELETE FROM etl.attempt
WHERE feed = %(feed)s AND run_id = %(run_id)s AND outcome IS NULL
