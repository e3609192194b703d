-- Completes the open attempts of a run.
--
-- A day that the mart's transaction has completed stays loaded, even if the run fails later.
-- Parameters: feed (text), run_id (text), outcome (text), error (text, null for a success).
-- Safe to run twice: complete attempts stay as they are.
UPDATE etl.attempt
SET
    outcome = %(outcome)s,
    error = %(error)s,
    ended_at = clock_timestamp()
WHERE feed = %(feed)s AND run_id = %(run_id)s AND outcome IS NULL
