"""The routes: each asks one recommender, or writes to the store and has it taken in."""

import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, HTTPException, Path, Response, UploadFile
from starlette.concurrency import run_in_threadpool

from mmreco.data.answer import Answer
from mmreco.explain.explanation import title
from mmreco.service import schemas as of
from mmreco.service.access import Access
from mmreco.service.audit import record
from mmreco.service.events import NewEvent
from mmreco.service.experiments.running import Experiment, Part
from mmreco.service.job_process import JobProcess
from mmreco.service.limits import ID, QUERY, WHERE, WIDTH
from mmreco.service.live_shop import LiveShop
from mmreco.service.measures import Measures
from mmreco.service.recommending import Recommending, answers
from mmreco.service.refitting import refit

__all__ = ["asking", "health", "refitting", "writing"]

Name = Annotated[str, Path(min_length=1, max_length=ID, pattern=r"^[^\x00]+$")]


def asking(shop: LiveShop, measures: Measures, access: Access, experiment: Experiment | None = None) -> APIRouter:
    """The routes that ask; users are answered by their variant of the experiment, if there is one."""
    router = APIRouter(prefix="/v1", dependencies=[Depends(access.needs("ask"))], tags=["ask"])

    def answered(answer: Answer, generation: str, called: Mapping[str, str] | None = None) -> of.Answers:
        measures.count(answer)
        return answers(answer, generation, called=called or {})

    def inside(users: Sequence[str] | None) -> tuple[list[str] | None, dict[str, str]]:
        """What users are called inside, and back: nobody hears of a pseudonym."""
        if users is None:
            return None, {}
        names = [shop.known_as(user) for user in users]
        return names, dict(zip(names, users, strict=True))

    together = Recommending(shop, measures)

    def alone(body: of.Recommend) -> of.Answers:
        now = shop.serving
        options = body.model_dump(include={"users", "history", "k", "where", "allow", "refuse", "exclude_seen"})
        options["users"], called = inside(body.users)
        if experiment is not None and body.users is not None:
            return _joined(experiment.recommend(**options), measures, called)
        return answered(now.recommender.recommend(**options), now.generation, called)

    @router.post("/recommend", response_model=of.Answers)
    async def recommend(body: of.Recommend) -> Response:
        """What each shopper wants next."""
        if together.small(body) and (experiment is None or body.users is None):
            return Response(await together.ask(body), media_type="application/json")
        found = await run_in_threadpool(alone, body)
        return Response(found.model_dump_json(), media_type="application/json")

    @router.post("/similar")
    def similar(body: of.Similar) -> of.Answers:
        """The items most like each of these."""
        now = shop.serving
        options = body.model_dump(exclude={"items"})
        return answered(now.recommender.similar(body.items, **options), now.generation)

    @router.post("/search")
    def search(body: of.Search) -> of.Answers:
        """The items that match these words."""
        now = shop.serving
        options = body.model_dump()
        options["users"], called = inside(body.users)
        return answered(now.recommender.search(**options), now.generation, called)

    @router.post("/search/picture")
    def search_picture(
        picture: UploadFile,
        text: Annotated[str | None, Form(min_length=1, max_length=QUERY)] = None,
        k: Annotated[int, Form(ge=1, le=WIDTH)] = 10,
        where: Annotated[str | None, Form(max_length=WHERE)] = None,
    ) -> of.Answers:
        """The items that look like this picture, an uploaded file, and match the words if there are any."""
        now = shop.serving
        words = None if text is None else [text]
        answer = now.recommender.search(text=words, image=[picture.file.read()], k=k, where=where)
        return answered(answer, now.generation)

    @router.post("/explain")
    def explain(body: of.Explain) -> of.Explained:
        """Why this item is recommended to this shopper."""
        now = shop.serving
        user = None if body.user is None else shop.known_as(body.user)
        why = now.recommender.explain(user, body.item, history=body.history)
        items = why.catalogue.items
        events = [
            of.Carried(
                item_id=items.ids([one.row])[0],
                title=title(why.catalogue, one.row),
                event=one.event,
                rank_without=one.rank_without,
            )
            for one in why.events
        ]
        return of.Explained(
            item_id=body.item,
            rank=why.rank,
            rank_without=why.rank_without,
            decisive=why.decisive,
            sentences=why.sentences(body.language),
            events=events,
            modalities=dict(why.modalities),
            generation=now.generation,
        )

    @router.post("/ask")
    def ask(body: of.Ask) -> of.Asked:
        """What customers' reviews say to a question on an item."""
        now = shop.serving
        said = now.recommender.ask(body.item, body.question, k=body.k)
        quotes = [of.Quoted(text=one.text, stars=one.stars, score=one.score) for one in said.quotes]
        return of.Asked(
            question=said.question,
            enough=said.enough,
            confidence=said.confidence,
            quotes=quotes,
            generation=now.generation,
        )

    return router


def writing(shop: LiveShop, measures: Measures, access: Access) -> APIRouter:
    """The routes that write and erase. What they acknowledge is on the disk, and in the next answer."""
    router = APIRouter(prefix="/v1")
    may_write = Depends(access.needs("write"))
    writer, eraser = access.needs("write"), access.needs("erase")

    @router.post("/events", dependencies=[may_write], tags=["write"])
    def observe(body: of.Event | of.Events) -> of.Taken:
        """Take in what shoppers did, one event or many."""
        events = body.events if isinstance(body, of.Events) else [body]
        now = int(time.time() * 1000)
        new = [NewEvent(shop.known_as(e.user_id), e.item_id, e.event, e.weight, e.milliseconds(now)) for e in events]
        sequence = shop.observe(new)
        measures.events.inc(len(new))
        items = list(dict.fromkeys(event.item_id for event in new))
        rows = shop.serving.recommender.catalogue.items.rows(items, missing="mark")
        unknown = [item for item, row in zip(items, rows, strict=True) if row < 0]
        return of.Taken(accepted=len(new), sequence=sequence, unknown=unknown)

    @router.put("/items/{item_id:path}", tags=["write"])
    def put_item(
        item_id: Name, body: of.Item, response: Response, who: Annotated[str, Depends(writer)]
    ) -> dict[Literal["new"], bool]:
        """Add an item, or change columns of one; 201 where it is new."""
        new = shop.put_item(item_id, body.columns)
        record(shop.store, who, "put item", 1)
        response.status_code = 201 if new else 200
        return {"new": new}

    @router.delete("/items/{item_id:path}", tags=["write"], status_code=204)
    def remove_item(item_id: Name, who: Annotated[str, Depends(writer)]) -> None:
        """Answer this item no more."""
        if not shop.remove_item(item_id):
            raise HTTPException(404, f"no item {item_id!r}")
        record(shop.store, who, "remove item", 1)

    @router.delete("/users/{user_id:path}", tags=["erase"])
    def forget(user_id: Name, who: Annotated[str, Depends(eraser)]) -> of.Forgotten:
        """Erase a user from the store, from what answers and from the artefact's files.

        A model in closed form, and `SharedSpace`, is fitted again without them; what another learnt of them stays until
        it is trained from scratch. Waits two seconds for the artefact's files; `artefact` says whether they are done.
        """
        erased = shop.forget(shop.known_as(user_id))
        record(shop.store, who, "forget", erased)
        return of.Forgotten(erased=erased, artefact=shop.is_clean)

    return router


def refitting(shop: LiveShop, process: JobProcess, access: Access) -> APIRouter:
    """The routes that have the artefact trained on what came in."""
    router = APIRouter(prefix="/v1", dependencies=[Depends(access.needs("write"))], tags=["write"])

    @router.post("/refit", status_code=202)
    def start_refit() -> of.Refit:
        """Train on what came in, in a process of its own; the result takes over if it is no worse. See GET."""
        if not process.start(refit):
            raise HTTPException(409, "a refit is at work already")
        return of.Refit(running=True, last=shop.last_refit)

    @router.get("/refit")
    def last_refit() -> of.Refit:
        """Whether this process has a refit at work, and the figures of the last one that came to an end."""
        return of.Refit(running=process.running, last=shop.last_refit)

    return router


def health(shop: LiveShop, measures: Measures, access: Access) -> APIRouter:
    """The routes that watch over the service."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    def alive() -> dict[str, str]:
        """Whether the process answers at all."""
        return {"status": "alive"}

    @router.get("/readyz")
    def ready() -> dict[str, str | int]:
        """Whether an artefact is loaded and the event store can be read."""
        return {"status": "ready", "generation": shop.serving.generation, "sequence": shop.store.newest()}

    @router.get("/metrics", dependencies=[Depends(access.needs("ask"))])
    def metrics() -> Response:
        """What Prometheus reads."""
        return Response(measures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def _joined(parts: Sequence[Part], measures: Measures, called: Mapping[str, str]) -> of.Answers:
    """The answers of several variants as one, in the order of the questions."""
    named: dict[int, of.Named] = {}
    unknown, notes, generations = [], dict[str, None](), dict[str, None]()
    for part in parts:
        measures.count(part.answer)
        own = answers(part.answer, part.generation, part.variant, called)
        named.update(zip(part.places, own.answers, strict=True))
        unknown += own.unknown
        notes.update(dict.fromkeys(own.notes))
        generations[own.generation] = None
    return of.Answers(
        answers=[named[place] for place in sorted(named)],
        unknown=unknown,
        notes=list(notes),
        generation=",".join(generations),
    )
