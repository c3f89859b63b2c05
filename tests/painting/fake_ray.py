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
        self.exceptions = types.SimpleNamespace(RayActorError=RayActorError, RayError=Exception)
        self.cores = cores
        self.connected = connected
        self.addresses: list[str] = []
        self.environment: dict[str, str] = {}
        self.most_pending = 0
        self.actors: list[Any] = []
        self.killed: list[Any] = []
        self.lost: list[Any] = []
        self.options: dict[str, Any] = {}
        self.unreachable = False
        self.says = ""
        """What a thread of Ray prints at any time."""

    def is_initialized(self) -> bool:
        return self.connected

    def init(self, address: str, **options: Any) -> None:
        if self.unreachable:
            raise ConnectionError("Could not find any running Ray instance.\nPlease specify the one to connect to.")
        self.environment = {name: value for name, value in os.environ.items() if name.startswith("RAY_")}
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
        living = [actor for actor in self.actors if actor not in self.lost and actor not in self.killed]
        if len(living) >= self.cores // self.options["num_cpus"]:
            actor = Actor(None)  # there is no free core for it
        else:
            actor = Actor(kind(*given))
        self.actors.append(actor)
        return actor

    def wait(
        self, tasks: Sequence["Task"], num_returns: int, timeout: float | None
    ) -> tuple[list["Task"], list["Task"]]:
        self.most_pending = max(self.most_pending, sum(task.job is not None for task in tasks))
        done = [task for task in tasks if task.actor.worker is not None or task.actor in self.lost][:num_returns]
        assert done or timeout is not None, "waits for ever"
        return done, [task for task in tasks if task not in done]

    def get(self, task: "Task") -> Any:
        print(self.says, end="")
        if task.actor in self.lost:
            raise RayActorError("The actor died unexpectedly before finishing this task.")
        return None if task.job is None else _sent(task.actor.worker.do(task.job))

    def kill(self, actor: Any) -> None:
        self.killed.append(actor)


class Actor:
    """An actor; without a worker, it waits for a core."""

    def __init__(self, worker: Any) -> None:
        self.worker = worker
        self.do = types.SimpleNamespace(remote=lambda job: Task(self, _sent(job)))
        self.ready = types.SimpleNamespace(remote=lambda: Task(self, None))


class Task:
    def __init__(self, actor: Actor, job: Any) -> None:
        self.actor, self.job = actor, job


def _sent(value: Any) -> Any:
    """The value on the other side of a connection."""
    return pickle.loads(pickle.dumps(copy.copy(value)))
