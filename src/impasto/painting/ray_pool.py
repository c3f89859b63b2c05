"""Paints a batch on a Ray cluster: one actor for each share of cores, which reads, paints and writes its own files.

The driver sends paths and receives records; pictures do not pass through it. It hands out a few jobs per actor at a
time, so its memory does not grow with their number. All paths must be the same on every computer (a shared file
system), and Impasto must be installed on each.
"""

import contextlib
import logging
import os
import re
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from impasto import errors
from impasto.errors import BackendError, ImpastoError, UsageError
from impasto.files import check_absent
from impasto.painting.batch import Painted, PicturePainter, paint_one
from impasto.painting.plan import STANDARD, Failure, FileOptions, Job, result_name
from impasto.painting.settings import Settings
from impasto.painting.shards import Shard

LOCAL = "local"
"""The address that starts Ray on this computer, for the time of the batch."""
IN_HAND = 2
"""Jobs that an actor has at a time: one to work at, and one to begin with at once."""
TRIES = 3
"""How often a job is begun, if its actor is killed, by the system or with its computer."""
START_SECONDS = 300.0
"""Time to wait for an actor where none works."""
ANSWER_SECONDS = 10.0
"""Time for a computer to answer."""
_HOST_AND_PORT = re.compile(r"(?:ray://)?([\w.-]+):(\d+)")
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}
_PRIVATE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # on these systems Ray listens on the loopback interface; so here
    "RAY_gcs_server_port_wait_time_s": "120",  # 20 are too few for a computer that is busy otherwise
}
"""Settings for this computer alone, unless they are set. Ray reads them when it is imported, and when it starts."""
_INSTALL = "pip install 'impasto[ray]'"


Work = Callable[[Job], Any]
"""What an actor does with a job. It can be pickled, and raises `ImpastoError`."""


@dataclass(frozen=True)
class _Error:
    """An `ImpastoError` on its way to the driver."""

    kind: str
    text: str

    def error(self) -> ImpastoError:
        kind = getattr(errors, self.kind, ImpastoError)
        found: ImpastoError = kind(self.text)
        return found


class _Worker:
    """The actor."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def ready(self) -> None:
        """Return when the actor is made."""

    def do(self, job: Job) -> Any:
        """The result of one job, or its error."""
        try:
            return self._work(job)
        except ImpastoError as error:
            kind = next(kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
            return _Error(kind.__name__, str(error))


def paint_with_ray(
    jobs: Iterable[Job],
    paint: PicturePainter,
    settings: Settings,
    options: FileOptions,
    *,
    address: str = LOCAL,
    threads: int = 1,
) -> Iterator[Painted | Failure]:
    """Paint on a Ray cluster; yields each result when it is finished, in any order.

    Args:
        jobs: What to paint. They are taken one by one, as actors become free.
        paint: Repaints a picture (`impasto.painting.batch.picture_painter`); it is sent to every actor once.
        settings: How the style is applied.
        options: Options for reading pictures and writing results.
        address: See `work_with_ray`.
        threads: The number of cores of an actor: the threads that the painter uses.

    Raises:
        BackendError: See `work_with_ray`.
        UsageError: A picture is standard input or the result standard output.
    """
    work = partial(paint_one, paint=paint, settings=settings, options=replace(options, workers=1))
    for job, found in work_with_ray(_only_files(jobs), work, address=address, threads=threads):
        if isinstance(found, ImpastoError):
            yield Failure(job.source, found)
        else:
            yield replace(found, source=job.source, target=job.target)


def work_with_ray(
    jobs: Iterable[Job], work: Work, *, address: str = LOCAL, threads: int = 1, in_hand: int = IN_HAND
) -> Iterator[tuple[Job, Any]]:
    """Do jobs on a Ray cluster; yields each with its result or `ImpastoError` when it is finished, in any order.

    Args:
        jobs: They are taken one by one, as actors become free.
        work: What to do with each; it is sent to every actor once, and gets absolute paths.
        address: "local" to start Ray on this computer until all is done; "auto" for the cluster that this computer
            belongs to; or the address of one, as HOST:6379 or ray://HOST:10001. If the process is connected already,
            that connection is used.
        threads: The number of cores of an actor.
        in_hand: Jobs that an actor has at a time; 1 for long ones, so that none waits while another actor is free.

    Raises:
        BackendError: Ray is not installed, the cluster cannot be reached, or it has fewer cores than one actor needs.
    """
    with _environment(address):
        ray = _imported()
    with _connected(ray, address):
        cores = int(ray.cluster_resources().get("CPU", 0))
        if cores < threads:
            raise BackendError(f"the Ray cluster has {cores} cores, and a worker needs {threads}; use fewer --threads")
        remote = ray.remote(num_cpus=threads)(_Worker)
        given = ray.put(work)
        pool = _Pool(ray, lambda: remote.remote(given), iter(jobs), in_hand)
        try:
            yield from pool.outcomes(cores // threads)
        finally:
            pool.close()


def _only_files(jobs: Iterable[Job]) -> Iterator[Job]:
    for job in jobs:
        if STANDARD in (job.source, job.target):
            raise UsageError("Ray paints files: standard input and output are for one picture without --ray")
        yield job


def jobs_of_list(listed: Iterable[tuple[Path, Path]], output: Path, options: FileOptions) -> Iterator[Job]:
    """The jobs of a list of any length, one by one; only those of the shard, and with ``resume`` only what is missing.

    Args:
        listed: Pictures, each with its path relative to the output (`impasto.painting.shards.read_list`).
        output: A folder.
        options: Options for writing results.

    Raises:
        UsageError: A result exists and may not be replaced, or would replace its picture.
    """
    part = None if options.shard is None else Shard.parse(options.shard)
    for source, name in listed:
        if part is not None and name not in part:
            continue
        whole = output / result_name(source, name, options.format)
        for variant in range(options.variants):
            target = whole if options.variants == 1 else whole.with_stem(f"{whole.stem}_{variant + 1}")
            if target.exists():
                if options.resume:
                    continue
                if target.resolve() == source.resolve():
                    raise UsageError(f"{source}: is one of the inputs and would be overwritten; choose another output")
                if not options.force:
                    check_absent([target], ", or --resume to skip it")
            yield Job(source, target, variant)


_Outcome = tuple[Job, Any]


class _Pool:
    """The actors, and the jobs that they have in hand.

    An actor gets jobs when it is ready: one that replaces a lost one may wait for a free core for ever, and the others
    do its jobs.
    """

    def __init__(self, ray: ModuleType, start: Callable[[], Any], jobs: Iterator[Job], in_hand: int) -> None:
        self._ray, self._start, self._jobs, self._most = ray, start, jobs, in_hand
        self._again: deque[Job] = deque()
        """Jobs of actors that died."""
        self._tries: Counter[Job] = Counter()
        self._starting: dict[Any, Any] = {}
        """The result of `ready` -> an actor that is not ready yet."""
        self._in_hand: dict[Any, int] = {}
        """An actor that is ready -> its number of jobs."""
        self._pending: dict[Any, tuple[Any, Job]] = {}
        """The result of `do` -> the actor and its job, in the order in which each actor does them."""
        self._failed_starts = 0

    def outcomes(self, count: int) -> Iterator[_Outcome]:
        """Start this many actors, give them all jobs, and yield what they return."""
        for _ in range(count):
            self._add_actor()
        while True:
            all_given = self._give()
            if not self._pending and all_given:
                return
            timeout = None if self._pending else START_SECONDS
            done, _ = self._ray.wait([*self._pending, *self._starting], num_returns=1, timeout=timeout)
            if not done:
                raise BackendError(f"Ray starts no worker within {START_SECONDS:.0f} s; see `ray status`")
            if done[0] in self._starting:
                self._begin(done[0])
            else:
                yield from self._outcomes_of(done[0])

    def close(self) -> None:
        """End all actors."""
        for actor in (*self._in_hand, *self._starting.values()):
            with contextlib.suppress(Exception):
                self._ray.kill(actor)

    def _add_actor(self) -> None:
        actor = self._start()
        self._starting[actor.ready.remote()] = actor

    def _begin(self, result: Any) -> None:
        """An actor is ready, or cannot be made: with its computer, or for a reason that another one has as well."""
        actor = self._starting.pop(result)
        try:
            self._ray.get(result)
        except self._ray.exceptions.RayError as cause:
            self._failed_starts += 1
            if self._failed_starts < TRIES:
                self._add_actor()
                return
            text = " ".join(str(cause).split())[-300:]
            raise BackendError(f"Ray: a worker cannot start; is Impasto installed on every computer? {text}") from None
        self._in_hand[actor] = 0

    def _give(self) -> bool:
        """Give every actor that is ready as many jobs as it may have; returns whether there are no more."""
        for _ in range(self._most):
            for actor, count in self._in_hand.items():
                if count < self._most:
                    job = self._again.popleft() if self._again else next(self._jobs, None)
                    if job is None:
                        return True
                    self._pending[actor.do.remote(_absolute(job))] = actor, job
                    self._in_hand[actor] = count + 1
        return False

    def _outcomes_of(self, result: Any) -> list[_Outcome]:
        """What became of a job; of all jobs of its actor, if that died."""
        actor, _ = self._pending[result]
        try:
            found = [self._finished(result)]
        except self._ray.exceptions.RayActorError:
            return self._bury(actor)
        self._in_hand[actor] -= 1
        return found

    def _finished(self, result: Any) -> _Outcome:
        found = self._ray.get(result)
        _, job = self._pending.pop(result)
        return job, found.error() if isinstance(found, _Error) else found

    def _bury(self, actor: Any) -> list[_Outcome]:
        """Replace a dead actor, and do its jobs again.

        The first that it did not finish is the one that it died at: that one is begun at most `TRIES` times.
        """
        del self._in_hand[actor]
        self._add_actor()
        found: list[_Outcome] = []
        died_at: Job | None = None
        for result in [result for result, (owner, _) in self._pending.items() if owner is actor]:
            try:
                found.append(self._finished(result))
                continue
            except self._ray.exceptions.RayActorError:
                _, job = self._pending.pop(result)
            if died_at is None:
                died_at = job
                self._tries[job] += 1
                if self._tries[job] >= TRIES:
                    text = f"its worker was killed {TRIES} times (memory?); use a smaller --size"
                    found.append((job, BackendError(f"{job.source}: {text}")))
                    continue
            self._again.append(job)
        return found


def _absolute(job: Job) -> Job:
    """The job with absolute paths: workers have working folders of their own."""
    return job._replace(source=Path(os.path.abspath(job.source)), target=Path(os.path.abspath(job.target)))  # noqa: PTH100


def _imported() -> ModuleType:
    try:
        import ray
    except Exception as cause:  # a broken package may raise anything
        if isinstance(cause, ModuleNotFoundError) and cause.name == "ray":
            raise BackendError(f"Ray is not installed; {_INSTALL}") from None
        raise BackendError(f"Ray is installed but broken ({cause}); install it again: {_INSTALL}") from cause
    return ray  # type: ignore[no-any-return]


@contextmanager
def _connected(ray: ModuleType, address: str) -> Iterator[None]:
    """A connection to the cluster, without usage statistics; closed at the end unless it was there before."""
    if ray.is_initialized():
        yield
        return
    _check_answers(address)
    log = logging.getLogger("ray")
    level = log.level
    log.setLevel(logging.ERROR)  # it warns of its default, which is that a token protects the cluster
    try:
        with _environment(address):
            ray.init(
                address=address,
                include_dashboard=False if address == LOCAL else None,
                log_to_driver=False,
                configure_logging=False,
                logging_level=logging.ERROR,
            )
    except Exception as cause:  # ConnectionError, RuntimeError and others
        text = " ".join(str(cause).split())[:200]
        if address == LOCAL:
            raise BackendError(
                f"Ray: does not start on this computer: {text}; try again, or paint without Ray"
            ) from cause
        raise BackendError(
            f"Ray: cannot connect to {address}: {text}; check the address, or use --ray local"
        ) from cause
    finally:
        log.setLevel(level)
    try:
        yield
    finally:
        with contextlib.suppress(Exception):
            ray.shutdown()


def _check_answers(address: str) -> None:
    """Raise BackendError if nothing answers at HOST:PORT: Ray itself would try for minutes, and print warnings."""
    parts = _HOST_AND_PORT.fullmatch(address)
    if parts is None:
        return
    try:
        socket.create_connection((parts[1], int(parts[2])), ANSWER_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as cause:  # UnicodeError: of names like a..b
        reason = getattr(cause, "strerror", None) or str(cause)
        raise BackendError(
            f"Ray: nothing answers at {address} ({reason}); check the address, or start it with `ray start --head`"
        ) from None


@contextmanager
def _environment(address: str) -> Iterator[None]:
    """Ray's settings in the environment; afterwards it is as it was."""
    private = {name: value for name, value in _PRIVATE.items() if name not in os.environ}
    wanted = _QUIET | (private if address == LOCAL else {})
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
