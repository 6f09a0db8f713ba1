"""The command that encodes: `mmreco embed`."""

from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer

from mmreco.cli.app import Json, Renamed, Weights, app, print_figures
from mmreco.cli.inputs import columns
from mmreco.errors import DataError

__all__ = ["embed"]


@app.command()
def embed(
    encoder: Annotated[str, typer.Option(help="E.g. timm/resnet50, a text model, or the folder of a saved one.")],
    out: Annotated[Path, typer.Option(help="Store to write, or to go on with.")],
    images: Annotated[Path | None, typer.Option(help="Folder of pictures; ids are the files' names.")] = None,
    texts: Annotated[Path | None, typer.Option(help="Table with a column item_id and the text.")] = None,
    tars: Annotated[list[Path] | None, typer.Option(help="Tar of pictures, read as a stream; may be repeated.")] = None,
    column: Annotated[str, typer.Option(help="The text's column, with --texts.")] = "title",
    weights: Weights = None,
    shard_size: Annotated[int, typer.Option(min=1, help="Vectors a file of the store.")] = 1024,
    batch_size: Annotated[int, typer.Option(min=1, help="Contents encoded at a time.")] = 64,
    dtype: Annotated[str, typer.Option(help="Of the stored numbers: float32, float16 or int8.")] = "float32",
    shard: Annotated[str, typer.Option(help="Part i/n of the catalogue, for n jobs with a store each.")] = "1/1",
    limit: Annotated[int | None, typer.Option(min=1, help="Items at most.")] = None,
    ray: Annotated[int, typer.Option(min=0, help="Ray actors to share the work; 0 does it here.")] = 0,
    rename: Renamed = None,
    as_json: Json = False,
) -> None:
    """Turn pictures or texts into vectors on disk.

    Run again, only what is new or changed is encoded.

    Exit code 3 says that some content was refused; the store lists it with the reason.

    \b
    Example: mmreco embed --images photos/ --encoder torchvision/squeezenet1_0 --weights net.safetensors --out store/
    """
    from mmreco.data.catalogue import Catalogue
    from mmreco.embedding.embed import embed as run
    from mmreco.embedding.embed import embed_stream, folder_pictures
    from mmreco.embedding.partition import part_of, stream_part
    from mmreco.embedding.sources import tar_contents
    from mmreco.encoders.by_name import image_encoder, text_encoder

    if sum(given is not None for given in (images, texts, tars)) != 1:
        raise DataError("embed: give --images or --texts or --tars, one of them")
    if ray and (tars or dtype != "float32"):
        raise DataError("embed: --ray reads --images and --texts, and writes float32; leave --ray out for the rest")
    start = perf_counter()
    contents: list[Any]
    settings: dict[str, Any] = {"store": out, "shard_size": shard_size, "batch_size": batch_size}
    if tars is not None:
        pairs = stream_part(tar_contents(tars), shard, limit=limit)
        done = embed_stream(image_encoder(encoder, weights), pairs, **settings, dtype=dtype, progress=True)
    elif images is not None:
        ids, pictures = folder_pictures(images)
        contents, reader = list(pictures), image_encoder(encoder, weights)
    else:
        names = dict(columns(rename).get("items") or {})
        if column not in ("title", "text"):  # text it is, whatever its cells look like
            column, names["text"] = "text", names.pop(column, column)
        catalogue = Catalogue.read(str(texts), columns=names)
        ids, contents = catalogue.items, catalogue.column(column)
        reader = text_encoder(encoder, contents)
    if tars is None:
        ids, contents = part_of(ids, contents, shard, limit=limit)
        if ray:
            from mmreco.distributed.embedding import embed_on_ray

            done = embed_on_ray(reader, ids, contents, **settings, actors=ray)
        else:
            done = run(reader, ids, contents, **settings, dtype=dtype, progress=True)
    seconds = perf_counter() - start
    refused = done.refused.num_rows
    figures = {
        "rows": len(done.embeddings) + done.refused.num_rows if tars else len(ids),
        "embedded": done.embedded,
        "skipped": done.skipped,
        "refused": refused,
        "seconds": round(seconds, 3),
        "rate": round(done.embedded / max(done.seconds, 1e-9), 2),
    }
    for one in done.refused.slice(0, 10).to_pylist():
        typer.echo(f"refused {one['id']}: {one['reason']}", err=True)
    print_figures(figures, as_json, lambda: f"{out}: {figures}")
    if refused:
        raise typer.Exit(3)
