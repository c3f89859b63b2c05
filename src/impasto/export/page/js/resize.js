/** Resizes pictures with a Lanczos filter, as Pillow does: rows first, rounded to 8 bits, then columns. */

const LOBES = 3;

/** A picture of another size. A picture is {width, height, data}: data is RGB, 3 bytes a pixel. */
export function resize(picture, width, height) {
  let { data } = picture;
  if (width !== picture.width) data = scaled(data, picture.height, picture.width, width, 3, picture.width * 3, width * 3);
  if (height !== picture.height) data = scaled(data, width, picture.height, height, width * 3, 3, 3);
  return { width, height, data };
}

/** Resizes so that the shorter side has `size` pixels. */
export function resizeShortSide(picture, size) {
  const { width, height } = picture;
  const short = Math.min(width, height);
  if (short === size) return picture;
  return resize(picture, Math.max(1, roundHalfEven((width * size) / short)), Math.max(1, roundHalfEven((height * size) / short)));
}

export function roundHalfEven(value) {
  const floor = Math.floor(value);
  if (value - floor === 0.5) return floor + (floor % 2);
  return Math.round(value);
}

/**
 * Resizes along one direction.
 *
 * `lines` lines of `from` values become lines of `to`; values of a line are `step` apart, and lines begin `lineIn` and
 * `lineOut` apart.
 */
function scaled(data, lines, from, to, step, lineIn, lineOut) {
  const out = new Uint8ClampedArray((data.length / from) * to);
  const { starts, weights, count } = filter(from, to);
  for (let line = 0; line < lines; line++) {
    for (let place = 0; place < to; place++) {
      const target = line * lineOut + place * step;
      let source = line * lineIn + starts[place] * step;
      let r = 0, g = 0, b = 0;
      for (let k = place * count; k < (place + 1) * count; k++, source += step) {
        const weight = weights[k];
        if (weight === 0) continue; // also beyond the end of the line
        r += weight * data[source];
        g += weight * data[source + 1];
        b += weight * data[source + 2];
      }
      out[target] = Math.floor(r + 0.5); // clamped
      out[target + 1] = Math.floor(g + 0.5);
      out[target + 2] = Math.floor(b + 0.5);
    }
  }
  return out;
}

function filter(from, to) {
  const scale = from / to;
  const stretch = Math.max(1, scale);
  const support = LOBES * stretch;
  const count = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(to);
  const weights = new Float64Array(to * count);
  for (let place = 0; place < to; place++) {
    const center = (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const last = Math.min(from, Math.trunc(center + support + 0.5));
    starts[place] = first;
    let sum = 0;
    for (let k = first; k < last; k++) sum += weights[place * count + k - first] = lanczos((k - center + 0.5) / stretch);
    for (let k = 0; k < last - first; k++) weights[place * count + k] /= sum;
  }
  return { starts, weights, count };
}

function lanczos(x) {
  if (x === 0) return 1;
  if (x <= -LOBES || x >= LOBES) return 0;
  const angle = Math.PI * x;
  return (LOBES * Math.sin(angle) * Math.sin(angle / LOBES)) / (angle * angle);
}
