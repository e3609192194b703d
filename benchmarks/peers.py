"""Other common ways to load such a file. It runs in a Python with peers.txt, without our package.

`python peers.py NAME` reads an object's CSV, drops the duplicates, loads the rows into the table
`peer`, and prints how many seconds that took. The environment names the object and the database.
"""

import os
import sys
import time
from collections.abc import Callable
from io import BytesIO

import boto3

_COLUMNS = (
    *("partition_day", "line", "uniq_id", "date_time", "city_id", "city_name", "customer_id"),
    *("first_name", "last_name", "item_id", "item_name", "quantity", "payment_amount", "status"),
)


def main() -> None:
    """Import the named peer, then run it and print the seconds."""
    load = {"to_sql": to_sql, "execute_values": execute_values, "dlt": dlt_arrow}[sys.argv[1]]()
    began = time.perf_counter()
    load()
    sys.stdout.write(f"{time.perf_counter() - began}\n")


def to_sql() -> Callable[[], None]:
    """Return a function that loads with pandas' `to_sql`."""
    import sqlalchemy

    url = os.environ["PEER_URL"].replace("postgresql://", "postgresql+psycopg2://")
    engine = sqlalchemy.create_engine(url)
    read = _read_with_pandas()
    return lambda: read().to_sql("peer", engine, if_exists="append", index=False)


def execute_values() -> Callable[[], None]:
    """Return a function that loads with pandas and psycopg2, as the old pipeline did."""
    import psycopg2
    from psycopg2.extras import execute_values as execute

    read = _read_with_pandas()

    def load() -> None:
        rows = list(read().itertuples(index=False, name=None))
        connection = psycopg2.connect(os.environ["PEER_URL"])
        with connection, connection.cursor() as cursor:
            execute(cursor, f"INSERT INTO peer ({', '.join(_COLUMNS)}) VALUES %s", rows)  # noqa: S608  # ours
        connection.close()

    return load


def dlt_arrow() -> Callable[[], None]:
    """Return a function that loads an Arrow table with dlt, which replaces its own table."""
    import dlt
    from pyarrow import csv

    pipeline = dlt.pipeline(
        "peer",
        destination=dlt.destinations.postgres(os.environ["PEER_URL"]),
        dataset_name="peer_of_dlt",
        pipelines_dir=os.environ["PEER_FOLDER"],
    )

    def load() -> None:
        table = csv.read_csv(BytesIO(_body()))
        contents = [name for name in table.column_names if name != "id"]
        orders = table.group_by(contents, use_threads=False).aggregate([("id", "min")])
        pipeline.run(orders, table_name="user_order_log", write_disposition="replace")

    return load


def _read_with_pandas() -> Callable[[], "object"]:
    import pandas as pd

    def read() -> pd.DataFrame:
        rows = pd.read_csv(BytesIO(_body()), parse_dates=["date_time"])
        rows["line"] = rows.index + 2
        contents = [name for name in rows.columns if name not in {"id", "line"}]
        rows = rows.drop_duplicates(contents)
        rows["partition_day"] = rows["date_time"].dt.date
        return rows[list(_COLUMNS)]

    return read


def _body() -> bytes:
    store = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL_S3"])
    found = store.get_object(Bucket=os.environ["PEER_BUCKET"], Key=os.environ["PEER_KEY"])
    return found["Body"].read()


if __name__ == "__main__":
    main()
