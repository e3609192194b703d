-- Compares the old facts of each day with ours, by the cause of the difference.
--
-- It compares the sales of one item to one customer. No two of the source's orders share day,
-- customer, item, city, quantity and amount, and an item has one price. So a larger quantity at the
-- same price means that duplicates were counted.
-- Parameters: first, last (date). The old facts are in the table old_sales.
-- Rows, one per day and cause, in that order: partition_day, cause; rows, quantity and revenue of
-- both (old_…, new_…); the difference that the cause makes (more_…), and how many pairs of customer
-- and item it concerns (…_differ); the difference made by refunds that are counted as sales
-- (unsigned_…); and where both sides have rows, the surplus of orders over facts (collapsed) or of
-- facts over orders (repeated).
WITH
old AS (
    SELECT
        partition_day,
        customer_id,
        item_id,
        count(*) AS old_rows,
        sum(quantity) AS old_quantity,
        sum(payment_amount) AS old_revenue
    FROM old_sales
    GROUP BY partition_day, customer_id, item_id
),

old_day AS (
    SELECT DISTINCT partition_day
    FROM old_sales
),

new AS (
    SELECT
        d_calendar.date_actual AS partition_day,
        f_sales.customer_id,
        f_sales.item_id,
        count(*) AS new_rows,
        sum(f_sales.quantity) AS new_quantity,
        sum(f_sales.payment_amount) AS new_revenue,
        sum(abs(f_sales.quantity)) AS pieces,
        sum(abs(f_sales.payment_amount)) AS paid,
        count(*) FILTER (WHERE f_sales.status = 'refunded') AS refunds
    FROM mart.f_sales
    INNER JOIN mart.d_calendar USING (date_id)
    WHERE d_calendar.date_actual BETWEEN %(first)s AND %(last)s
    GROUP BY d_calendar.date_actual, f_sales.customer_id, f_sales.item_id
),

in_quarantine AS (
    SELECT DISTINCT
        partition_day,
        rejected_row.fields ->> 'customer_id' AS customer_id,
        rejected_row.fields ->> 'item_id' AS item_id
    FROM staging.rejected_row
    INNER JOIN etl.latest_load USING (partition_day, uri, etag)
),

paired AS (
    SELECT
        partition_day,
        coalesce(old.old_rows, 0) AS old_rows,
        coalesce(new.new_rows, 0) AS new_rows,
        coalesce(old.old_quantity, 0) AS old_quantity,
        coalesce(new.new_quantity, 0) AS new_quantity,
        coalesce(old.old_revenue, 0) AS old_revenue,
        coalesce(new.new_revenue, 0) AS new_revenue,
        -- A fact that sums shipments and refunds does not show which part was a refund.
        CASE WHEN new.refunds = new.new_rows THEN greatest(2 * old.old_quantity, 0) ELSE 0 END
            AS unsigned_quantity,
        CASE WHEN new.refunds = new.new_rows THEN greatest(2 * old.old_revenue, 0) ELSE 0 END
            AS unsigned_revenue,
        CASE WHEN new.refunds = new.new_rows AND old.old_revenue > 0 THEN -new.refunds ELSE 0 END
            AS unsigned_refunds,
        new.refunds BETWEEN 1 AND new.new_rows - 1 AS is_mixed,
        abs(old.old_revenue) * new.pieces = new.paid * abs(old.old_quantity) AS is_same_price,
        partition_day IN (SELECT latest_load.partition_day FROM etl.latest_load) AS is_held,
        partition_day IN (SELECT old_day.partition_day FROM old_day) AS is_in_old,
        (partition_day, customer_id::text, item_id::text) IN (
            SELECT
                in_quarantine.partition_day,
                in_quarantine.customer_id,
                in_quarantine.item_id
            FROM in_quarantine
        ) AS is_rejected
    FROM old
    FULL JOIN new USING (partition_day, customer_id, item_id)
),

subtracted AS (
    SELECT
        *,
        CASE WHEN old_rows > 0 AND new_rows > 0 THEN 0 ELSE old_rows - new_rows END AS more_rows,
        old_quantity - unsigned_quantity - new_quantity AS more_quantity,
        old_revenue - unsigned_revenue - new_revenue AS more_revenue,
        CASE WHEN old_rows > 0 THEN greatest(new_rows - old_rows, 0) ELSE 0 END AS collapsed,
        CASE WHEN new_rows > 0 THEN greatest(old_rows - new_rows, 0) ELSE 0 END AS repeated
    FROM paired
),

judged AS (
    SELECT
        *,
        CASE
            WHEN NOT is_held THEN 'day_only_old'
            WHEN NOT is_in_old THEN 'day_only_new'
            WHEN new_rows = 0 AND is_rejected THEN 'in_quarantine'
            WHEN new_rows = 0 THEN 'only_old'
            WHEN old_rows = 0 THEN 'only_new'
            WHEN (more_quantity, more_revenue) = (0, 0) THEN 'same'
            -- A fact that sums shipments and refunds still shows the price, but nothing else.
            WHEN is_same_price AND (is_mixed OR more_revenue * new_revenue > 0) THEN 'duplicates'
            WHEN is_rejected THEN 'in_quarantine'
            ELSE 'other'
        END AS cause
    FROM subtracted
)

SELECT
    partition_day,
    cause,
    sum(old_rows)::bigint AS old_rows,
    sum(new_rows)::bigint AS new_rows,
    sum(old_quantity)::bigint AS old_quantity,
    sum(new_quantity)::bigint AS new_quantity,
    sum(old_revenue) AS old_revenue,
    sum(new_revenue) AS new_revenue,
    sum(more_rows)::bigint AS more_rows,
    sum(more_quantity)::bigint AS more_quantity,
    sum(more_revenue) AS more_revenue,
    count(*) FILTER (WHERE more_rows <> 0) AS rows_differ,
    count(*) FILTER (WHERE more_quantity <> 0) AS quantity_differ,
    count(*) FILTER (WHERE more_revenue <> 0) AS revenue_differ,
    sum(unsigned_quantity)::bigint AS unsigned_quantity,
    sum(unsigned_revenue) AS unsigned_revenue,
    sum(unsigned_refunds)::bigint AS unsigned_refunds,
    sum(collapsed)::bigint AS collapsed,
    sum(repeated)::bigint AS repeated
FROM judged
GROUP BY partition_day, cause
ORDER BY partition_day, cause
