"""Batching: questions that arrive while others are answered are answered together, in one pass over the catalogue.

Nobody waits for company: a question that finds no other at work is answered at once.
"""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from mmreco.errors import MMRecoError

__all__ = ["Batching"]

Question = TypeVar("Question")
Reply = TypeVar("Reply")


class Batching(Generic[Question, Reply]):
    """Puts questions of one kind together.

    Parameters
    ----------
    answer : replies to questions of one kind, as many as there are; called in a thread, one call at a time
        Where it refuses several together (`MMRecoError`), each is asked by itself.
    most : questions together
    """

    def __init__(self, answer: Callable[[Hashable, Sequence[Question]], Sequence[Reply]], *, most: int = 64) -> None:
        self._answer, self._most = answer, most
        self._waiting: dict[Hashable, list[tuple[Question, asyncio.Future[Reply]]]] = {}
        self._working: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mmreco-batch")

    async def ask(self, kind: Hashable, question: Question) -> Reply:
        """The reply to one question.

        Raises
        ------
        MMRecoError
            As `answer`.
        """
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(kind, []).append((question, reply))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await reply

    async def _work(self) -> None:
        while self._waiting:
            kind = next(iter(self._waiting))
            asked = self._waiting.pop(kind)
            if len(asked) > self._most:  # the rest comes after the other kinds
                self._waiting[kind] = asked[self._most :]
            await self._together(kind, asked[: self._most])

    async def _together(self, kind: Hashable, asked: "list[tuple[Question, asyncio.Future[Reply]]]") -> None:
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._answer, kind, [one for one, _ in asked])
        (replies,) = await asyncio.gather(work, return_exceptions=True)
        if isinstance(replies, MMRecoError) and len(asked) > 1:
            for one in asked:
                await self._together(kind, [one])
            return
        for place, (_, reply) in enumerate(asked):
            if reply.done():  # the client has gone
                continue
            if isinstance(replies, BaseException):
                reply.set_exception(replies)
            else:
                reply.set_result(replies[place])
