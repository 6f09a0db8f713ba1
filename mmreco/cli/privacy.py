"""Commands for those who answer for shoppers' data: `mmreco pseudonymise | audit`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from mmreco.cli.app import Json, app, print_figures
from mmreco.cli.event_store import event_store
from mmreco.errors import DataError

__all__ = ["audit", "pseudonymise"]


@app.command()
def pseudonymise(
    table: Annotated[Path, typer.Argument(help="A .parquet, .csv, .tsv or .jsonl table: events, reviews or users.")],
    key: Annotated[Path, typer.Option(help="A file with a secret key, 16 bytes or more, e.g. of `openssl rand 32`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .parquet file to write.")],
    column: Annotated[list[str] | None, typer.Option(help="Of ids; user_id if omitted. Repeat.")] = None,
    as_json: Json = False,
) -> None:
    """Replace users' ids in a table by keyed hashes, as `mmreco serve --pseudonymise` makes them.

    \b
    Example: mmreco pseudonymise events.parquet --key users.key -o events-without-ids.parquet
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from mmreco.service.pseudonyms import Pseudonyms
    from mmreco.storage.outputs import OutputFolder
    from mmreco.tables.files import read_table

    names = Pseudonyms.read(key)
    if out.suffix != ".parquet":
        raise DataError(f"{out}: expected a name that ends in .parquet")
    if out.exists() and out.samefile(table):
        raise DataError(f"{out}: the table itself; expected another file, as what is replaced cannot be read again")
    folder = OutputFolder.open(out.parent)
    folder.require_free([out.name])
    columns = column or ["user_id"]
    made = names.table(read_table(table, text=columns), columns)
    raw = pa.BufferOutputStream()
    pq.write_table(made, raw)
    folder.write(out.name, raw.getvalue().to_pybytes())
    print_figures({"rows": made.num_rows, "out": str(out)}, as_json, lambda: f"{out}: {made.num_rows:,} rows")


@app.command()
def audit(
    store: Annotated[str, typer.Argument(help="Where events are kept: a file, or a database's URL.")],
    as_json: Json = False,
) -> None:
    """Who erased, exported or changed what and when, by the name of a key; never of whom.

    \b
    Example: mmreco audit artefact.events.db
    """
    with event_store("audit", store) as opened:
        from mmreco.service.audit import acts

        found = acts(opened)
    lines = [
        f"{datetime.fromtimestamp(one.received / 1000, UTC):%Y-%m-%d %H:%M:%S} {one.who or '-'} {one.action} "
        f"{one.touched}"
        for one in found
    ]
    print_figures({"acts": [one._asdict() for one in found]}, as_json, lambda: "\n".join(lines) or "nothing yet")
