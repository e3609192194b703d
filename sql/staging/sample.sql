-- Returns a few orders of a day, without names of people. They are not the first ones: finding
-- those would sort the day.
--
-- Parameters: day (date).
-- Rows: sample (json: column and value).
SELECT row_to_json(an_order) AS sample
FROM (
    SELECT
        partition_day,
        line,
        uniq_id,
        date_time,
        city_id,
        city_name,
        customer_id,
        item_id,
        item_name,
        quantity,
        payment_amount,
        status
    FROM staging.user_order_log
    WHERE partition_day = %(day)s
    LIMIT 5 -- noqa: AM09
) AS an_order
