-- Each day's old facts beside ours, by what makes them differ.
--
-- What one customer bought of one item is compared: no two of the source's orders share day,
-- customer, item, city, quantity and amount, and an item has one price. So an amount that is more
-- pieces at the same price is copies counted.
-- Parameters: first, last (date). The table old_sales holds the old facts.
-- Rows: partition_day, cause; rows, quantity and revenue in both (old_…, new_…), and for how many
-- customers and items they differ (…_differ); collapsed (orders more than facts, where there are
-- both), repeated (facts more than orders); by day and cause.
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
        new.refunds,
        coalesce(old.old_rows, 0) AS old_rows,
        coalesce(new.new_rows, 0) AS new_rows,
        coalesce(old.old_quantity, 0) AS old_quantity,
        coalesce(new.new_quantity, 0) AS new_quantity,
        coalesce(old.old_revenue, 0) AS old_revenue,
        coalesce(new.new_revenue, 0) AS new_revenue,
        abs(old.old_revenue) * new.pieces = new.paid * abs(old.old_quantity) AS is_same_price,
        partition_day IN (SELECT latest_load.partition_day FROM etl.latest_load) AS is_held,
        partition_day IN (SELECT old_sales.partition_day FROM old_sales) AS is_in_old,
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

judged AS (
    SELECT
        *,
        CASE
            WHEN NOT is_held THEN 'day_only_old'
            WHEN NOT is_in_old THEN 'day_only_new'
            WHEN new_rows = 0 AND is_rejected THEN 'in_quarantine'
            WHEN new_rows = 0 THEN 'only_old'
            WHEN old_rows = 0 THEN 'only_new'
            WHEN (old_quantity, old_revenue) = (new_quantity, new_revenue) THEN 'same'
            WHEN is_same_price AND refunds = new_rows AND (old_quantity > 0 OR old_revenue > 0)
                THEN 'refunds'
            -- Of shipments and refunds summed up nothing but the price is left.
            WHEN is_same_price AND refunds BETWEEN 1 AND new_rows - 1 THEN 'copies'
            WHEN
                is_same_price
                AND abs(old_revenue) > abs(new_revenue)
                AND sign(old_revenue) = sign(new_revenue)
                THEN 'copies'
            WHEN is_rejected THEN 'in_quarantine'
            ELSE 'other'
        END AS cause
    FROM paired
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
    count(*) FILTER (WHERE old_rows <> new_rows) AS rows_differ,
    count(*) FILTER (WHERE old_quantity <> new_quantity) AS quantity_differ,
    count(*) FILTER (WHERE old_revenue <> new_revenue) AS revenue_differ,
    CASE
        WHEN cause IN ('same', 'copies', 'refunds', 'other')
            THEN sum(greatest(new_rows - old_rows, 0))::bigint
        ELSE 0
    END AS collapsed,
    CASE
        WHEN cause IN ('same', 'copies', 'refunds', 'other')
            THEN sum(greatest(old_rows - new_rows, 0))::bigint
        ELSE 0
    END AS repeated
FROM judged
GROUP BY partition_day, cause
ORDER BY partition_day, cause
