"""Several clips: one after another, and on Ray."""

import sys
from pathlib import Path

import pytest

av = pytest.importorskip("av")

import impasto  # noqa: E402
from impasto import Settings, VideoOptions, paint_video  # noqa: E402
from impasto.cli.main import main  # noqa: E402
from impasto.errors import BackendError, UsageError, VideoError  # noqa: E402
from impasto.painting.plan import Failure  # noqa: E402
from impasto.video import encoder  # noqa: E402
from impasto.video.batch import paint_clips, plan_clips  # noqa: E402
from impasto.video.encoder import parts_folder  # noqa: E402
from tests.painting.fake_ray import FakeRay  # noqa: E402
from tests.video.clips import make_clip, packet_times  # noqa: E402

QUICK = VideoOptions(steady=0)


@pytest.fixture(scope="module")
def stylizer():
    return impasto.load("udnie", variant="fast", threads=1)


@pytest.fixture
def clips(tmp_path):
    return [make_clip(tmp_path / f"{number}.mp4", frames=4 + number, size=(80, 64)) for number in range(3)]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_several_clips_are_painted_as_each_alone(tmp_path, stylizer, clips, monkeypatch):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no clip")
    for clip in clips:
        paint_video(clip, tmp_path / f"alone-{clip.name}", stylizer, options=QUICK)
    alone = {clip.name: (tmp_path / f"alone-{clip.name}").read_bytes() for clip in clips}
    here = [*paint_clips(plan_clips([broken, *clips], tmp_path / "here", QUICK), stylizer, Settings(), QUICK)]
    assert [type(outcome).__name__ for outcome in here] == ["Failure", "VideoResult", "VideoResult", "VideoResult"]
    assert contents(tmp_path / "here") == alone

    monkeypatch.setitem(sys.modules, "ray", FakeRay())
    monkeypatch.chdir(tmp_path)
    planned = plan_clips(["broken.mp4", *(clip.name for clip in clips)], "there", QUICK)
    there = [*paint_clips(planned, stylizer, Settings(), QUICK, ray="auto")]
    (failure,) = [outcome for outcome in there if isinstance(outcome, Failure)]
    assert (str(failure.source), type(failure.error)) == ("broken.mp4", VideoError)
    names = {Path(outcome.output) for outcome in there if not isinstance(outcome, Failure)}
    assert names == {Path("there", clip.name) for clip in clips}
    assert contents(tmp_path / "there") == alone


def test_a_clip_whose_worker_was_killed_goes_on_after_its_last_segment(tmp_path, stylizer, clips, monkeypatch):
    monkeypatch.setattr(encoder, "SEGMENT_SECONDS", 0.04)
    (tmp_path / "out").mkdir()
    whole, target = tmp_path / "whole.mp4", tmp_path / "out" / clips[2].name
    paint_video(clips[2], whole, stylizer, options=QUICK)

    def killed(progress):
        if progress.frames == 5:
            raise BackendError("killed")

    with pytest.raises(BackendError):
        paint_video(clips[2], target, stylizer, options=QUICK, progress=killed)
    with pytest.raises(UsageError, match="--resume"):
        plan_clips(clips, tmp_path / "out", QUICK)
    resumed = VideoOptions(steady=0, resume=True)
    monkeypatch.setitem(sys.modules, "ray", FakeRay())
    planned = plan_clips(clips[2:], tmp_path / "out", resumed)
    (result,) = paint_clips(planned, stylizer, Settings(), resumed, ray="auto")
    assert result.resumed >= 2
    assert result.resumed + result.frames == 6
    assert packet_times(target) == packet_times(whole)
    assert not parts_folder(target).exists()
    (again,) = paint_clips(planned, stylizer, Settings(), resumed, ray="auto")  # as if killed before it said so
    assert (again.resumed, again.frames) == (0, 6)


def test_results_of_clips(tmp_path, clips, monkeypatch):
    out = tmp_path / "out"
    planned = plan_clips([*clips[:1], "x/old.WMV", "loop.gif"], out, QUICK)
    assert [job.target.name for job in planned.jobs] == ["0.mp4", "old.WMV.mp4", "loop.gif"]
    with pytest.raises(UsageError, match=r"would both become .*0\.mp4"):
        plan_clips([clips[0], "elsewhere/0.mp4"], out, QUICK)
    with pytest.raises(UsageError, match="is one of the clips"):
        plan_clips(clips, tmp_path, VideoOptions(force=True))
    with pytest.raises(UsageError, match="need a folder"):
        plan_clips(clips, clips[0], QUICK)
    with pytest.raises(UsageError, match="is the name of a file"):
        plan_clips(clips, tmp_path / "out.mp4", QUICK)
    assert plan_clips(clips, f"{tmp_path}/out.mp4/", QUICK).jobs[0].target == tmp_path / "out.mp4" / "0.mp4"
    with pytest.raises(UsageError, match="standard output"):
        plan_clips(clips, "-", QUICK)
    (tmp_path / "frames" / "more").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "frames" / "more")
    assert [job.target.name for job in plan_clips([".", ".."], out, QUICK).jobs] == ["more.mp4", "frames.mp4"]
    with pytest.raises(UsageError, match="standard input"):
        plan_clips([*clips, "-"], out, QUICK)
    out.mkdir()
    (out / "1.mp4").write_bytes(b"painted")
    with pytest.raises(UsageError, match="--force to replace it, or --resume"):
        plan_clips(clips, out, QUICK)
    assert len(plan_clips(clips, out, VideoOptions(force=True)).jobs) == 3
    planned = plan_clips(clips, out, VideoOptions(resume=True))
    assert [job.source.name for job in planned.jobs] == ["0.mp4", "2.mp4"]
    assert [job.source.name for job in planned.skipped] == ["1.mp4"]


def test_the_command_paints_clips_on_ray(tmp_path, clips, monkeypatch, capsys):
    made = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", made)
    names = [str(clip) for clip in clips]
    options = ["--style", "udnie", "--fast", "--steady", "0", "-o", str(tmp_path / "out")]
    assert main(["video", *names, str(tmp_path / "missing.mp4"), *options, "--ray"]) == 1
    shown = capsys.readouterr()
    assert sum(" frames, " in line for line in shown.out.splitlines()) == 3
    assert shown.err.splitlines()[-1] == f"impasto: error: {tmp_path / 'missing.mp4'}: no such file"
    assert (made.addresses, made.options["num_cpus"]) == (["local"], 1)
    assert main(["video", *names, *options, "--resume"]) == 0
    assert "3 of 3 results exist and are skipped" in capsys.readouterr().err
    assert main(["video", *names, "--style", "udnie", "--preview", str(tmp_path / "x.png")]) == 2
