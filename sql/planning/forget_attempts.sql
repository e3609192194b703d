-- Removes the attempts of a run that was to load nothing, and has done what it was to do.
--
-- Parameters: feed (text), run_id (text).
-- Safe to run twice.
DELETE FROM etl.attempt
WHERE feed = %(feed)s AND run_id = %(run_id)s AND outcome IS NULL
