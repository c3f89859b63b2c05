"""Clips written again frame by frame: times, sound, subtitles, colors and sizes stay; runs that end early go on."""

import itertools
import shutil
import subprocess
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av")

from impasto.errors import UsageError, VideoError  # noqa: E402
from impasto.video.clip import WHOLE, Part  # noqa: E402
from impasto.video.encoder import SegmentWriter, parts_folder  # noqa: E402
from impasto.video.muxer import join  # noqa: E402
from impasto.video.reader import open_clip  # noqa: E402
from impasto.video.threads import real_time_threads  # noqa: E402
from tests.video.clips import make_clip, packet_bytes, packet_times, picture, probe  # noqa: E402
from tests.video.test_reader import joined_broadcasts  # noqa: E402

HIGH_FPS = {"rate": 120, "frames": 30}
VARIABLE = {"pts": [0, 40, 50, 90, 200, 1001, 1002, 1500, 3000, 9000], "time_base": Fraction(1, 1000)}
ODD_FILES = {
    "plain": {},
    "no sound": {"audio": ()},
    "two audio tracks": {"audio": ("aac", "aac")},
    "variable rate": VARIABLE,
    "120 a second": HIGH_FPS,
    "24000/1001": {"rate": Fraction(24000, 1001)},
    "turned": {"rotation": 90},
    "upside down": {"rotation": 180},
    "ten bits": {"codec": "libx265", "pixel_format": "yuv420p10le", "options": {"x265-params": "log-level=none"}},
    "full range": {"color": (1, 1, 1, 2)},
    "BT.601": {"color": (6, 6, 6, 1)},
    "odd size": {"size": (63, 47), "pixel_format": "yuv444p"},
    "one frame": {"frames": 1},
    "B-frames": {"options": {"preset": "medium", "bf": "3"}, "frames": 40},
    "late start": {"pts": range(50, 60)},
    "anamorphic": {"pixel_aspect": Fraction(64, 45)},
    "interlaced": {"options": {"preset": "ultrafast", "x264-params": "interlaced=1:tff=1"}},
    "mpeg4": {"codec": "mpeg4"},
    "vp9": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "sound longer than the picture": {"seconds_of_audio": 3.0},
    "opus": {"audio": ("libopus",)},
}


def copied(source, output, part=WHOLE, *, codec="auto", with_audio=True):
    """The clip read and written as `paint_video` does, unpainted."""
    with open_clip(source, part) as clip:
        writer = SegmentWriter(output, clip.info, codec=codec, quality=75, made_from={}, resume=False)
        frames = list(clip.frames())
        for frame in frames:
            writer.write(frame)
        writer.end_segment()
        begin = frames[0].time if part.start else Fraction(0)
        end = frames[-1].time + 1 / clip.info.rate if part.end is not None else None
        notes = join(output, writer.segments(), clip, begin=begin, end=end, with_audio=with_audio)
        writer.remove()
    return frames, notes


@pytest.mark.parametrize("name", ODD_FILES)
def test_times_sound_and_pictures_survive(tmp_path, name):
    options = {"audio": ("aac",)} | ODD_FILES[name]
    source, output = make_clip(tmp_path / "a.mp4", **options), tmp_path / "b.mp4"
    frames, notes = copied(source, output)
    assert packet_times(output) == [frame.time for frame in frames]
    if name not in ("interlaced",):
        assert packet_times(output) == packet_times(source)
    for number in range(len(options["audio"])):
        assert packet_bytes(output, "audio", number) == packet_bytes(source, "audio", number)
        assert packet_times(output, "audio", number) == packet_times(source, "audio", number)
    assert notes == []
    with open_clip(output) as clip:
        again = list(clip.frames())
        assert clip.info.pixel_aspect == options.get("pixel_aspect", 1)
    height, width = frames[0].pixels.shape[:2]
    for one, other in zip(frames, again, strict=True):
        assert np.abs(one.pixels.astype(int) - other.pixels[:height, :width]).mean() < 6
    assert again[0].pixels.shape[:2] == (height + height % 2, width + width % 2)


@pytest.mark.parametrize("suffix", [".mkv", ".mov", ".webm", ".avi"])
def test_other_containers(tmp_path, suffix):
    source, output = make_clip(tmp_path / "a.mp4", audio=("aac",), frames=25), tmp_path / f"b{suffix}"
    frames, notes = copied(source, output)
    times = packet_times(output)
    assert len(times) == len(frames)
    assert bool(notes) == (suffix == ".webm")  # which takes Opus, and no AAC
    # Matroska has no negative times: where sound begins before 0 all streams move together.
    assert all(abs(a - times[0] - b.time) <= Fraction(1, 1000) for a, b in zip(times, frames, strict=True))
    if suffix != ".webm":
        sound = dict(zip(packet_bytes(source), packet_times(source, "audio"), strict=True))
        written = zip(packet_bytes(output), packet_times(output, "audio"), strict=True)
        assert all(abs(time - times[0] - sound[data]) <= Fraction(1, 1000) for data, time in written)


def test_what_independent_tools_read_is_the_same(tmp_path):
    source = make_clip(tmp_path / "a.mp4", audio=("aac",), color=(1, 1, 1, 1), pixel_aspect=Fraction(4, 3))
    copied(source, tmp_path / "b.mp4")
    entries = "stream=codec_type,start_time,color_range,color_space,color_transfer,color_primaries,sample_aspect_ratio"
    assert probe(tmp_path / "b.mp4", entries) == probe(source, entries)


def test_chapters_and_metadata_are_kept(tmp_path):
    source = make_clip(tmp_path / "a.mp4", metadata={"title": "A film", "artist": "Somebody"}, chapters=True)
    copied(source, tmp_path / "b.mkv")
    with av.open(str(tmp_path / "b.mkv")) as container:
        tags = {name.lower(): value for name, value in container.metadata.items()}
        assert (tags["title"], tags["artist"]) == ("A film", "Somebody")
        assert [chapter["metadata"]["title"] for chapter in container.chapters()] == ["one", "two"]


def test_subtitles_are_copied_where_the_container_holds_them(tmp_path):
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    source, titles = make_clip(tmp_path / "a.mp4", frames=50), tmp_path / "a.srt"
    titles.write_text("1\n00:00:00,200 --> 00:00:01,000\nHello\n\n2\n00:00:01,100 --> 00:00:01,900\nagain\n")
    command = ["ffmpeg", "-v", "error", "-i", str(source), "-i", str(titles), "-c", "copy", "-c:s", "srt"]
    subprocess.run([*command, str(tmp_path / "b.mkv")], check=True)
    _, notes = copied(tmp_path / "b.mkv", tmp_path / "c.mkv")
    assert notes == []
    assert packet_bytes(tmp_path / "c.mkv", "subtitle") == packet_bytes(tmp_path / "b.mkv", "subtitle") != []
    assert packet_times(tmp_path / "c.mkv", "subtitle") == packet_times(tmp_path / "b.mkv", "subtitle")
    _, notes = copied(tmp_path / "b.mkv", tmp_path / "c.mp4")
    assert any("mov_text" in note for note in notes)
    command = ["ffmpeg", "-v", "error", "-i", str(tmp_path / "c.mp4"), "-map", "0:s", "-f", "srt", "-"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for line in ("00:00:00,200 --> 00:00:01,000", "Hello", "00:00:01,100 --> 00:00:01,900", "again"):
        assert line in shown
    _, notes = copied(tmp_path / "b.mkv", tmp_path / "c.avi")
    assert any("subtitle" in note and ".mkv" in note for note in notes)


def test_a_part_has_its_sound_at_the_same_offset(tmp_path):
    source = make_clip(tmp_path / "a.mp4", frames=100, audio=("aac",), options={"preset": "ultrafast", "g": "12"})
    frames, _ = copied(source, tmp_path / "b.mp4", Part(start=1.0, end=3.0))
    assert packet_times(tmp_path / "b.mp4")[0] == 0
    assert len(packet_times(tmp_path / "b.mp4")) == len(frames) == 50
    sound = dict(zip(packet_bytes(source), packet_times(source, "audio"), strict=True))
    for data, time in zip(packet_bytes(tmp_path / "b.mp4"), packet_times(tmp_path / "b.mp4", "audio"), strict=True):
        assert abs(sound[data] - 1 - time) < Fraction(1, 1000)


def test_sound_and_picture_of_joined_broadcasts_stay_together(tmp_path):
    """The sound of each recording lies beside its picture as it did before."""
    source, output = joined_broadcasts(tmp_path, (0, 5000, 100), frames=50), tmp_path / "b.mp4"
    copied(source, output)
    assert packet_times(output)[-1] == pytest.approx(float(packet_times(output)[0]) + 149 * 0.04, abs=0.001)
    sound = packet_times(output, "audio")
    for part in range(1, 3):  # sound begins with each part; packets that overlap are left out
        assert min(abs(float(time - packet_times(output)[0]) - 2 * part) for time in sound) < 0.03
    assert max(b - a for a, b in itertools.pairwise(sound)) < 0.08


@pytest.mark.parametrize(("codec", "rate"), [("aac", 44_100), ("pcm_s16le", 8_000), ("pcm_s24le", 11_025)])
@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".avi"])
def test_sound_of_any_rate_gets_into_every_container(tmp_path, suffix, codec, rate):
    source = make_clip(tmp_path / "a.mkv", audio=(codec,), audio_rate=rate, frames=25)
    copied(source, tmp_path / f"b{suffix}")
    with av.open(str(tmp_path / f"b{suffix}")) as container:
        frames = list(container.decode(audio=0))
    seconds = sum(frame.samples for frame in frames) / frames[0].sample_rate
    assert 0.9 < seconds < 1.2


def test_cover_art_and_attached_files_are_kept(tmp_path):
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    source, run = make_clip(tmp_path / "a.mp4"), ["ffmpeg", "-v", "error", "-y", "-i", str(tmp_path / "a.mp4")]
    Image.fromarray(picture(0)).save(tmp_path / "cover.png")
    (tmp_path / "font.ttf").write_bytes(b"not a font" * 10)
    cover = [
        "-i",
        str(tmp_path / "cover.png"),
        "-map",
        "0",
        "-map",
        "1",
        "-c",
        "copy",
        "-disposition:1",
        "attached_pic",
    ]
    subprocess.run([*run, *cover, str(tmp_path / "covered.mp4")], check=True)
    assert copied(tmp_path / "covered.mp4", tmp_path / "c.mp4")[1] == []
    entries = "stream=codec_name:stream_disposition=attached_pic"
    assert probe(tmp_path / "c.mp4", entries)["streams"][1] == {
        "codec_name": "png",
        "disposition": {"attached_pic": 1},
    }
    attached = ["-attach", str(tmp_path / "font.ttf"), "-metadata:s:t", "mimetype=font/ttf", "-c", "copy"]
    subprocess.run([*run, *attached, str(tmp_path / "a.mkv")], check=True)
    assert copied(tmp_path / "a.mkv", tmp_path / "d.mkv")[1] == []
    with av.open(str(tmp_path / "d.mkv")) as container:
        (font,) = [stream for stream in container.streams if stream.type == "attachment"]
        assert (font.name, font.data) == ("font.ttf", b"not a font" * 10)
    assert source.exists()


def test_a_format_without_colour_tags_gets_the_colours_that_players_assume(tmp_path):
    color = (1, 1, 1, 2)
    source = make_clip(tmp_path / "a.mp4", color=color, pixel_format="yuv444p", options={"qp": "0"})
    copied(source, tmp_path / "b.avi")
    with open_clip(tmp_path / "b.avi") as clip:
        for number, frame in enumerate(clip.frames()):
            assert np.abs(frame.pixels.astype(int) - picture(number)).mean() < 4


def test_sound_can_be_left_out(tmp_path):
    source = make_clip(tmp_path / "a.mp4", audio=("aac",))
    copied(source, tmp_path / "b.mp4", with_audio=False)
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert not container.streams.audio


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("hevc", ".mp4"), ("av1", ".mkv"), ("vp9", ".mp4"), ("mpeg4", ".mp4"), ("prores", ".mov"), ("ffv1", ".mkv")],
)
def test_every_codec(tmp_path, codec, suffix):
    source = make_clip(tmp_path / "a.mp4", size=(96, 64))
    frames, _ = copied(source, tmp_path / f"b{suffix}", codec=codec)
    with open_clip(tmp_path / f"b{suffix}") as clip:
        again = list(clip.frames())
    for one, other in zip(frames, again, strict=True):
        assert np.abs(one.pixels.astype(int) - other.pixels).mean() < 8
    assert not real_time_threads()  # SVT-AV1 gives it to the thread that opens it, if root runs it


def test_segments_are_joined_without_a_gap(tmp_path, monkeypatch):
    monkeypatch.setattr("impasto.video.encoder.SEGMENT_SECONDS", 0.3)
    source = make_clip(tmp_path / "a.mp4", frames=50)
    copied(source, tmp_path / "b.mp4")
    assert packet_times(tmp_path / "b.mp4") == packet_times(source)
    with open_clip(tmp_path / "b.mp4") as clip:
        for number, frame in enumerate(clip.frames()):
            assert np.abs(frame.pixels.astype(int) - picture(number)).mean() < 6


def writer(output, info, **changes):
    return SegmentWriter(
        output, info, **{"codec": "auto", "quality": 75, "made_from": {"a": 1}, "resume": False} | changes
    )


def test_a_run_that_is_cut_short_goes_on_behind_its_last_segment(tmp_path, monkeypatch):
    monkeypatch.setattr("impasto.video.encoder.SEGMENT_SECONDS", 0.3)
    source, output = make_clip(tmp_path / "a.mp4", frames=50), tmp_path / "b.mp4"
    with open_clip(source) as clip:
        frames = list(clip.frames())
        first = writer(output, clip.info)
        for frame in frames[:30]:
            first.write(frame)
        # Killed here: the segment under way is lost.
        second = writer(output, clip.info, resume=True)
        assert second.last_pts is not None
        done = [frame.pts for frame in frames].index(second.last_pts)
        assert done >= 15
        for frame in frames[done + 1 :]:
            second.write(frame)
        second.end_segment()
        join(output, second.segments(), clip)
    assert packet_times(output) == packet_times(source)


def test_a_run_goes_on_only_with_the_same_settings(tmp_path):
    with open_clip(make_clip(tmp_path / "a.mp4")) as clip:
        writer(tmp_path / "b.mp4", clip.info)
        with pytest.raises(UsageError, match="--resume"):
            writer(tmp_path / "b.mp4", clip.info)
        with pytest.raises(UsageError, match="another a;"):
            writer(tmp_path / "b.mp4", clip.info, made_from={"a": 2}, resume=True)
        (parts_folder(tmp_path / "b.mp4") / "record.json").write_text("[]")
        with pytest.raises(VideoError, match="no run"):
            writer(tmp_path / "b.mp4", clip.info, resume=True)


@pytest.mark.parametrize(
    ("name", "codec", "message"),
    [
        ("b.xyz", "auto", "suffix"),
        ("b.webm", "h264", "cannot hold"),
        ("b.mp4", "h265", "unknown codec"),
        ("missing/b.mp4", "auto", "does not exist"),
    ],
)
def test_an_output_that_cannot_be_written_is_named_before_the_work(tmp_path, name, codec, message):
    with (
        open_clip(make_clip(tmp_path / "a.mp4")) as clip,
        pytest.raises((UsageError, VideoError), match=message),
    ):
        writer(tmp_path / name, clip.info, codec=codec)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4"]
