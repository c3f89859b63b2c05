"""A batch on Ray: the logic with a fake, and (slow) with Ray itself, on one and on two nodes."""

import os
import socket
import sys
from pathlib import Path

import numpy as np
import pytest

from impasto.errors import BackendError, ImageError, UsageError
from impasto.painting.batch import Painted, paint_files, picture_painter
from impasto.painting.plan import Failure, FileOptions, Job
from impasto.painting.ray_pool import IN_HAND, TRIES, jobs_of_list, paint_with_ray
from impasto.painting.settings import Settings
from impasto.pictures.read import load_image
from impasto.pictures.write import save_image
from tests.conftest import make_photo
from tests.painting.fake_ray import FakeRay
from tests.painting.fakes import fake


def negative(pixels, settings):
    return 255 - pixels


@pytest.fixture
def ray(monkeypatch):
    made = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", made)
    return made


@pytest.fixture
def photos(tmp_path):
    for number in range(7):
        path = tmp_path / "in" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        save_image(path, make_photo(number, 20, 24))
    return tmp_path / "in"


def contents(root):
    return {path.name: path.read_bytes() for path in root.rglob("*.png")}


def test_ray_paints_what_one_process_paints(ray, photos, tmp_path, monkeypatch):
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    monkeypatch.chdir(tmp_path)
    seen = []
    here = paint_files("in", "here", negative)
    there = paint_files("in", "there", negative, progress=seen.append, ray="auto")
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert {item.source for item in there.painted} == {item.source for item in here.painted}
    (failure,) = there.failed
    assert (failure.source, type(failure.error)) == (Path("in/broken.png"), ImageError)
    assert [progress.done for progress in seen] == [*range(1, 9)]
    assert {progress.total for progress in seen} == {8}
    assert ray.addresses == ["auto"]
    assert not ray.connected
    assert len(ray.killed) == len(ray.actors) == 2


def test_the_driver_holds_a_few_pictures_whatever_the_number(ray, photos, tmp_path):
    taken = []

    def endless():
        for number in range(500):
            taken.append(number)
            yield Job(photos / "0.png", tmp_path / "out" / f"{number}.png")

    paint = picture_painter(negative, Settings(), FileOptions())
    for number, outcome in enumerate(paint_with_ray(endless(), paint, Settings(), FileOptions()), start=1):
        assert isinstance(outcome, Painted)
        assert len(taken) <= number + 2 * IN_HAND
        if number == 30:
            break
    assert ray.most_pending <= 2 * IN_HAND


@pytest.mark.parametrize("address", ["local", "auto"])
def test_no_usage_statistics_are_sent_and_the_environment_stays(ray, photos, tmp_path, monkeypatch, address):
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)
    paint_files(photos, tmp_path / "out", negative, ray=address)
    assert ray.environment["RAY_USAGE_STATS_ENABLED"] == "0"
    assert ray.environment.get("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER") == {"local": "0"}.get(address)  # loopback only
    assert not [name for name in os.environ if name.startswith("RAY_")]


def test_settings_of_ray_that_the_user_made_are_left(ray, photos, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    paint_files(photos, tmp_path / "out", negative, ray="local")
    assert ray.environment["RAY_AUTH_MODE"] == os.environ["RAY_AUTH_MODE"] == "disabled"


def test_a_connection_that_exists_is_used_and_kept(ray, photos, tmp_path):
    ray.connected = True
    paint_files(photos, tmp_path / "out", negative, ray="local")
    assert ray.addresses == []
    assert ray.connected


def test_workers_take_the_cores_of_the_stylizers_threads(ray, photos, tmp_path):
    stylizer = fake()
    stylizer.network.graph.threads = 3
    ray.cores = 7
    paint_files(photos, tmp_path / "out", stylizer, ray="local")
    assert ray.options["num_cpus"] == 3
    assert len(ray.actors) == 2
    ray.cores = 2
    with pytest.raises(BackendError, match="2 cores, and a worker needs 3"):
        paint_files(photos, tmp_path / "more", stylizer, ray="local")


def test_a_picture_that_kills_its_worker_is_a_failure(ray, photos, tmp_path, monkeypatch):
    get = ray.get

    def get_or_die(task):
        if task.job is not None and task.job.source.name == "3.png" and task.actor not in ray.lost:
            ray.lost.append(task.actor)
        return get(task)

    monkeypatch.setattr(ray, "get", get_or_die)
    result = paint_files(photos, tmp_path / "out", negative, ray="local")
    (failure,) = result.failed
    assert failure.source.name == "3.png"
    assert "killed 3 times" in str(failure.error)
    assert len(result.painted) == 6  # those that the lost actors had in hand as well
    assert len(ray.lost) == TRIES
    assert len(ray.actors) == 2 + TRIES


def test_the_pictures_of_a_lost_computer_are_painted_by_the_others(ray, photos, tmp_path):
    """There is no core for another actor: it is not waited for."""
    paint = picture_painter(negative, Settings(), FileOptions())
    jobs = [Job(photos / "0.png", tmp_path / "out" / f"{number}.png") for number in range(20)]
    outcomes = []
    for outcome in paint_with_ray(jobs, paint, Settings(), FileOptions()):
        outcomes.append(outcome)
        if len(outcomes) == 3:
            ray.lost.append(ray.actors[0])
            ray.cores = 1
    assert all(isinstance(outcome, Painted) for outcome in outcomes)
    assert {outcome.target for outcome in outcomes} == {job.target for job in jobs}
    assert len(outcomes) == 20


def test_a_cluster_whose_workers_are_all_lost_is_given_up(ray, photos, tmp_path):
    paint = picture_painter(negative, Settings(), FileOptions())
    jobs = (Job(photos / "0.png", tmp_path / "out" / f"{number}.png") for number in range(20))
    with pytest.raises(BackendError, match="worker"):
        for _ in paint_with_ray(jobs, paint, Settings(), FileOptions()):
            ray.lost, ray.cores = [*ray.actors], 0


def test_a_cluster_that_cannot_be_reached_is_one_line(ray, photos, tmp_path):
    ray.unreachable = True
    for address, message in (("auto", "cannot connect to auto"), ("local", "does not start on this computer")):
        with pytest.raises(BackendError, match=message) as caught:
            paint_files(photos, tmp_path / "out", negative, ray=address)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_an_address_where_nothing_answers_is_refused_before_ray_tries(ray, photos, tmp_path, form):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = form.format(server.getsockname()[1])
        paint_files(photos, tmp_path / "out", negative, ray=address)
    assert ray.addresses == [address]
    for wrong in (address, form.replace("127.0.0.1", "no..name").format(6379)):
        with pytest.raises(BackendError, match=f"nothing answers at {wrong} .*ray start --head"):
            paint_files(photos, tmp_path / "more", negative, ray=wrong)
    assert ray.addresses == [address]


def test_without_ray_the_message_says_what_to_install(monkeypatch, photos, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BackendError, match=r"impasto\[ray\]"):
        paint_files(photos, tmp_path / "out", negative, ray="auto")


def test_standard_streams_are_not_for_a_cluster(ray):
    paint = picture_painter(negative, Settings(), FileOptions())
    with pytest.raises(UsageError, match="standard input"):
        [*paint_with_ray([Job(Path("-"), Path("a.png"))], paint, Settings(), FileOptions())]


def test_jobs_of_a_list_are_made_one_by_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    listed = [(Path(f"in/{number}.png"), Path(f"in/{number}.png")) for number in range(20)]
    every = [*jobs_of_list(listed, Path("out"), FileOptions())]
    assert [str(job.target) for job in every] == [f"out/in/{number}.png" for number in range(20)]
    parts = [job for part in (1, 2, 3) for job in jobs_of_list(listed, Path("out"), FileOptions(shard=f"{part}/3"))]
    assert sorted(parts) == sorted(every)
    Path("out/in").mkdir(parents=True)
    Path("out/in/4.png").write_bytes(b"x")
    assert len([*jobs_of_list(listed, Path("out"), FileOptions(resume=True))]) == 19
    assert len([*jobs_of_list(listed, Path("out"), FileOptions(force=True))]) == 20
    with pytest.raises(UsageError, match="--resume"):
        [*jobs_of_list(listed, Path("out"), FileOptions())]
    Path("in").mkdir()
    Path("in/0.png").write_bytes(b"x")
    with pytest.raises(UsageError, match="is one of the inputs"):
        [*jobs_of_list(listed, Path(), FileOptions(force=True))]
    variants = [*jobs_of_list(listed[:1], Path("new"), FileOptions(variants=2))]
    assert [(job.target.name, job.variant) for job in variants] == [("0_1.png", 0), ("0_2.png", 1)]


# ---- Ray itself ----------------------------------------------------------------------------------------------------


def counted(pixels, settings):
    """A painter that writes a line for each picture that it begins, and kills its process at the fifth."""
    with Path(os.environ["IMPASTO_TEST_LOG"]).open("a") as log:
        line = f"{os.getpid():09}\n"
        log.write(line)
        begun = log.tell() // len(line)
    if begun == 5:
        os.kill(os.getpid(), 9)
    return 255 - pixels


@pytest.mark.slow
def test_a_real_ray_paints_the_same_though_a_worker_is_killed(photos, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    log = tmp_path / "log"
    monkeypatch.setenv("IMPASTO_TEST_LOG", str(log))
    paint_files(photos, tmp_path / "here", negative)
    result = paint_files(photos, tmp_path / "there", counted, ray="local")
    assert not result.failed
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    begun = log.read_text().split()
    assert len(begun) == 7 + 1  # one picture was begun twice
    assert len({*begun}) >= 2
    assert not [path for path in (tmp_path / "there").iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_two_nodes_share_the_pictures_though_one_is_lost(photos, tmp_path, monkeypatch):
    """A worker is killed as well: each loss repeats one picture at most."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    log = tmp_path / "log"
    monkeypatch.setenv("IMPASTO_TEST_LOG", str(log))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        second = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        paint = picture_painter(counted, Settings(), FileOptions())
        jobs = [Job(photos / f"{number % 7}.png", tmp_path / "out" / f"{number}.png") for number in range(40)]
        outcomes = []
        for outcome in paint_with_ray(jobs, paint, Settings(), FileOptions(), address=cluster.address):
            assert not isinstance(outcome, Failure), outcome
            outcomes.append(outcome)
            if len(outcomes) == 12:
                cluster.remove_node(second, allow_graceful=False)
        assert {outcome.target for outcome in outcomes} == {job.target for job in jobs}
        assert len(outcomes) == 40
        assert 40 < len(log.read_text().split()) <= 40 + 2
        painted = {path.name: load_image(path) for path in (tmp_path / "out").glob("[!.]*")}
        for number in range(40):
            assert np.array_equal(painted[f"{number}.png"], 255 - load_image(photos / f"{number % 7}.png"))
    finally:
        cluster.shutdown()
