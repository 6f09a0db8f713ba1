"""What requests and answers look like: checked at the door, described in OpenAPI with an example each."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from mmreco.service.limits import BATCH, EVENTS, HISTORY, ID, QUERY, WHERE, WIDTH

__all__ = [
    "Answers",
    "Ask",
    "Asked",
    "Event",
    "Events",
    "Explain",
    "Explained",
    "Forgotten",
    "Item",
    "Named",
    "Recommend",
    "Refit",
    "Search",
    "Similar",
    "Taken",
]

Id = Annotated[str, Field(min_length=1, max_length=ID, pattern=r"^[^\x00]+$")]
Ids = Annotated[list[Id], Field(min_length=1, max_length=BATCH)]
K = Annotated[int, Field(ge=1, le=WIDTH, description="Answers a question.")]
Query = Annotated[str, Field(min_length=1, max_length=QUERY)]
Milliseconds = Annotated[int, Field(ge=0, le=253_402_300_799_000)]  # to the end of the year 9999
Value = str | bool | int | Annotated[float, Field(allow_inf_nan=False)] | list[str] | None


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Filters(Strict):
    k: K = 10
    where: Annotated[str, Field(max_length=WHERE)] | None = Field(
        None, description="Which items may be answered, e.g. \"category == 'dress' and price < 300\"."
    )
    allow: Annotated[list[Id], Field(max_length=HISTORY)] | None = Field(None, description="Only these items.")
    refuse: Annotated[list[Id], Field(max_length=HISTORY)] | None = Field(None, description="None of these items.")


class Recommend(_Filters):
    """Known users, or the histories of strangers, oldest item first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"users": ["user-9"], "k": 3}]})
    users: Ids | None = None
    history: Annotated[list[Annotated[list[Id], Field(max_length=HISTORY)]], Field(max_length=BATCH)] | None = None
    exclude_seen: bool | None = Field(None, description="If omitted, unless this shop's customers buy again.")

    @model_validator(mode="after")
    def _one_of_two(self) -> "Recommend":
        if (self.users is None) == (self.history is None):
            raise ValueError("give either users or history")
        return self


class Similar(_Filters):
    """Items to which similar ones are wanted."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": ["sku-17"], "k": 3}]})
    items: Ids
    by: Literal["both", "behaviour", "content"] = "both"


class Search(_Filters):
    """Words to look for; with `users`, one a query, what they like moves the order."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": ["red dress", "红色连衣裙"], "k": 3}]})
    text: Annotated[list[Query], Field(min_length=1, max_length=BATCH)]
    match: Literal["both", "words", "meaning"] = "both"
    users: Ids | None = None


class Explain(Strict):
    """A shopper, or the history of one, and an item."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"user": "user-9", "item": "sku-17"}]})
    user: Id | None = None
    history: Annotated[list[Id], Field(min_length=1, max_length=HISTORY)] | None = None
    item: Id
    language: Literal["en", "zh"] = "en"

    @model_validator(mode="after")
    def _one_of_two(self) -> "Explain":
        if (self.user is None) == (self.history is None):
            raise ValueError("give user or history, one of the two")
        return self


class Ask(Strict):
    """A question that reviews of an item may answer."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"item": "sku-17", "question": "Does it run small?"}]})
    item: Id
    question: Query
    k: Annotated[int, Field(ge=1, le=20)] = 3


class Event(Strict):
    """What a shopper did. Without a time it happened now; times are ISO 8601 with a zone, or ms since 1970 UTC."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"user_id": "user-9", "item_id": "sku-17"}]})
    user_id: Id
    item_id: Id
    event: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]+$")] = "click"
    weight: Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)] = 1.0
    timestamp: Milliseconds | Annotated[AwareDatetime, Field(strict=False)] | None = None

    @model_validator(mode="after")
    def _after_1970(self) -> "Event":
        if isinstance(self.timestamp, datetime) and self.timestamp.timestamp() < 0:
            raise ValueError("timestamp: before 1970")
        return self

    def milliseconds(self, now: int) -> int:
        """When it happened, in ms since 1970 UTC."""
        if isinstance(self.timestamp, datetime):
            return int(self.timestamp.timestamp() * 1000)
        return now if self.timestamp is None else self.timestamp


class Events(Strict):
    """Many events, written together or not at all."""

    events: Annotated[list[Event], Field(min_length=1, max_length=EVENTS)]


class Item(BaseModel):
    """The columns of an item as the catalogue has them. Those that are not given stay as they were."""

    model_config = ConfigDict(
        extra="allow", json_schema_extra={"examples": [{"title": "Red dress", "category": "dress", "price": 129.0}]}
    )
    __pydantic_extra__: dict[
        Annotated[str, Field(max_length=64)],
        Annotated[str, Field(max_length=100_000)]
        | bool
        | Annotated[int, Field(ge=-(2**63), lt=2**63)]
        | Annotated[float, Field(allow_inf_nan=False)]
        | Annotated[list[str], Field(max_length=BATCH)]
        | None,
    ]

    @property
    def columns(self) -> dict[str, Any]:
        """What is given, by column."""
        return dict(self.model_extra or {})


# ---- answers


class Found(BaseModel):
    """An item that answers; scores are larger where better, and comparable inside one question."""

    item_id: str
    score: float
    title: str | None = None


class Named(BaseModel):
    """The items that answer one question, best first; `popular` where nothing is known to go by."""

    question: str
    popular: bool
    items: list[Found]
    variant: str | None = Field(None, description="Of the experiment, where one runs.")


class Answers(BaseModel):
    """One answer a question, all from one state of the shop."""

    answers: list[Named]
    unknown: list[str] = Field(description="Users or items that the shop does not know, or queries nobody understands.")
    notes: list[str]
    generation: str = Field(description="Of the artefact that answered.")


class Carried(BaseModel):
    """An event that carries an answer."""

    item_id: str
    title: str
    event: str
    rank_without: int


class Explained(BaseModel):
    """Why an item is recommended; each reason was measured by leaving it out."""

    item_id: str
    rank: int
    rank_without: int
    decisive: bool
    sentences: list[str]
    events: list[Carried]
    modalities: dict[str, float]
    generation: str


class Quoted(BaseModel):
    """A customer's sentence, personal data left out."""

    text: str
    stars: float | None
    score: float


class Asked(BaseModel):
    """What reviews say to a question; `enough` is false where they do not say."""

    question: str
    enough: bool
    confidence: float
    quotes: list[Quoted]
    generation: str


class Taken(BaseModel):
    """Events that are on the disk; those of unknown items count once the item is there and the service restarts."""

    accepted: int
    sequence: int
    unknown: list[str] = Field(description="Item ids that the shop does not know.")


class Forgotten(BaseModel):
    """How many rows of the store were erased, and whether the artefact's files are written anew already."""

    erased: int
    artefact: bool = Field(description="If false, its files are written as soon as whoever writes them now is done.")


class Refit(BaseModel):
    """Whether one is at work, and what came of the last: both models' NDCG@10 on the newest events, and who serves."""

    running: bool
    last: dict[str, str | int | float | None] | None
