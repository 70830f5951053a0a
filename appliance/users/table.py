"""Users in a table (CSV), as spreadsheets write it: the first line names the columns."""

import csv
import io
from collections import Counter
from collections.abc import Collection

from appliance.errors import Invalid


def read(text: str, columns: Collection[str], *, most_lines: int | None = None) -> list[dict[str, str]]:
    """Read lines by the names in the first one, whichever of the usual signs stands between.

    Args:
        text: The table.
        columns: What there may be; ``name`` must be.
        most_lines: So many at once; ``None``: any number.

    Raises:
        Invalid: the first line does not name the columns, there are too many lines, or a user stands in two.
    """
    head = text.lstrip().partition("\n")[0]
    sign = max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text.strip()), delimiter=sign, restval="", restkey="too much")
    named = [name.strip().lower().replace(" ", "_") for name in reader.fieldnames or ()]
    unknown = [name for name in named if name not in columns]
    if "name" not in named or unknown:
        words = f"there is no column {unknown[0]!r}" if unknown else "there is no column name"
        remedy = f"take some of {', '.join(columns)}"
        raise Invalid(f"the first line names the columns, and {words}", field="table", remedy=remedy)
    reader.fieldnames = named
    rows = [{name: (row.get(name) or "").strip() for name in named} for row in reader]
    if most_lines is not None and len(rows) > most_lines:
        raise Invalid(f"{len(rows)} lines are too many at once; {most_lines} is the most", field="table")
    lines = Counter(row["name"].lower() for row in rows)
    if twice := next((name for name, number in lines.items() if number > 1), ""):
        raise Invalid(f"{twice} stands in the table twice", field="table")
    return rows
