/** Paints at the size that gives strokes their size, and enlarges the painting: impasto.painting.strokes. */

import { resize, resizeShortSide, roundHalfEven } from "./resize.js";

/** The size for the requested stroke size. `numbers` are the program's own, from page.json. */
function workingCopy(image, settings, numbers) {
  const short = Math.min(image.width, image.height);
  const largest = Math.max(short, Math.floor(short * Math.sqrt(numbers.whole_pixels / (image.width * image.height))));
  const wanted = Math.max(Math.min(short, numbers.least_side), roundHalfEven(Math.min(short, numbers.strokes_at) / settings.stroke_size));
  return resizeShortSide(image, Math.min(wanted, largest));
}

/** The sizes to which a painting is enlarged, and whether it is painted again at each. The last is the picture's own. */
function steps(small, image, settings) {
  if (small === image) return [];
  const factor = Math.min(image.width, image.height) / Math.min(small.width, small.height);
  let count = factor > 1 && settings.crisp !== false ? roundHalfEven(Math.log2(factor)) : 0;
  if (settings.crisp && factor > 1) count = Math.max(1, count);
  const found = [];
  for (let step = 1; step < count; step++) {
    const short = roundHalfEven(Math.min(image.width, image.height) * factor ** (step / count - 1));
    found.push({ larger: () => resizeShortSide(image, short), again: true });
  }
  found.push({ larger: () => image, again: count > 0 });
  return found;
}

/**
 * Paints a picture.
 *
 * `paint(image, settings)` paints at the picture's own size. `report(done, total)` is told about each painting.
 * `fades`: whether it can paint in strengths below 1.
 */
export async function paintStrokes(image, settings, { paint, report, numbers, fades }) {
  let small = workingCopy(image, settings, numbers);
  const rest = steps(small, image, settings);
  const total = 1 + rest.filter(({ again }) => again).length;
  let done = 0;
  let painted = await paint(small, settings);
  report(++done, total);
  for (const { larger, again } of rest) {
    const next = larger();
    painted = enlarged(painted, small, next, settings, numbers);
    if (again) {
      painted = await paint(painted, { ...settings, strength: (fades ? numbers.again : 1) * Math.min(settings.strength, 1) });
      report(++done, total);
    }
    small = next;
  }
  return painted;
}

/** Enlarges a painted small copy to the picture's size, and adds some of the detail that scaling down lost. */
function enlarged(painted, small, image, settings, numbers) {
  const { width, height } = image;
  const large = resize(painted, width, height);
  const coarse = resize(small, width, height).data;
  const share = 1 - (1 - numbers.detail) * Math.min(1, settings.strength);
  const data = new Uint8ClampedArray(large.data.length); // it clamps and rounds
  for (let i = 0; i < data.length; i++) data[i] = large.data[i] + share * (image.data[i] - coarse[i]);
  return { width, height, data };
}

/** Blends the painting with a photo that has almost no contrast: normalization would amplify its noise. */
export function faded(painted, image, numbers) {
  const share = presence(image, numbers);
  if (share === 1) return painted;
  const data = new Uint8ClampedArray(painted.data.length);
  for (let i = 0; i < data.length; i++) data[i] = image.data[i] + share * (painted.data[i] - image.data[i]);
  return { ...painted, data };
}

function presence({ width, height, data }, numbers) {
  const [down, across] = [height, width].map((size) => Math.max(1, Math.floor(size / numbers.sampled)));
  let deviation = 0;
  for (let channel = 0; channel < 3; channel++) {
    let [count, sum, squares] = [0, 0, 0];
    for (let y = 0; y < height; y += down)
      for (let x = 0; x < width; x += across) {
        const value = data[3 * (y * width + x) + channel];
        count += 1;
        sum += value;
        squares += value * value;
      }
    deviation = Math.max(deviation, Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2)));
  }
  const share = Math.min(1, Math.max(0, (deviation - numbers.blank) / (numbers.full - numbers.blank)));
  return share * share * (3 - 2 * share);
}
