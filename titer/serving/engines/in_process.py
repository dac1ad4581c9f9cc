"""The engine `transformers`: models in this process, each owned by one thread, adapters per row.

Invariant: only a model's own thread calls it; requests of all adapters on one base share its steps.
"""

import asyncio
import gc
import logging
import threading
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from titer.config import Device
from titer.errors import ConfigError, RateLimited, TiterError, Unavailable, first_line
from titer.serving.engine import Ask, Piece, Servable
from titer.serving.engines.adapters import AdaptedModel
from titer.serving.engines.prompts import Prompt, Prompter, Prompts, Reader
from titer.serving.engines.stepping import Made, Row, Stepper

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """How much one model object takes on."""

    n_rows: int = 32
    """Answers in one step at most."""
    n_queued: int = 128
    """Requests that wait beside those in a slot, at most."""
    n_tokens: int = 65_536
    """Tokens of prompts and answers kept for all rows together."""


class InProcess:
    """Answers for several models of this process."""

    name = "transformers"

    def __init__(
        self,
        servables: Sequence[Servable],
        *,
        device: Device = Device.cpu,
        limits: Limits = Limits(),
    ) -> None:
        """Load every model and start its thread.

        Raises:
            ConfigError: two models share a name.
            LoadError, AdapterError: one of them cannot be used.
        """
        self._prompts = Prompts(servables)
        self._workers: dict[str, _Worker] = {}
        for group in _by_weights(servables):
            worker = _Worker(group, self._prompts.by_name[group[0].name], device, limits)
            self._workers |= {one.name: worker for one in group}
        for worker in set(self._workers.values()):
            worker.start()

    def models(self) -> frozenset[str]:
        """Names that it can answer for now."""
        return frozenset(name for name, worker in self._workers.items() if worker.is_alive())

    async def answer(self, ask: Ask) -> AsyncGenerator[Piece, None]:
        """Text of one answer as it is made; to close the iterator frees its slot.

        Raises:
            RateLimited: the model's queue is full.
            Unavailable: the model is being shut down, or failed in mid-answer.
            ConfigError: there is no such model, or the prompt leaves no room in its context.
        """
        prompt = await self._prompts.prompt(ask)
        if ask.model not in self._workers:
            raise Unavailable(f"{ask.model}: is being shut down. Ask again later")
        worker = self._workers[ask.model]
        reader = self._prompts.by_name[ask.model].reader()
        loop = asyncio.get_running_loop()
        request = _Request(ask, prompt, worker.adapter(ask.model), reader, loop)
        worker.submit(request)
        try:
            while (piece := await request.next()).finish_reason is None:
                yield piece
            yield piece
        finally:
            request.row.cancelled = True

    async def close(self) -> None:
        """Finish what was asked, refuse what comes, and free the memory."""
        for worker in set(self._workers.values()):
            worker.finish()
        for worker in set(self._workers.values()):
            await asyncio.to_thread(worker.join)
        self._workers.clear()
        self._prompts.close()
        gc.collect()


def _by_weights(servables: Sequence[Servable]) -> list[list[Servable]]:
    """Models that can share one object in memory."""
    groups: dict[tuple[object, ...], list[Servable]] = {}
    for one in servables:
        key = (one.folder.resolve(), one.precision, one.quantize)
        groups.setdefault(key, []).append(one)
    return list(groups.values())


class _Request:
    """One answer between the model's thread, which makes it, and the loop, which waits for it."""

    def __init__(
        self,
        ask: Ask,
        prompt: Prompt,
        adapter: str,
        reader: Reader,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.row = Row(
            prompt.ids, adapter, prompt.max_new_tokens, ask.temperature, ask.top_p, ask.seed
        )
        self.loop = loop
        self._prompt = prompt
        self._reader = reader
        self._ids: list[int] = []
        self._finish_reason: str | None = None
        self._error: TiterError | None = None
        self._arrived = asyncio.Event()

    # called in the loop

    def deliver(self, token: int | None, finish_reason: str | None) -> None:
        """Take what a step made."""
        if token is not None:
            self._ids.append(token)
        self._finish_reason = finish_reason
        self._arrived.set()

    def fail(self, error: TiterError) -> None:
        """End without an answer."""
        self._error = error
        self._arrived.set()

    async def next(self) -> Piece:
        """All text that came since the last call; waits until there is some, or the end."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            if self._error is not None:
                raise self._error
            ids, self._ids = self._ids, []
            text = self._reader.read(ids)
            if self._finish_reason is not None:
                return self._piece(text + self._reader.rest())
            if text:
                return self._piece(text)

    def _piece(self, text: str) -> Piece:
        return self._prompt.piece(text, self._finish_reason, self._reader.n_tokens)


class _Worker(threading.Thread):
    """The thread of one model object."""

    def __init__(
        self, servables: Sequence[Servable], prompter: Prompter, device: Device, limits: Limits
    ) -> None:
        super().__init__(name=f"titer-{servables[0].name}", daemon=True)
        self._name = servables[0].name
        self._limits = limits
        self._model = AdaptedModel(servables, device)
        self._stepper = Stepper(
            self._model, prompter.ends, prompter.tokenizer.pad_token_id,
            n_rows=limits.n_rows, n_tokens=limits.n_tokens,
        )  # fmt: skip
        self._changed = threading.Condition()
        self._queue: deque[_Request] = deque()
        self._requests: dict[Row, _Request] = {}
        self._is_finishing = False

    # called by anyone

    def adapter(self, name: str) -> str:
        """Which adapter the rows of a model have."""
        return self._model.adapter(name)

    def _n_asked(self) -> int:
        """Requests queued or being answered, to be counted while nothing changes."""
        some = (*self._queue, *self._requests.values())
        return sum(not one.row.cancelled for one in some)

    def submit(self, request: _Request) -> None:
        """Queue a request.

        Raises:
            RateLimited, Unavailable, ConfigError: as `InProcess.answer`.
        """
        if request.row.n_needed > self._stepper.longest:
            raise ConfigError(
                f"{self._name}: prompt and answer need {request.row.n_needed} tokens, "
                f"{self._stepper.longest} are kept. Ask for less"
            )
        with self._changed:
            if self._is_finishing or not self.is_alive():
                raise Unavailable(f"{self._name}: is being shut down. Ask again later")
            n_asked = self._n_asked()
            if n_asked >= self._limits.n_rows + self._limits.n_queued:
                raise RateLimited(f"{self._name}: {n_asked} requests wait already. Ask again later")
            self._queue.append(request)
            self._changed.notify()

    def finish(self) -> None:
        """Answer what was asked, then end."""
        with self._changed:
            self._is_finishing = True
            self._changed.notify()

    # the thread itself

    def run(self) -> None:
        """Join, step, deliver, until told to finish."""
        while self._wait():
            try:
                self._turn()
            except Exception as error:  # whatever it is, nobody may be left waiting
                logger.exception("%s: a step failed", self._name)
                self._fail(error)

    def _wait(self) -> bool:
        with self._changed:
            while not self._queue and not self._requests:
                if self._is_finishing:
                    return False
                self._changed.wait()
        return True

    def _turn(self) -> None:
        gone = self._stepper.drop_cancelled()
        joining = self._admitted(gone)
        made = self._stepper.join([one.row for one in joining]) if joining else []
        if self._stepper.rows:
            made += self._stepper.step()
        self._deliver(made)

    def _admitted(self, gone: Sequence[Row]) -> list[_Request]:
        """Requests for which there is room, in their order."""
        joining: list[_Request] = []
        with self._changed:
            for row in gone:
                self._requests.pop(row)
            while self._queue:
                first = self._queue[0]
                rows = [one.row for one in joining]
                if not first.row.cancelled and not self._stepper.fits(first.row, rows):
                    break
                self._queue.popleft()
                if not first.row.cancelled:
                    joining.append(first)
            self._requests |= {one.row: one for one in joining}
        return joining

    def _deliver(self, made: Sequence[Made]) -> None:
        """One call into each loop per turn: 32 wake-ups a step would cost more than the step."""
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Request, Made]]] = {}
        with self._changed:
            for one in made:
                request = self._requests[one.row]
                by_loop.setdefault(request.loop, []).append((request, one))
            for one in made:
                if one.finish_reason:
                    del self._requests[one.row]
        for loop, some in by_loop.items():
            _call(loop, lambda some=some: [r.deliver(m.token, m.finish_reason) for r, m in some])

    def _fail(self, error: Exception) -> None:
        with self._changed:
            failed, self._requests = list(self._requests.values()), {}
        self._stepper.clear()
        for request in failed:
            reason = first_line(error)
            fault = Unavailable(f"{self._name}: failed in mid-answer: {reason}. Ask again")
            _call(request.loop, lambda request=request, fault=fault: request.fail(fault))


def _call(loop: asyncio.AbstractEventLoop, work: object) -> None:
    try:
        loop.call_soon_threadsafe(work)  # type: ignore[arg-type]
    except RuntimeError:  # the loop is closed, and with it whoever waited
        logger.debug("an answer came after its loop was closed")
