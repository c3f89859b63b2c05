"""The part of Ray's interface that a batch uses, in one process."""

import copy
import os
import pickle
import types
from collections.abc import Callable, Sequence
from typing import Any


class RayActorError(Exception):
    """An actor that died."""


class FakeRay(types.ModuleType):
    """A cluster of so many cores. A task runs when its result is asked for, in the order of the tasks."""

    def __init__(self, cores: int = 2, *, connected: bool = False) -> None:
        super().__init__("ray")
        self.exceptions = types.SimpleNamespace(RayActorError=RayActorError)
        self.cores = cores
        self.connected = connected
        self.addresses: list[str] = []
        self.environment: str | None = None
        self.most_pending = 0
        self.actors: list[Any] = []
        self.killed: list[Any] = []
        self.options: dict[str, Any] = {}
        self.unreachable = False

    def is_initialized(self) -> bool:
        return self.connected

    def init(self, address: str, **options: Any) -> None:
        if self.unreachable:
            raise ConnectionError("Could not find any running Ray instance.\nPlease specify the one to connect to.")
        self.environment = os.environ.get("RAY_USAGE_STATS_ENABLED")
        self.addresses.append(address)
        self.connected = True

    def shutdown(self) -> None:
        self.connected = False

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": float(self.cores)}

    def put(self, value: Any) -> Any:
        return value

    def remote(self, **options: Any) -> Callable[[type], Any]:
        self.options = options
        return lambda kind: types.SimpleNamespace(remote=lambda *given: self._actor(kind, *given))

    def _actor(self, kind: type, *given: Any) -> Any:
        made = kind(*given)
        actor = types.SimpleNamespace(paint=types.SimpleNamespace(remote=lambda job: Task(made, _sent(job))))
        self.actors.append(actor)
        return actor

    def wait(self, tasks: Sequence["Task"], num_returns: int) -> tuple[list["Task"], list["Task"]]:
        self.most_pending = max(self.most_pending, len(tasks))
        return [*tasks[:num_returns]], [*tasks[num_returns:]]

    def get(self, task: "Task") -> Any:
        return _sent(task.worker.paint(task.job))

    def kill(self, actor: Any) -> None:
        self.killed.append(actor)


class Task:
    def __init__(self, worker: Any, job: Any) -> None:
        self.worker, self.job = worker, job


def _sent(value: Any) -> Any:
    """The value on the other side of a connection."""
    return pickle.loads(pickle.dumps(copy.copy(value)))
