"""Databases of old pipelines of two kinds, in real PostgreSQL.

Names are cut, ids are serial, dates are epoch seconds or numbers such as 20240226, duplicates are
counted, and staging has the rows of the last load.
"""

from collections.abc import Mapping
from datetime import date
from hashlib import md5
from typing import Literal

import psycopg

from etl_assets.source.feeds import KNOWN_COLUMNS
from etl_assets_tests.properties.oracle import Delivery
from etl_assets_tests.support.files import ORDER, csv_file, without
from etl_assets_tests.support.pipeline import Row

Kind = Literal["grouped", "doubled"]
"""Facts are sums by customer and item, or there is a fact for each raw row, with a status."""

_TABLES = """
    CREATE SCHEMA staging;
    CREATE SCHEMA mart;
    CREATE TABLE mart.d_calendar (date_id integer PRIMARY KEY, date_actual date);
    CREATE TABLE mart.d_city (
        id serial PRIMARY KEY, city_id integer, city_name varchar(50)
    );
    CREATE TABLE mart.d_customer (
        id serial PRIMARY KEY, customer_id integer NOT NULL,
        first_name varchar(15), last_name varchar(15), city_id integer
    );
    CREATE TABLE mart.d_item (
        id serial PRIMARY KEY, item_id integer NOT NULL, item_name varchar(50)
    );
    CREATE TABLE mart.f_sales (
        id serial PRIMARY KEY, date_id integer NOT NULL, item_id integer NOT NULL,
        customer_id integer NOT NULL, city_id integer NOT NULL,
        quantity bigint, payment_amount numeric(10, 2)
    );
    CREATE TABLE staging.user_order_log (
        id serial PRIMARY KEY, date_time timestamp NOT NULL,
        city_id integer NOT NULL, city_name varchar(100), customer_id integer NOT NULL,
        first_name varchar(100), last_name varchar(100), item_id integer NOT NULL,
        item_name varchar(100), quantity bigint, payment_amount numeric(10, 2)
    );
"""

_MORE_TABLES: dict[Kind, str] = {
    "grouped": """
        ALTER TABLE staging.user_order_log
            ADD status varchar(20) DEFAULT 'shipped',
            ADD sign integer GENERATED ALWAYS AS
                (CASE status WHEN 'refunded' THEN -1 ELSE 1 END) STORED;
        CREATE VIEW mart.f_customer_retention AS
        WITH customer AS (
            SELECT
                date_trunc('week', to_timestamp(date_id))::date AS period_id,
                customer_id, count(*) AS facts, sum(payment_amount) AS revenue
            FROM mart.f_sales
            GROUP BY 1, 2
        ),
        refund AS (
            SELECT
                date_trunc('week', to_timestamp(date_id))::date AS period_id,
                count(DISTINCT customer_id) AS customers, count(*) AS refunds
            FROM mart.f_sales
            WHERE payment_amount < 0
            GROUP BY 1
        )
        SELECT
            'weekly' AS period_name, week.period_id,
            count(DISTINCT one.customer_id) AS new_customers_count,
            sum(one.revenue) AS new_customers_revenue,
            count(DISTINCT more.customer_id) AS returning_customers_count,
            sum(more.revenue) AS returning_customers_revenue,
            max(refund.customers) AS refunded_customer_count,
            max(refund.refunds) AS customers_refunded
        FROM (SELECT DISTINCT period_id FROM customer) AS week
        LEFT JOIN customer AS one ON one.period_id = week.period_id AND one.facts = 1
        LEFT JOIN customer AS more ON more.period_id = week.period_id AND more.facts > 1
        LEFT JOIN refund ON refund.period_id = week.period_id
        GROUP BY week.period_id;
    """,
    "doubled": """
        ALTER TABLE staging.user_order_log ADD uniq_id varchar(32), ADD status varchar(20);
        ALTER TABLE mart.f_sales ADD status varchar(20);
    """,
}

_DIMENSIONS = """
    INSERT INTO mart.d_city (city_id, city_name)
    SELECT city_id, max(city_name) FROM staging.user_order_log
    WHERE city_id NOT IN (SELECT city_id FROM mart.d_city) GROUP BY city_id;
    INSERT INTO mart.d_customer (customer_id, first_name, last_name, city_id)
    SELECT customer_id, left(max(first_name), 15), left(max(last_name), 15), max(city_id)
    FROM staging.user_order_log
    WHERE customer_id NOT IN (SELECT customer_id FROM mart.d_customer) GROUP BY customer_id;
    INSERT INTO mart.d_item (item_id, item_name)
    SELECT item_id, max(item_name) FROM staging.user_order_log
    WHERE item_id NOT IN (SELECT item_id FROM mart.d_item) GROUP BY item_id;
"""

_FACTS: dict[Kind, str] = {
    "grouped": """
        INSERT INTO mart.d_calendar
        SELECT DISTINCT extract(epoch FROM date_time)::integer, date_time::date
        FROM staging.user_order_log;
        INSERT INTO mart.f_sales (
            date_id, item_id, customer_id, city_id, quantity, payment_amount
        )
        SELECT
            extract(epoch FROM date_time)::integer, item_id, customer_id, max(city_id),
            sum(quantity * sign), sum(payment_amount * sign)
        FROM staging.user_order_log
        GROUP BY date_time, item_id, customer_id
        ORDER BY min(id);
    """,
    "doubled": """
        INSERT INTO mart.d_calendar
        SELECT DISTINCT to_char(date_time, 'YYYYMMDD')::integer, date_time::date
        FROM staging.user_order_log;
        INSERT INTO mart.f_sales (
            date_id, item_id, customer_id, city_id, quantity, payment_amount, status
        )
        SELECT
            to_char(date_time, 'YYYYMMDD')::integer, item_id, customer_id, city_id, quantity,
            CASE status WHEN 'refunded' THEN -payment_amount ELSE payment_amount END, status
        FROM staging.user_order_log
        ORDER BY id;
    """,
}


class OldPipeline:
    """An old pipeline and its database."""

    def __init__(self, url: str, kind: Kind) -> None:
        self.url = url
        self._kind: Kind = kind
        self.query(_TABLES)
        self.query(_MORE_TABLES[kind])

    def load(self, *rows: Mapping[str, str]) -> None:
        """Load the raw rows of a file, duplicates included, like the old DAG."""
        self.query("TRUNCATE staging.user_order_log RESTART IDENTITY")
        columns = [name for name in KNOWN_COLUMNS if name != "uniq_id" or self._kind == "doubled"]
        copying = f"COPY staging.user_order_log ({', '.join(columns)}) FROM STDIN"
        with (
            psycopg.connect(self.url) as connection,
            connection.cursor() as cursor,
            cursor.copy(copying.encode()) as copy,
        ):
            for row in rows:
                values = {**ORDER, **row}
                copy.write_row([values[name] for name in columns])
        self.query(_DIMENSIONS)
        self.query(_FACTS[self._kind])

    def refer_by_serial_ids(self, *, with_foreign_keys: bool) -> None:
        """Make the facts refer to the dimensions' own ids instead of the source's."""
        for dimension in ("item", "city", "customer"):
            self.query(
                f"UPDATE mart.f_sales SET {dimension}_id = member.id FROM mart.d_{dimension} member"
                f" WHERE f_sales.{dimension}_id = member.{dimension}_id"
            )
            if with_foreign_keys:
                self.query(
                    f"ALTER TABLE mart.f_sales ADD FOREIGN KEY ({dimension}_id)"
                    f" REFERENCES mart.d_{dimension} (id)"
                )

    def query(self, sql: str, *parameters: object) -> list[Row]:
        """Return the rows of a query, or [] for a statement without rows."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(sql.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def contents(self) -> list[list[Row]]:
        """Return all rows of the database."""
        tables = ("mart.f_sales", "mart.d_item", "mart.d_city", "mart.d_customer")
        return [self.query(f"TABLE {table}") for table in (*tables, "staging.user_order_log")]


def fact(day: date, **values: object) -> dict[str, str]:
    """Return a row for `adopted`: the order that is made from an old fact of the day."""
    row = ORDER | {"date_time": f"{day}T00:00:00"} | {k: str(v) for k, v in values.items()}
    key = ("date_time", "item_id", "customer_id", "city_id", "quantity", "payment_amount", "status")
    contents = ",".join(row[name] + (".000000" if name == "date_time" else "") for name in key)
    return row | {"uniq_id": "adopted-" + md5(contents.encode()).hexdigest()}


def adopted(
    day: date, *rows: Mapping[str, str], columns: tuple[str, ...] = without("id")
) -> Delivery:
    """Return the delivery of an adopted day, as if it were an object of the source."""
    return Delivery(csv_file(*rows, columns=columns), day, day)
