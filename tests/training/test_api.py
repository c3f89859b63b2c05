import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import impasto
from impasto.errors import UsageError
from tests.training.runs import SMALL


def state_of_torch():
    return (
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.is_autocast_enabled("cpu"),
        signal.getsignal(signal.SIGINT),
        signal.getsignal(signal.SIGTERM),
        torch.get_rng_state().numpy().tobytes(),
    )


@pytest.fixture
def learn(style_file, photo_folder, tmp_path):
    def call(name="model.onnx", **settings):
        settings = {"recipe": SMALL, "content": photo_folder, "steps": 2, **settings}
        return impasto.train(style_file, tmp_path / name, **settings)

    return call


@pytest.fixture
def two_threads():
    """Torch's number of threads is one that no run here has. Nothing is computed with them: a worker has one core."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("recipe", [SMALL, None], ids=["from nothing", "from the shared network"])
def test_training_leaves_the_process_as_it_was(learn, recipe):
    torch.manual_seed(5)
    before, seen = state_of_torch(), []
    settings = {"recipe": recipe} if recipe else {"recipe": None, "preset": "fast", "steps": 1}
    result = learn(threads=1, progress=seen.append, **settings)
    assert result.finished
    assert state_of_torch() == before
    assert [progress.step for progress in seen] == [*range(1, result.steps + 1), result.steps]


@pytest.mark.usefixtures("two_threads")
def test_an_error_leaves_the_process_as_it_was(learn):
    before = state_of_torch()

    def fail(progress):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        learn(threads=1, progress=fail)
    assert state_of_torch() == before


def test_runs_in_other_threads_learn_what_one_in_the_main_thread_learns(learn, photo_folder):
    alone = learn("alone.onnx", threads=1)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(learn, f"{i}.onnx", threads=1) for i in range(2)]
        results = [run.result() for run in runs]
    photo = impasto.load_image(photo_folder / "2.JPG")
    expected = impasto.load(alone.model, precision="float32")(photo).astype(int)  # auto is chosen by measuring
    for result in results:
        assert abs(impasto.load(result.model, precision="float32")(photo) - expected).max() <= 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "gatys2016"}, "unknown preset 'gatys2016': choose one of impasto, fast"),
        ({"steps": 0}, "steps must be 1 or more"),
        ({"steps": None, "minutes": 0}, "minutes must be more than 0"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
        ({"name": "model.pth"}, "a model's name ends in .onnx"),
    ],
)
def test_impossible_settings_are_refused(learn, tmp_path, settings, message):
    with pytest.raises(UsageError, match=message):
        learn(**settings)
    assert not any(tmp_path.iterdir())
