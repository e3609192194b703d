"""What all commands share: help, wrong use, missing settings, and what they import."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from etl_assets.cli import main
from etl_assets_tests.support.command_line import Etl
from etl_assets_tests.support.files import THURSDAY
from etl_assets_tests.support.pipeline import Pipeline

WAREHOUSE = {"WAREHOUSE_URL"}
SOURCE = {
    "REPORT_API_URL",
    "REPORT_API_KEY",
    "REPORT_API_NICKNAME",
    "REPORT_API_COHORT",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
}
NEEDS = {
    "migrate": WAREHOUSE,
    "backfill": WAREHOUSE | SOURCE,
    "increment": WAREHOUSE | SOURCE,
    "rebuild": WAREHOUSE,
    "status": WAREHOUSE,
    "retention": WAREHOUSE,
    "rejected": WAREHOUSE,
    "adopt": WAREHOUSE | {"OLD_WAREHOUSE_URL"},
    "compare": WAREHOUSE | {"OLD_WAREHOUSE_URL"},
}


def modules_after(arguments: list[str]) -> set[str]:
    """Run a command in a process of its own; return the modules that it has imported."""
    code = """if True:
        import json, sys
        from etl_assets.cli import main

        try:
            main(sys.argv[1:])
        except SystemExit as ended:
            assert ended.code == 0, ended.code
        print(json.dumps(sorted(sys.modules)), file=sys.stderr)
    """
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("command", sorted(main.commands))
def test_help_gives_an_example(etl: Etl, command: str) -> None:
    text = etl(command, "--help").stdout
    assert "Example" in text
    assert f"\n    etl-assets {command}" in text.replace("\n      ", "\n    ")


def test_help_names_each_command_in_one_line_that_is_whole(etl: Etl) -> None:
    listed = etl("--help").stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == sorted(main.commands)
    assert not [line for line in listed if line.endswith("...")]


def test_version(etl: Etl) -> None:
    assert etl("--version").stdout == f"etl-assets, version {version('etl_assets')}\n"


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["backfill", "--nonsense"], ["rejected", "2024-02-30"]]
)
def test_wrong_use_says_how_to_get_help(etl: Etl, arguments: list[str]) -> None:
    result = etl(*arguments, code=2)
    assert "--help" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("command", sorted(NEEDS))
def test_each_missing_setting_is_named_in_a_line(
    etl: Etl, environment: pytest.MonkeyPatch, command: str
) -> None:
    for name in WAREHOUSE | SOURCE:
        environment.delenv(name)
    result = etl(command, code=2)
    lines = result.stderr.splitlines()
    assert {line.split(" is not set: ")[0] for line in lines} == NEEDS[command]
    assert len(lines) == len(NEEDS[command])
    assert result.stdout == ""


@pytest.mark.parametrize("command", sorted(NEEDS.keys() - {"migrate"}))
def test_without_the_schema_it_says_how_to_get_it(
    etl: Etl,
    environment: pytest.MonkeyPatch,
    make_database: Callable[[str], str],
    command: str,
) -> None:
    environment.setenv("WAREHOUSE_URL", make_database("template1"))
    environment.setenv("OLD_WAREHOUSE_URL", make_database("template1"))
    result = etl(command, code=1)
    assert "Run: etl-assets migrate" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("text", ["2024-02-26'; DROP TABLE etl.load; --", "$(touch injected)"])
@pytest.mark.parametrize(
    "arguments",
    [["backfill", "--from"], ["rebuild", "--to"], ["increment", "--until"], ["rejected"]],
    ids=lambda arguments: arguments[0],
)
def test_a_day_that_is_a_command_is_wrong_use(
    etl: Etl, pipeline: Pipeline, arguments: list[str], text: str
) -> None:
    assert f"{text!r} is not a day such as" in etl(*arguments, text, code=2).stderr
    assert pipeline.simulator.calls == []
    assert pipeline.loads() == []
    assert not Path("injected").exists()


def test_a_malformed_setting_is_named_before_anything_starts(
    etl: Etl, pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("WAREHOUSE_URL", "postgresql://etl:hush/hush@host/warehouse")
    environment.setenv("ETL_MAX_REJECTED_SHARE", "some")
    environment.setenv("DAGSTER_HOME", "nowhere")
    result = etl("backfill", code=2)
    assert [line.split()[0] for line in result.stderr.splitlines()] == [
        "WAREHOUSE_URL",
        "ETL_MAX_REJECTED_SHARE",
        "DAGSTER_HOME",
    ]
    assert "hush" not in result.output
    assert pipeline.simulator.calls == []


def test_settings_may_stand_in_a_file(etl: Etl, environment: pytest.MonkeyPatch) -> None:
    environment.delenv("WAREHOUSE_URL")
    Path(".env").write_text("WAREHOUSE_URL=postgresql://etl:hush@127.0.0.1:1/warehouse\n")
    error = etl("retention", code=1).stderr
    assert "could not be reached" in error
    assert "hush" not in error


def test_an_interruption_ends_in_one_line(etl: Etl, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(main.commands, "slow", click.command("slow")(interrupted))
    assert etl("slow", code=130).stderr.strip().startswith("Interrupted. ")


def test_help_imports_nothing_that_takes_its_time() -> None:
    code = "import etl_assets.cli, json, sys; print(json.dumps(sorted(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    slow = {"boto3", "dagster", "polars", "psycopg", "pydantic", "requests", "rich", "tenacity"}
    assert slow & set(json.loads(printed)) == set()


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["status"], ["status", str(THURSDAY)], ["retention"], ["rejected"]],
    ids=" ".join,
)
def test_a_command_that_reads_imports_neither_dagster_nor_what_only_loading_needs(
    arguments: list[str],
) -> None:
    heavy = {"alembic", "boto3", "botocore", "dagster", "numpy", "polars", "sqlalchemy"}
    assert heavy & modules_after(arguments) == set()


@pytest.mark.usefixtures("pipeline")
def test_doctor_imports_dagster_only_where_it_has_an_instance_to_check() -> None:
    heavy = {"alembic", "dagster", "numpy", "polars", "sqlalchemy"}
    assert heavy & modules_after(["doctor"]) == set()


def test_ctrl_c_while_an_object_is_finalized_is_not_lost() -> None:
    code = """if True:
        import os, signal, time
        from etl_assets.cli import main

        class Finalized:
            def __del__(self):
                os.kill(os.getpid(), signal.SIGINT)

        @main.command()
        def finalize():
            Finalized()
            time.sleep(30)

        main(["finalize"])
    """
    done = subprocess.run(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 130
    assert done.stderr.splitlines()[-1].startswith("Interrupted. ")
    assert "Traceback" not in done.stderr
