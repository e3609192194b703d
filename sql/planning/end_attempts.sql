-- Completes the attempts of a run that are not complete yet.
--
-- A day that the mart's own transaction has completed stays loaded, whatever fails after it.
-- Parameters: feed (text), run_id (text), outcome (text), error (text, null for a success).
-- Safe to run twice: what is complete stays as it is.
UPDATE etl.attempt
SET
    outcome = %(outcome)s,
    error = %(error)s,
    ended_at = clock_timestamp()
WHERE feed = %(feed)s AND run_id = %(run_id)s AND outcome IS NULL
