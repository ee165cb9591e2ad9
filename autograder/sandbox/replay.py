"""A submission's process that may be lost at any time, and is replaced by one in which the good cells have run again."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from autograder.job import Cell, CellOutcome, Flag, Job
from autograder.sandbox import Sandbox, outputs
from autograder.sandbox.channel import Broken, ChannelError, Late
from autograder.sandbox.conversation import Answer, Conversation
from autograder.sandbox.deadline import Deadline
from autograder.sandbox.errors import SandboxError
from autograder.sandbox.session import Session
from autograder.wire import WireError, decode

PROCESSES = 12
"""Processes that one submission may have, one after the other."""
_READY_SECONDS = 120.0


class Lost(Exception):  # noqa: N818 - what became of the process
    """There is no reply: the process is gone.

    Attributes:
        status: ``"timeout"`` or ``"died"``; ``"skipped"`` where nothing was tried any more.
        reason: the rest of a sentence that begins with what was asked.
    """

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Process:
    """The process of one submission, replaced when it is lost.

    Args:
        job: the submission.
        sandbox: where it runs.

    Attributes:
        generation: how often it was replaced; what was kept in an earlier one is gone.
        flags: what a person should look at.
        peak_bytes: the largest memory of all of them.
    """

    def __init__(self, job: Job, sandbox: Sandbox) -> None:
        self._job, self._sandbox = job, sandbox
        self._session: Session | None = None
        self._talk: Conversation | None = None
        self._good: list[Cell] = []
        self._end: Deadline | None = None
        self._cpu, self._waited_before = 0.0, 0.0
        self._slow: set[str] = set()
        self._room = outputs.Room()
        self.generation = 0
        self.flags: list[Flag] = []
        self.peak_bytes = 0
        self.task = ""

    @property
    def present(self) -> int:
        """Which of its processes runs now; 0 if it was lost and is not replaced yet."""
        return self.generation if self._session is not None else 0

    def cell(self, cell: Cell) -> CellOutcome:
        """Run a cell; one that takes its process with it is never run again."""
        start = time.monotonic()
        try:
            outcome = self._run(cell)
        except Lost as lost:
            return CellOutcome(cell.id, lost.status, time.monotonic() - start, f"This cell {lost.reason}.")  # type: ignore[arg-type]
        self._good.append(cell)
        return replace(
            outcome,
            seconds=time.monotonic() - start,
            message=self._room.message(outcome.message),
            outputs=self._room.keep(outcome.outputs),
        )

    def ask(self, kind: str, *parts: Any, answer: Answer | None = None) -> tuple[Any, ...]:
        """Ask the notebook's process something for a check.

        Raises:
            Lost: there is no reply.
        """
        seconds = self._job.limits.call_seconds
        if self.task in self._slow:
            seconds /= 4
        try:
            return self._ask(kind, *parts, seconds=seconds, answer=answer)
        except Lost as lost:
            if lost.status == "timeout" and self.task:
                self._slow.add(self.task)
            raise

    def close(self) -> None:
        """End the process."""
        if self._session is not None:
            session, self._session, talk = self._session, None, self._talk
            session.close()
            self.peak_bytes = max(self.peak_bytes, session.peak_bytes)
            self._cpu += session.cpu_seconds
            self._waited_before += session.waited()
            if talk is not None and talk.forged:
                self._flag(
                    "forged-reply", f"{talk.forged} replies came that answered nothing; they were dropped."
                )

    def _run(self, cell: Cell) -> CellOutcome:
        limits = self._job.limits
        size = limits.output_bytes
        # A visible check earns nothing, so it is not worth waiting for longer than a call.
        seconds = (
            limits.cell_seconds if cell.origin != "check" else min(limits.cell_seconds, limits.call_seconds)
        )
        reply = self._ask("cell", cell.source, size, seconds=seconds)
        match reply:
            case ("cell", "ok" | "error" as status, str(sentence), bytes(shown)):
                try:
                    kept = outputs.clean(decode(shown), size)
                except WireError:
                    kept = ()
                return CellOutcome(cell.id, status, 0.0, sentence, kept)
        raise self._lose(Broken("a reply of an unknown kind"), seconds)

    def _ask(self, kind: str, *parts: Any, seconds: float, answer: Answer | None = None) -> tuple[Any, ...]:
        self._ensure()
        assert self._talk is not None
        deadline = Deadline(seconds, self._waited, self._end)
        if deadline.left() <= 0:
            raise self._over()
        try:
            return self._talk.ask(kind, *parts, deadline=deadline, answer=answer)
        except ChannelError as error:
            raise self._lose(error, seconds) from error
        except BaseException:
            # A reply is still to come: nothing can be asked of this process any more.
            self.close()
            raise

    def _ensure(self) -> None:
        """A process in which the good cells have run."""
        if self._past():
            raise self._over()
        while self._session is None:
            if self.generation >= PROCESSES:
                raise Lost(
                    "skipped", f"was not tried: the notebook's process was lost {PROCESSES} times before"
                )
            self._start()

    def _start(self) -> None:
        self.generation += 1
        limits = self._job.limits
        left = max(1.0, limits.cpu_seconds - self._cpu)
        self._session = self._sandbox.start(replace(self._job, limits=replace(limits, cpu_seconds=left)))
        self._talk = Conversation(self._session.channel)
        try:
            self._ask("files", dict(self._job.data), seconds=_READY_SECONDS)
        except Lost as lost:
            if lost.status == "skipped":
                raise
            # No student code has run yet, so this is no fault of the submission.
            raise SandboxError(f"the sandbox {lost.reason} before anything ran in it") from lost
        # What a template takes to start is not the submission's time.
        if self._end is None:
            self._end = Deadline(limits.submission_seconds, self._waited)
        with contextlib.suppress(Lost):
            for cell in list(self._good):
                self._replay(cell)

    def _replay(self, cell: Cell) -> None:
        try:
            self._run(cell)
        except Lost:
            # What ran once and is lost now is left out from here on.
            self._good.remove(cell)
            raise

    def _waited(self) -> float:
        """Seconds that all its processes so far were kept waiting for a processor."""
        return self._waited_before + (self._session.waited() if self._session is not None else 0.0)

    def _past(self) -> bool:
        """Whether the time for the whole submission is over."""
        return self._end is not None and self._end.left() <= 0

    def _over(self) -> Lost:
        self.close()
        limit = self._job.limits.submission_seconds
        return Lost("skipped", f"was not tried: the submission's {limit:g} seconds were over before")

    def _lose(self, error: ChannelError, seconds: float) -> Lost:
        """End the process, and say why there is no reply."""
        session = self._session
        assert session is not None
        over = self._past()
        ending = "" if isinstance(error, (Late, Broken)) else session.ending()
        self.close()
        if session.reason:
            self._flag(session.kind, f"The process {session.reason}.")
            return Lost("died", session.reason)
        if isinstance(error, Late):
            if over:
                self._flag("timeout", "The time for the whole submission was over.")
                return Lost("timeout", "was still running when the submission's time was over")
            self._flag("timeout", f"The process did not answer within {seconds:g} seconds.")
            return Lost("timeout", f"did not finish within {seconds:g} seconds")
        if isinstance(error, Broken):
            self._flag("forged-reply", f"The process was ended because it sent {error}.")
            return Lost("died", "wrote something of its own to the grader's channel")
        self._flag("killed", f"The process {ending or 'ended'}.")
        return Lost("died", ending or "ended its own process")

    def _flag(self, kind: str, sentence: str) -> None:
        flag = Flag(kind, sentence, self.task)
        if flag not in self.flags:
            self.flags.append(flag)


Progress = Callable[[str], None]
