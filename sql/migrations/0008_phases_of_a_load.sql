-- depends: 0007_latest_orders_by_month

COMMENT ON COLUMN etl.staged_day.seconds IS
'Seconds spent by phase, side by side: read, drop_copies, parse, copy.';
COMMENT ON COLUMN etl.load.seconds IS
'Seconds spent by phase, the first four side by side: read, drop_copies, parse, copy, mart.';
