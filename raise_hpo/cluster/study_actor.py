"""A study's driver on a cluster: an actor that nobody needs to hold, and that goes on after a restart."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder

if TYPE_CHECKING:
    from raise_hpo.history import History
    from raise_hpo.journal import Event
    from raise_hpo.session import Session

NAMESPACE = "raise_hpo"
"""The Ray namespace of the host and of all studies."""

_LOCK_SECONDS = 120.0
_FAREWELL_SECONDS = 2.0


@dataclass(frozen=True)
class Submitted:
    """How a study was submitted, kept in its folder for whoever starts its driver next.

    Attributes:
        priority: Its share of the cluster against others.
        slots: Trials at a time, at most.
    """

    priority: float = 1.0
    slots: int | None = None

    def write(self, folder: StudyFolder, trainable: bytes | None) -> None:
        """Keep it, and the trainable's pickled class if there is one, for this user's eyes only."""
        folder.submitted.write_text(json.dumps(asdict(self)))
        if trainable is not None:
            with os.fdopen(os.open(folder.trainable, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(trainable)

    @classmethod
    def read(cls, folder: StudyFolder) -> Submitted:
        """As it was written; the defaults if the study was not submitted to a cluster."""
        return cls(**json.loads(folder.submitted.read_text())) if folder.submitted.is_file() else cls()


def kept_trainable(folder: StudyFolder) -> type | None:
    """The trainable's class that came with the study; None if it is to be imported by its name.

    Raises:
        UserError: Its file belongs to somebody else: unpickling runs code.
    """
    if not folder.trainable.is_file():
        return None
    if folder.trainable.stat().st_uid != os.getuid():
        raise UserError(f"{folder.trainable} belongs to another user and is not loaded")
    from ray import cloudpickle

    found: type = cloudpickle.loads(folder.trainable.read_bytes())
    return found


class StudyActor:
    """Runs one study, from its study file or from its journal, in a thread of its own; an actor's class.

    It takes nothing but the folder, so that Ray can start it again on any node. It ends itself, for good, when the
    study is over, was stopped or has failed; only a driver that died without a word is started again.

    Args:
        folder: The study's folder.
    """

    def __init__(self, folder: str) -> None:
        self.folder = StudyFolder(Path(folder))
        self._refused: str | None = None
        self._begun = threading.Event()
        threading.Thread(target=self._live, daemon=True).start()

    def begun(self) -> str | None:
        """Wait for the study's first event; the sentence that says what is wrong if there will be none."""
        self._begun.wait()
        return self._refused

    def _live(self) -> None:
        try:
            with _logged(self.folder):
                self._run()
        except UserError as error:
            self._refuse(str(error))
        except Exception as error:
            self._refuse(f"{type(error).__name__}: {error}")
        finally:
            self._begun.set()
            _end_for_good(self.folder.name)

    def _refuse(self, sentence: str) -> None:
        if not self._begun.is_set():
            self._refused = sentence

    def _run(self) -> None:
        from raise_hpo.session import Session

        _remove_what_the_last_one_left()
        if self.folder.begun and _reconstructed() and self.folder.history().state not in ("running", "interrupted"):
            return
        _wait_for_the_last_one(self.folder)
        submitted = Submitted.read(self.folder)
        share = Share(self.folder.name, submitted.priority)
        session: Session = Session.take_up(
            self.folder, kept_trainable(self.folder), submitted.slots, view=self._view, ray=_attached(), limit=share
        )
        try:
            session.run()
        finally:
            share.give_up()

    def _view(self, history: Callable[[], History], name: str) -> Any:
        return contextlib.nullcontext(self)

    def event(self, event: Event) -> None:
        """An event was journaled: the study has begun."""
        self._begun.set()

    def refresh(self) -> None:
        """Nothing to do: sessions read the journal."""


class Share:
    """Asks the host for a study's share of the slots, without waiting for the answer but the first time.

    Args:
        study: The study's name.
        priority: Its priority.
    """

    def __init__(self, study: str, priority: float) -> None:
        from raise_hpo.cluster.host import find_host

        self.study = study
        self.priority = priority
        self._host = find_host()
        self._asked: Any = None
        self._last: int | None = None

    def __call__(self, fits: int, wanted: int) -> int:
        """How many of the slots that the cluster has room for the study may use, as last told."""
        import ray

        wanted = min(wanted, fits)
        while self._last is None:
            self._take(self._host.ask.remote(self.study, self.priority, fits, wanted))
            time.sleep(0.0 if self._last is not None else 0.5)
        if self._asked is not None and ray.wait([self._asked], timeout=0)[0]:
            self._take(self._asked)
            self._asked = None
        if self._asked is None:
            self._asked = self._host.ask.remote(self.study, self.priority, fits, wanted)
        return min(self._last, fits)

    def _take(self, answer: Any) -> None:
        import ray

        with contextlib.suppress(ray.exceptions.RayError):
            told = ray.get(answer)
            self._last = self._last if told is None else int(told)

    def give_up(self) -> None:
        """The study has ended."""
        self._host.forget.remote(self.study)


class ShareIfHosted:
    """The share of a study whose driver was there before the cluster had a host: all of it until there is one.

    Args:
        study: The study's name.
    """

    def __init__(self, study: str) -> None:
        self.study = study
        self._share: Share | None = None

    def __call__(self, fits: int, wanted: int) -> int:
        """As for `Share`."""
        import ray

        from raise_hpo.cluster.host import HOST

        if self._share is None:
            try:
                ray.get_actor(HOST, NAMESPACE)
            except ValueError:
                return fits
            self._share = Share(self.study, 1.0)
        return self._share(fits, wanted)


def _attached() -> Any:
    from raise_hpo.drive.cluster import AttachedRay

    return AttachedRay()


def _reconstructed() -> bool:
    import ray

    return bool(ray.get_runtime_context().was_current_actor_reconstructed)


def _remove_what_the_last_one_left() -> None:
    """Give back the places that this actor held before it was restarted: to Ray they are still its own."""
    import ray
    from ray._private.state import state
    from ray._raylet import PlacementGroupID
    from ray.core.generated.gcs_pb2 import PlacementGroupTableData  # type: ignore[attr-defined]
    from ray.util.placement_group import PlacementGroup, remove_placement_group

    mine = ray.get_runtime_context().get_actor_id()
    for raw in state._connect_and_get_accessor().get_placement_group_table():
        table = PlacementGroupTableData.FromString(raw)
        removed = table.state == PlacementGroupTableData.REMOVED
        if table.creator_actor_id.hex() == mine and not removed:
            remove_placement_group(PlacementGroup(PlacementGroupID(table.placement_group_id)))


def _wait_for_the_last_one(folder: StudyFolder) -> None:
    """Let a driver that is being ended, or whose lock is not given up yet, go; the lock is the last word."""
    until = time.monotonic() + _LOCK_SECONDS
    while folder.driver() is not None and time.monotonic() < until:
        time.sleep(1.0)


@contextlib.contextmanager
def _logged(folder: StudyFolder) -> Iterator[None]:
    """Keep the traceback of what ends a driver."""
    try:
        yield
    except Exception:
        if folder.path.is_dir():
            folder.logs.mkdir(exist_ok=True)
            with open(folder.driver_log, "a") as log:
                log.write(f"{time.strftime('%F %T')}\n{traceback.format_exc()}\n")
        raise


def _end_for_good(name: str) -> None:
    """End this actor so that it is not started again; what it still has to answer is answered before."""
    import ray

    time.sleep(_FAREWELL_SECONDS)
    ray.kill(ray.get_actor(name, NAMESPACE))
