"""Whole clips from file to file, by Python and by the command line."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest

av = pytest.importorskip("av")

import impasto  # noqa: E402
from impasto import Settings, VideoOptions, paint_video  # noqa: E402
from impasto.cli.main import main  # noqa: E402
from impasto.errors import UsageError, VideoError  # noqa: E402
from impasto.video.encoder import parts_folder  # noqa: E402
from impasto.video.reader import open_clip  # noqa: E402
from tests.video.clips import make_clip, packet_bytes, packet_times, picture  # noqa: E402

SMALL = {"size": (80, 64), "audio": ("aac",)}


@pytest.fixture(scope="module")
def stylizer():
    return impasto.load("udnie", variant="fast", threads=1)


def frames_of(path):
    with open_clip(path) as clip:
        return [frame.pixels for frame in clip.frames()]


def test_a_clip_is_painted_with_its_sound_and_times(tmp_path, stylizer):
    source, output, seen = make_clip(tmp_path / "a.mp4", **SMALL), tmp_path / "b.mp4", []
    result = paint_video(source, output, stylizer, options=VideoOptions(steady=0, quality=100), progress=seen.append)
    assert (result.frames, result.finished, result.damaged) == (10, True, 0)
    assert packet_times(output) == packet_times(source)
    assert packet_bytes(output) == packet_bytes(source)
    assert [progress.frames for progress in seen] == list(range(1, 11))
    assert seen[-1].total == 10
    for painted, frame in zip(frames_of(output), frames_of(source), strict=True):
        assert np.abs(painted.astype(int) - stylizer(frame)).mean() < 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_animations_keep_their_durations_and_loops(tmp_path, stylizer, suffix):
    from PIL import Image

    source, output = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    pages = [Image.fromarray(picture(n, 80, 64)) for n in range(4)]
    durations = [100, 40, 300, 70]
    pages[0].save(source, save_all=True, append_images=pages[1:], duration=durations, loop=3)
    paint_video(source, output, stylizer, options=VideoOptions(steady=0))
    with Image.open(output) as image:
        assert (image.n_frames, image.info.get("loop")) == (4, 3)
        found = []
        for number in range(4):
            image.seek(number)
            image.load()
            found.append(round(image.info["duration"]))
    assert found == durations


def test_folders_of_frames_in_and_out(tmp_path, stylizer):
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in (1, 2, 10):
        impasto.save_image(folder / f"f{number}.png", picture(number, 80, 64))
    paint_video(folder, tmp_path / "out", stylizer, options=VideoOptions(steady=0))
    painted = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in painted] == [f"frame_{n:06d}.png" for n in (1, 2, 3)]
    for path, number in zip(painted, (1, 2, 10), strict=True):
        assert np.array_equal(impasto.load_image(path), stylizer(picture(number, 80, 64)))


def test_raw_video_goes_through_a_pipe(tmp_path):
    source = make_clip(
        tmp_path / "a.y4m", codec="wrapped_avframe", pixel_format="yuv444p", size=(80, 64), format="yuv4mpegpipe"
    )
    command = [sys.executable, "-m", "impasto", "video", "-", "-o", "-", "--style", "udnie", "--fast", "--threads", "1"]
    run = subprocess.run(command, input=source.read_bytes(), capture_output=True, check=False)
    assert run.returncode == 0, run.stderr
    (tmp_path / "b.y4m").write_bytes(run.stdout)
    assert len(frames_of(tmp_path / "b.y4m")) == 10


def test_a_mask_says_where(tmp_path, stylizer):
    source, mask = make_clip(tmp_path / "a.mp4", **SMALL), np.zeros((64, 80), np.uint8)
    mask[:, 40:] = 255
    impasto.save_image(tmp_path / "mask.png", np.repeat(mask[..., None], 3, axis=2))
    make_clip(tmp_path / "white.mp4", size=(80, 64), frames=3)
    paint_video(source, tmp_path / "b.mkv", stylizer, options=VideoOptions(codec="ffv1"), mask=tmp_path / "mask.png")
    for painted, frame in zip(frames_of(tmp_path / "b.mkv"), frames_of(source), strict=True):
        assert np.abs(painted[:, :40].astype(int) - frame[:, :40]).max() <= 2
        assert np.abs(painted[:, 40:].astype(int) - frame[:, 40:]).mean() > 5


def test_keyframes_change_strength_over_time(tmp_path, stylizer):
    source, keys = make_clip(tmp_path / "a.mp4", **SMALL), tmp_path / "keys.json"
    keys.write_text(json.dumps({"strength": {"0": 0, "0.36": 1}}))
    paint_video(source, tmp_path / "b.mkv", stylizer, options=VideoOptions(codec="ffv1", keyframes=keys, steady=0))
    painted, frames = frames_of(tmp_path / "b.mkv"), frames_of(source)
    differences = [np.abs(a.astype(int) - b).mean() for a, b in zip(painted, frames, strict=True)]
    assert differences[0] < 1
    assert differences[3] < differences[-1]


def test_a_smaller_working_size_keeps_the_clips_own_size(tmp_path, stylizer, monkeypatch):
    source = make_clip(tmp_path / "a.mp4", size=(192, 128), rate=1000, frames=6)
    paint_video(source, tmp_path / "b.mp4", stylizer, options=VideoOptions(real_time=True))
    assert frames_of(tmp_path / "b.mp4")[0].shape == (128, 192, 3)


def test_an_interrupted_run_leaves_a_file_that_plays_and_goes_on(tmp_path, stylizer, monkeypatch):
    monkeypatch.setattr("impasto.video.encoder.SEGMENT_SECONDS", 0.2)
    source, output = make_clip(tmp_path / "a.mp4", frames=30, **SMALL), tmp_path / "b.mp4"

    def interrupt(progress):
        if progress.frames == 12:
            raise KeyboardInterrupt

    result = paint_video(source, output, stylizer, progress=interrupt)
    assert not result.finished
    assert packet_times(output) == packet_times(source)[:12]
    result = paint_video(source, output, stylizer, options=VideoOptions(resume=True))
    assert result.finished
    assert (result.frames, result.resumed) == (18, 12)
    assert packet_times(output) == packet_times(source)
    assert not parts_folder(output).exists()


@pytest.mark.slow
def test_a_run_that_is_killed_loses_one_segment_at_most(tmp_path):
    source, output = make_clip(tmp_path / "a.mp4", frames=200, rate=2, **SMALL), tmp_path / "b.mp4"
    command = [sys.executable, "-m", "impasto", "video", str(source), "-o", str(output), "--style", "udnie", "--fast"]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    record, begun = parts_folder(output) / "record.json", time.monotonic()
    while not record.exists() or len(json.loads(record.read_text())["segments"]) < 3:
        assert run.poll() is None
        assert time.monotonic() - begun < 120
        time.sleep(0.01)
    run.kill()
    run.wait()
    done = sum(segment["frames"] for segment in json.loads(record.read_text())["segments"])
    assert not output.exists()
    assert main(["video", str(source), "-o", str(output), "--style", "udnie", "--fast", "--resume"]) == 0
    assert done >= 60
    assert packet_times(output) == packet_times(source)


@pytest.mark.slow
def test_memory_stays_flat_over_a_long_clip(tmp_path):
    psutil = pytest.importorskip("psutil")
    source, process, seen = make_clip(tmp_path / "a.mp4", frames=10_000, **SMALL), psutil.Process(), []
    small = impasto.load("udnie", variant="fast", threads=1)
    paint_video(source, tmp_path / "b.mp4", small, progress=lambda progress: seen.append(process.memory_info().rss))
    assert len(seen) == 10_000
    assert max(seen[2000:]) < 1.05 * max(seen[1000:2000])


def test_a_mask_clip_goes_on_where_the_run_does(tmp_path, stylizer, monkeypatch):
    monkeypatch.setattr("impasto.video.encoder.SEGMENT_SECONDS", 0.2)
    source, mask = make_clip(tmp_path / "a.mp4", size=(80, 64), frames=12), tmp_path / "mask.mkv"
    with av.open(str(mask), "w") as container:  # white from the seventh frame on
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 80, 64, "yuv444p"
        for number in range(12):
            white = np.full((64, 80, 3), 255 * (number >= 6), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(white, format="rgb24")))
        container.mux(stream.encode(None))

    def interrupt(progress):
        if progress.frames == 7:
            raise KeyboardInterrupt

    lossless = {"codec": "ffv1", "steady": 0}
    paint_video(source, tmp_path / "b.mkv", stylizer, options=VideoOptions(**lossless), mask=mask, progress=interrupt)
    paint_video(source, tmp_path / "b.mkv", stylizer, options=VideoOptions(**lossless, resume=True), mask=mask)
    differences = [
        np.abs(painted.astype(int) - frame).mean()
        for painted, frame in zip(frames_of(tmp_path / "b.mkv"), frames_of(source), strict=True)
    ]
    assert max(differences[:6]) < 1
    assert min(differences[6:]) > 4


def test_a_run_goes_on_only_with_the_same_style(tmp_path, stylizer):
    source, output = make_clip(tmp_path / "a.mp4", frames=12, **SMALL), tmp_path / "b.mp4"

    def interrupt(progress):
        raise KeyboardInterrupt

    paint_video(source, output, stylizer, progress=interrupt)
    with pytest.raises(UsageError, match="settings"):
        paint_video(source, output, stylizer, Settings(strength=0.5), VideoOptions(resume=True))


def test_what_is_there_stays_without_force(tmp_path, stylizer):
    source, output = make_clip(tmp_path / "a.mp4", **SMALL), tmp_path / "b.mp4"
    output.write_bytes(b"precious")
    with pytest.raises(UsageError, match="--force"):
        paint_video(source, output, stylizer)
    with pytest.raises(UsageError, match="itself"):
        paint_video(source, source, stylizer, options=VideoOptions(force=True))
    assert output.read_bytes() == b"precious"
    paint_video(source, output, stylizer, options=VideoOptions(force=True))
    assert len(frames_of(output)) == 10


def test_a_part_beyond_the_end_writes_nothing(tmp_path, stylizer):
    source = make_clip(tmp_path / "a.mp4", **SMALL)
    with pytest.raises(VideoError, match="no frame"):
        paint_video(source, tmp_path / "b.mp4", stylizer, options=VideoOptions(start=100))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4"]


def test_a_writer_that_fails_ends_the_run_with_its_error(tmp_path, stylizer, monkeypatch):
    source = make_clip(tmp_path / "a.mp4", **SMALL)

    def full(self, frame):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("impasto.video.encoder.SegmentWriter._encode", full)
    with pytest.raises(VideoError, match="No space left"):
        paint_video(source, tmp_path / "b.mp4", stylizer)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4"]


@pytest.mark.parametrize(
    "values", [{"start": -1}, {"start": 2, "end": 1}, {"every": 0}, {"size": 3}, {"quality": 101}, {"codec": "h265"}]
)
def test_options_that_make_no_sense_are_refused(values):
    with pytest.raises(UsageError):
        VideoOptions(**values)


def test_the_command_paints_previews_and_reports(tmp_path, capsys):
    source = make_clip(tmp_path / "a.mp4", **SMALL)
    common = [str(source), "--style", "udnie", "--fast", "--threads", "1"]
    assert main(["video", *common, "--preview", str(tmp_path / "first.png")]) == 0
    assert impasto.load_image(tmp_path / "first.png").shape == (64, 80, 3)
    capsys.readouterr()
    assert main(["video", *common, "-o", str(tmp_path / "b.mp4"), "--json", "--end", "0.2"]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 5


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["a.mp4"], 2, "give a result"),
        (["missing.mp4", "-o", "b.mp4"], 1, "no such file"),
        (["a.mp4", "-o", "b.xyz"], 2, "suffix"),
        (["a.mp4", "-o", "b.webm", "--codec", "h264"], 2, "cannot hold"),
        (["a.mp4", "-o", "no/folder/b.mp4"], 1, "does not exist"),
    ],
)
def test_wrong_requests_are_one_line(tmp_path, capsys, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / "a.mp4", **SMALL)
    assert main(["video", *arguments, "--style", "udnie", "--fast"]) == code
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4"]


def test_without_pyav_the_extra_is_named(tmp_path, capsys, monkeypatch):
    source = make_clip(tmp_path / "a.mp4", **SMALL)
    monkeypatch.setitem(sys.modules, "av", None)
    assert main(["video", str(source), "-o", str(tmp_path / "b.mp4"), "--style", "udnie", "--fast"]) == 1
    assert "pip install 'impasto[video]'" in capsys.readouterr().err
