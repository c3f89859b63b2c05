"""Style pictures made by program from public-domain paintings: ink, woodcut, pointillism, watercolor, glass, pencil.

python tools/make_pictures.py PAINTINGS OUT [NAME ...]

PAINTINGS has the paintings that MADE names, as jpg. Needs SciPy. The same paintings give the same pictures.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage as nd
from scipy.spatial import cKDTree

Picture = np.ndarray
"""RGB in [0, 1], (H, W, 3), or one channel of it, (H, W)."""

PAPER_EDGE = 40
"""Pixels cut off at each side: scans have frames."""


def read(path: Path, short: int) -> Picture:
    """A painting, its short side scaled to ``short`` pixels."""
    im = Image.open(path).convert("RGB")
    s = short / min(im.size)
    return (
        np.asarray(im.resize((round(im.width * s), round(im.height * s)), Image.Resampling.LANCZOS), np.float32) / 255
    )


def luma(x: Picture) -> Picture:
    """Lightness, (H, W)."""
    return x @ np.array([0.299, 0.587, 0.114], np.float32)


def equal(x: Picture) -> Picture:
    """Histogram-equalized, 0..1."""
    r = np.argsort(np.argsort(x.ravel()))
    return (r / (r.size - 1)).reshape(x.shape).astype(np.float32)


def orientation(g: Picture, sigma: float) -> Picture:
    """The angle along the edges, smoothed over ``sigma`` pixels."""
    gy, gx = nd.gaussian_filter(g, 1.5, order=(1, 0)), nd.gaussian_filter(g, 1.5, order=(0, 1))
    a, b, c = (nd.gaussian_filter(v, sigma) for v in (gx * gx, gx * gy, gy * gy))
    return 0.5 * np.arctan2(2 * b, a - c) + np.pi / 2  # along the edge


def flow_lines(angle: Picture, rng: np.random.Generator, length: int, width: float) -> Picture:
    """White noise smeared along the angle: (H, W), equalized."""
    h, w = angle.shape
    noise = nd.gaussian_filter(rng.standard_normal((h, w)), width)
    total = np.zeros((h, w))
    for sign in (1, -1):
        y, x = np.mgrid[:h, :w].astype(np.float32)
        for _ in range(length):
            total += nd.map_coordinates(noise, [y, x], order=1, mode="reflect")
            t = nd.map_coordinates(angle, [y, x], order=0, mode="reflect")
            # keep one direction along the line
            dy, dx = np.sin(t), np.cos(t)
            if _ == 0:
                py, px = sign * dy, sign * dx
            flip = np.where(dy * py + dx * px < 0, -1, 1)
            py, px = dy * flip, dx * flip
            y, x = y + py, x + px
    return equal(total)


def edges(g: Picture, sigma: float = 1.5) -> Picture:
    """Length of the lightness gradient."""
    return np.hypot(nd.gaussian_filter(g, sigma, order=(1, 0)), nd.gaussian_filter(g, sigma, order=(0, 1)))


def dog_lines(g: Picture, sigma: float, gain: float = 18.0, tau: float = 0.98) -> Picture:
    """Outlines by a difference of Gaussians: 0 on a line, 1 elsewhere."""
    d = nd.gaussian_filter(g, sigma) - tau * nd.gaussian_filter(g, 1.6 * sigma)
    return np.clip(1 + np.tanh(gain * np.minimum(d, 0)), 0, 1)


def paint(mask: Picture, dark: tuple[float, ...], light: tuple[float, ...]) -> Picture:
    """Two colors: ``light`` where the mask is 1, ``dark`` where it is 0."""
    m = mask[..., None]
    return m * np.array(light, np.float32) + (1 - m) * np.array(dark, np.float32)


def ink(x: Picture, rng: np.random.Generator) -> Picture:
    """Pen hatching in three layers, brush-black shadows, outlines; on cream paper."""
    g = equal(nd.gaussian_filter(luma(x), 2)) * 0.5 + nd.gaussian_filter(luma(x), 2) * 0.5
    h, w = g.shape
    yy, xx = np.mgrid[:h, :w].astype(np.float32)
    wob = [nd.gaussian_filter(rng.standard_normal((h, w)), 12) * 60 for _ in range(3)]
    page = np.ones((h, w), np.float32)
    for i, (deg, limit) in enumerate(((35, 0.62), (-40, 0.42), (80, 0.28))):
        t = np.deg2rad(deg)
        phase = (xx * np.cos(t) + yy * np.sin(t) + wob[i]) / 7.5
        thick = np.clip((limit - g) * 1.9, 0, 0.62)
        line = np.abs((phase % 1) - 0.5) * 2
        page *= 1 - np.clip((thick - line) * 4 + 0.0, 0, 1) * (thick > 0.02)
    page *= np.clip((g - 0.10) * 14, 0, 1)
    page *= dog_lines(luma(x), 2.0, 40)
    page = nd.gaussian_filter(page, 0.6)
    out = paint(np.clip(page, 0, 1), (0.07, 0.06, 0.08), (0.96, 0.93, 0.85))
    return out * (1 + 0.012 * rng.standard_normal((h, w, 1)))


def woodcut(x: Picture, rng: np.random.Generator) -> Picture:
    """Lines cut along the forms, black on a tan paper with one red-brown tone block."""
    g = luma(x)
    tone = 0.6 * equal(nd.gaussian_filter(g, 2.5)) + 0.4 * nd.gaussian_filter(g, 2.5)
    lines = flow_lines(orientation(g, 9), rng, 26, 1.9)
    cut = np.clip((tone - 0.12 - 0.62 * lines) * 10 + 0.5, 0, 1)
    cut = np.where(tone < 0.15, 0, np.where(tone > 0.8, 1, cut))
    cut = np.clip((nd.gaussian_filter(cut, 1.1) - 0.5) * 6 + 0.5, 0, 1)
    second = np.clip((nd.gaussian_filter(tone, 4) - 0.55) * 14, 0, 1)[..., None]
    paper = second * np.array([0.95, 0.88, 0.72]) + (1 - second) * np.array([0.78, 0.42, 0.24])
    return cut[..., None] * paper + (1 - cut[..., None]) * np.array([0.08, 0.06, 0.06])


def pointillism(x: Picture, rng: np.random.Generator) -> Picture:
    """Round dabs of nearly pure color on a warm ground, large ones first."""
    h, w, _ = x.shape
    out = np.ones((h, w, 3), np.float32) * np.array([0.90, 0.86, 0.74], np.float32)
    smooth = nd.gaussian_filter(x, (3, 3, 0))
    mean = smooth.mean(2, keepdims=True)
    vivid = np.clip(mean + (smooth - mean) * 1.9, 0, 1)
    for radius, share in ((7.0, 0.9), (5.0, 1.5), (3.8, 1.5)):
        n = int(share * h * w / (np.pi * radius**2))
        ys, xs = rng.uniform(0, h, n), rng.uniform(0, w, n)
        for y, xx in zip(ys, xs, strict=True):
            r = radius * rng.uniform(0.8, 1.2)
            c = vivid[min(h - 1, int(y)), min(w - 1, int(xx))].copy()
            k = rng.random()
            c = c + rng.normal(0, 0.09, 3)
            if k < 0.13:
                c = 1 - c  # the complement
                c = 0.5 * c + 0.5 * vivid[int(y) % h, int(xx) % w]
            elif k < 0.3:
                c = c * 1.25 + 0.05
            elif k < 0.45:
                c = c * 0.7 + np.array([0.0, 0.0, 0.12])
            c = np.clip(c, 0, 1)
            y0, y1, x0, x1 = (
                int(max(0, y - r - 1)),
                int(min(h, y + r + 2)),
                int(max(0, xx - r - 1)),
                int(min(w, xx + r + 2)),
            )
            gy, gx = np.mgrid[y0:y1, x0:x1]
            d = np.hypot(gy - y, (gx - xx) * rng.uniform(0.85, 1.15))
            a = np.clip(r - d + 0.5, 0, 1)[..., None] * 0.95
            shade = 1 + 0.10 * ((y - gy) / r)[..., None]
            out[y0:y1, x0:x1] = out[y0:y1, x0:x1] * (1 - a) + np.clip(c * shade, 0, 1) * a
    return out


def kuwahara(x: Picture, r: int) -> Picture:
    """Edge-preserving smoothing: the mean of the most even of four windows at each pixel."""
    g = luma(x)
    best, out = np.full(g.shape, np.inf), np.zeros_like(x)
    size = r + 1
    m = nd.uniform_filter(x, (size, size, 1))
    v = nd.uniform_filter(g * g, size) - nd.uniform_filter(g, size) ** 2
    o = r // 2
    for dy in (-o, o):
        for dx in (-o, o):
            vv, mm = np.roll(v, (dy, dx), (0, 1)), np.roll(m, (dy, dx), (0, 1))
            take = vv < best
            best = np.where(take, vv, best)
            out = np.where(take[..., None], mm, out)
    return out


def watercolor(x: Picture, rng: np.random.Generator) -> Picture:
    """Transparent washes with dark rims, granulation, back-runs and bare paper."""
    h, w, _ = x.shape
    y = x
    for r in (14, 10, 8):
        y = kuwahara(y, r)
    wob = [nd.gaussian_filter(rng.standard_normal((h, w)), 6) * 40 for _ in range(2)]
    yy, xx = np.mgrid[:h, :w].astype(np.float32)
    y = np.stack(
        [nd.map_coordinates(y[..., c], [yy + wob[0], xx + wob[1]], order=1, mode="reflect") for c in range(3)], -1
    )
    mean = y.mean(2, keepdims=True)
    y = np.clip(mean + (y - mean) * 1.5, 0, 1)
    y = 1 - (1 - y) * 0.85
    density = -np.log(np.clip(y, 0.04, 1))
    rim = np.clip(edges(nd.gaussian_filter(luma(y), 1), 1.4) * 9, 0, 1)[..., None]
    pool = nd.gaussian_filter(rng.standard_normal((h, w)), 18)
    pool = 1 + 0.16 * (pool / pool.std())[..., None].clip(-2, 2)
    grain = nd.gaussian_filter(rng.standard_normal((h, w)), 1.1)
    grain = 1 + 0.10 * (grain / grain.std())[..., None].clip(-2, 2)
    density = density * pool * grain * (1 + 0.9 * rim)
    white = (equal(nd.gaussian_filter(luma(x), 5)) > 0.86)[..., None]
    density = np.where(nd.gaussian_filter(white.astype(np.float32), (2, 2, 0)) > 0.5, density * 0.12, density)
    return np.exp(-density) * np.array([0.985, 0.975, 0.945])


def stained_glass(x: Picture, rng: np.random.Generator) -> Picture:
    """Panes of one glowing color each, along the picture's forms, with black leads."""
    h, w, _ = x.shape
    g = luma(x)
    e = edges(g, 3)
    n = 520
    p = (e / e.max() * 0.7 + 0.12).ravel()
    idx = rng.choice(h * w, 3 * n, replace=False, p=p / p.sum())
    yy, xx = np.mgrid[:h, :w]
    lab = nd.gaussian_filter(x, (2, 2, 0))
    feature = np.concatenate([np.stack([yy, xx], -1) / 26.0, lab * 5.0], -1).reshape(-1, 5)
    centers = feature[idx][: 2 * n : 2]
    for _ in range(4):
        label = cKDTree(centers).query(feature)[1]
        count = np.maximum(np.bincount(label, minlength=len(centers)), 1)
        centers = np.stack([np.bincount(label, feature[:, k], len(centers)) / count for k in range(5)], 1)
    label = nd.median_filter(label.reshape(h, w), 9)
    out = np.zeros_like(x)
    count = np.maximum(np.bincount(label.ravel(), minlength=len(centers)), 1)
    color = np.stack([np.bincount(label.ravel(), x[..., c].ravel(), len(centers)) / count for c in range(3)], 1)
    light = color @ [0.299, 0.587, 0.114]
    rank = np.argsort(np.argsort(light)) / (len(light) - 1)
    m = color.mean(1, keepdims=True)
    color = m + (color - m) * 3.2
    color = color * (0.25 + 0.95 * rank[:, None]) / np.maximum(light[:, None], 0.08) * 0.62
    color = np.clip(color + rng.normal(0, 0.05, color.shape), 0.02, 1)
    same = np.ones((h, w), bool)
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        same &= label == np.roll(label, (dy, dx), (0, 1))
    distance = nd.distance_transform_edt(same)
    glow = 0.72 + 0.33 * np.clip(distance / 16, 0, 1)
    texture = nd.gaussian_filter(rng.standard_normal((h, w)), 5)
    glow = glow * (1 + 0.08 * texture / texture.std())
    out = color[label] * glow[..., None]
    lead = np.clip((distance - 2.6) * 1.2, 0, 1)[..., None]
    return np.clip(out, 0, 1) * lead + (1 - lead) * np.array([0.05, 0.05, 0.06])


def pencil(x: Picture, rng: np.random.Generator) -> Picture:
    """Graphite: soft strokes in two directions over paper grain, sharp dark contours."""
    g = luma(x)
    h, w = g.shape
    tone = 0.5 * equal(nd.gaussian_filter(g, 1.5)) + 0.5 * nd.gaussian_filter(g, 1.5)
    base = np.full((h, w), np.deg2rad(55.0)) + nd.gaussian_filter(rng.standard_normal((h, w)), 30) * 12
    a = flow_lines(base, rng, 22, 1.3)
    b = flow_lines(orientation(g, 8), rng, 16, 1.3)
    grain = equal(nd.gaussian_filter(rng.standard_normal((h, w)), 0.9))
    dark = np.clip((0.95 - tone) * 1.05, 0, 1)
    mark = dark * (0.35 + 0.75 * a) * (0.55 + 0.6 * b)
    mark = np.clip(mark * (0.75 + 0.5 * grain), 0, 1)
    line = 1 - dog_lines(g, 1.7, 30)
    v = 1 - np.clip(0.95 * mark + 0.55 * line * (0.6 + 0.5 * grain), 0, 1)
    return paint(np.clip(v, 0, 1), (0.12, 0.12, 0.14), (0.97, 0.96, 0.94))


MADE = {
    "ink_hatching": (ink, "manet_monet_family", 1),
    "woodcut": (woodcut, "vangogh_olive", 2),
    "pointillism": (pointillism, "monet_grenouillere", 3),
    "watercolor": (watercolor, "monet_parasol", 4),
    "stained_glass": (stained_glass, "gauguin_tahiti", 5),
    "pencil": (pencil, "renoir_galette", 6),
}
"""By name: the program, the painting it works from, and its seed."""

if __name__ == "__main__":
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    for name in sys.argv[3:] or MADE:
        make, base, seed = MADE[name]
        picture = read(source / f"{base}.jpg", 880)
        x = np.clip(make(picture[PAPER_EDGE:-PAPER_EDGE, PAPER_EDGE:-PAPER_EDGE], np.random.default_rng(seed)), 0, 1)
        Image.fromarray((x * 255).round().astype(np.uint8)).save(out / f"{name}.jpg", quality=93)
        print(name, x.shape, flush=True)
