"""Files that nobody thought of, drawn by Hypothesis."""

from collections.abc import Mapping

from hypothesis import strategies as st

from etl_assets_tests.staging.reading import WHOLE_NUMBERS
from etl_assets_tests.support.files import COLUMNS, MONDAY, ORDER, TUESDAY, without

odd_texts = st.sampled_from(
    ["", " ", '"', '""', ",", "\n", "\r", "\r\n", "\0", "\ufeff", "a", "NULL", "Ü", "١"]
)
names = st.one_of(
    st.sampled_from(["Ольга", "Петр"]),
    st.lists(odd_texts, max_size=3).map("".join),
    st.text(max_size=3),
)
numbers = st.one_of(
    st.sampled_from(["0", "1", "7", "-0", "007", "+1", "1.0", " 1", "1e3", "9" * 19, "-", "٣"]),
    st.integers(-(2**64), 2**64).map(str),
    st.from_regex(r"-?[0-9]{1,25}", fullmatch=True),
    names,
)
amounts = st.one_of(
    st.sampled_from(["100", "100.0", "100.00", "0", "nan", "1_0"]),
    st.from_regex(r"-?0{0,40}[0-9]{1,14}(\.[0-9]{1,4}0{0,40})?", fullmatch=True),
    numbers,
)
moments = st.one_of(
    st.sampled_from(["2024-02-26", "2024-02-26T00:00:00", "2024-02-27 00:00:00", "0001-01-01"]),
    st.dates(MONDAY, TUESDAY).map(str),
    st.datetimes().map(lambda moment: moment.isoformat(sep=" ")),
    st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9]([T ][012][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,7})?)?",
        fullmatch=True,
    ),
    names,
)
VALUES: Mapping[str, st.SearchStrategy[str]] = {
    "date_time": moments,
    "payment_amount": amounts,
    "status": st.one_of(st.sampled_from(["shipped", "refunded", "lost"]), names),
    "uniq_id": st.one_of(st.sampled_from(["a", "b"]), names),
    **dict.fromkeys(WHOLE_NUMBERS, numbers),
}


@st.composite
def rows(draw: st.DrawFn, columns: tuple[str, ...]) -> str:
    """A line of a file: an order with some values changed, quoted in vain, too few or too many."""
    values = [ORDER.get(column, "x") for column in columns]
    for place in draw(st.lists(st.sampled_from(range(len(columns))), max_size=3)):
        values[place] = draw(VALUES.get(columns[place], names))
    in_vain = draw(st.sampled_from(range(30)))
    quoted = [
        '"' + value.replace('"', '""') + '"'
        if place == in_vain or any(special in value for special in ',"\r\n')
        else value
        for place, value in enumerate(values)
    ]
    cut = draw(st.sampled_from([*[len(quoted)] * 9, 0, 1, 9]))
    surplus = draw(st.sampled_from([""] * 9 + [",", ",,", ",x", ',,"\n,"', ',""', ", "]))
    return ",".join(quoted[:cut]) + surplus


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A well-formed file: columns in any order, rows usual and odd, repeated and empty."""
    columns = draw(
        st.sampled_from([COLUMNS, without("status"), without("uniq_id"), (*COLUMNS, "", "colour")])
    )
    columns = tuple(draw(st.permutations(columns)))
    lines = draw(st.lists(rows(columns) | st.sampled_from(["", ",,", '"",""']), max_size=8))
    repeated = draw(st.lists(st.sampled_from(lines), max_size=2)) if lines else []
    end = draw(st.sampled_from(["\n", "\r\n"]))
    body = end.join([",".join(columns), *lines, *repeated])
    body += draw(st.sampled_from(["", end, end * 2]))
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + body.encode("utf-8", "replace")
