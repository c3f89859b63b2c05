"""The task that learns a style, with a fake for the training: progress, stopping, and going on."""

import signal
from types import SimpleNamespace

import pytest

import impasto
from impasto.errors import TrainingError
from impasto.web.films import learn


class FakeTraining:
    """`impasto.train`: takes steps until it is interrupted, as by Ctrl-C."""

    def __init__(self, steps, fails_to_resume=False):
        self.steps, self.fails_to_resume = steps, fails_to_resume
        self.calls, self.interrupts = [], 0

    def __call__(self, picture, output, *, progress, resume, restart, **options):
        self.calls.append((resume, restart, options))
        if resume and self.fails_to_resume:
            raise TrainingError(f"{output}: the checkpoint is damaged")
        previous = signal.signal(signal.SIGINT, self._interrupt)
        try:
            step = 0
            while step < self.steps and not self.interrupts:
                step += 1
                progress(self._state(step, None))
            finished = step == self.steps
            progress(self._state(step, "measuring the result" if finished else "writing what there is"))
        finally:
            signal.signal(signal.SIGINT, previous)
        return SimpleNamespace(finished=finished, steps=step, evaluation=None)

    def _interrupt(self, number, frame):
        self.interrupts += 1

    def _state(self, step, message):
        return SimpleNamespace(step=step, fraction=step / self.steps, seconds_left=1.0, objective=2.0, message=message)


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """Calls the task with a fake; returns its result, its events and the fake."""

    def call(fake, stop=lambda: False):
        events = []
        monkeypatch.setitem(vars(impasto), "train", fake)
        output = str(tmp_path / "style.safetensors")
        result = learn(str(tmp_path / "picture"), output, "Wave", 2, {"threads": 1}, stop, events.append)
        return result, events

    return call


def test_a_training_reports_and_leaves_the_comparison_at_its_end_out(trained):
    fake = FakeTraining(4)
    result, events = trained(fake)
    assert result == {"message": "Wave: learned after 4 steps", "steps": 4}
    assert [event["step"] for event in events[:2]] == [0, 0]
    assert [event["message"].partition(":")[0] for event in events[:2]] == ["preparing", "preparing"]
    assert events[2] == {"step": 1, "fraction": 0.25, "seconds_left": 1.0, "objective": 2.0, "message": None}
    assert events[-1]["message"] == "measuring the result"
    assert fake.interrupts == 1
    assert fake.calls == [(False, True, {"title": "Wave", "minutes": 2, "threads": 1})]


def test_a_message_names_the_style_and_not_our_file(trained, tmp_path):
    class Warns(FakeTraining):
        def __call__(self, picture, output, *, progress, **options):
            progress(SimpleNamespace(**{**vars(self._state(1, None)), "message": f"{picture}: 20 x 20 pixels"}))
            return super().__call__(picture, output, progress=progress, **options)

    _, events = trained(Warns(4))
    assert events[2]["message"] == "Wave: 20 x 20 pixels"


def test_stopping_interrupts_once_so_that_what_there_is_is_written(trained):
    fake, asked = FakeTraining(1000), []

    def stop():
        asked.append(1)
        return len(asked) >= 3

    result, _ = trained(fake, stop)
    assert result == {"message": "Wave: stopped early after 3 steps", "steps": 3}
    assert fake.interrupts == 1


def test_an_unfinished_run_goes_on_and_one_that_cannot_begins_anew(trained, tmp_path):
    run = tmp_path / "style.safetensors.run"
    run.mkdir()
    (run / "checkpoint.pt").write_bytes(b"")
    going_on = FakeTraining(2)
    trained(going_on)
    damaged = FakeTraining(2, fails_to_resume=True)
    trained(damaged)
    assert [(resume, restart) for resume, restart, _ in going_on.calls] == [(True, False)]
    assert [(resume, restart) for resume, restart, _ in damaged.calls] == [(True, False), (False, True)]


def test_an_error_names_the_style_and_not_our_files(trained, tmp_path):
    def fails(picture, output, **options):
        raise TrainingError(f"{output}: cannot write: No space left on device")

    with pytest.raises(TrainingError, match=r"^Wave: cannot write: No space left on device$"):
        trained(fails)
