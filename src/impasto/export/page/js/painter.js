/** Paints pictures with a network, as impasto.painting.stylizer does: inputs, network, finishing. */

import { smoothNoise, uniformNoise } from "./noise.js";
import { faded, paintStrokes } from "./strokes.js";

export class Painter {
  /**
   * @param ort ONNX Runtime.
   * @param session The network, loaded.
   * @param info The network's description: sizes, noise, style_size, late_size, strength, reach, seeds.
   * @param numbers Sizes and weights of the program, see NUMBERS in impasto.export.web_page.
   * @param vectors Scales and shifts, float32: those that reproduce the photo, then those of each style.
   */
  constructor(ort, session, info, numbers, vectors) {
    const noise = session.inputMetadata.find(({ name }) => name === "noise");
    Object.assign(this, { ort, session, info, numbers, vectors, depth: noise?.shape[1], noise: { key: "" } });
  }

  /** The output for a small picture, to compare engines with. */
  async example() {
    const [width, height] = [48, 32];
    const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * 7919 + (i >> 5) * 31) % 256);
    const results = await this.session.run({ ...this.imageInputs({ width, height, data }, 0), ...this.styleInputs([[0, 1]], 1) });
    return results[this.session.outputNames[0]].data;
  }

  /** Paints {width, height, data} (RGB); `styles` is [[index, share], ...]. */
  paint(image, styles, settings, report = () => {}) {
    const fades = Boolean(this.info.style_size || this.info.strength);
    if (!fades) settings = { ...settings, strength: 1 };
    const paint = (picture, changed) => this.paintAtOwnSize(picture, styles, changed);
    return paintStrokes(image, settings, { paint, report, numbers: this.numbers, fades });
  }

  async paintAtOwnSize(image, styles, settings) {
    if (settings.strength === 0) return image;
    const feeds = { ...this.imageInputs(image, settings.seed), ...this.styleInputs(styles, settings.strength) };
    const results = await this.session.run(feeds);
    const output = results[this.session.outputNames[0]];
    const painted = finish(output, feeds.image.data, image, settings.strength, this.rows, this.columns, this.numbers.near_photo);
    for (const tensor of [...Object.values(feeds), ...Object.values(results)]) tensor.dispose?.();
    return this.info.reach ? faded(painted, image, this.numbers) : painted;
  }

  /** The inputs for a picture of any size; it is padded by reflection where the network does not take its size. */
  imageInputs({ width, height, data }, seed) {
    const fit = (size) => Math.ceil(Math.max(size, this.info.minimum_size) / this.info.multiple_of) * this.info.multiple_of;
    const [rows, columns] = [fit(height), fit(width)];
    Object.assign(this, { rows, columns });
    const batch = new Float32Array(3 * rows * columns);
    const [ys, xs] = [reflected(height, rows), reflected(width, columns)];
    for (let y = 0, place = 0; y < rows; y++)
      for (let x = 0; x < columns; x++, place++) {
        const from = 3 * (ys[y] * width + xs[x]);
        for (let c = 0; c < 3; c++) batch[c * rows * columns + place] = data[from + c] / 255;
      }
    const inputs = { image: new this.ort.Tensor("float32", batch, [1, 3, rows, columns]) };
    if (this.info.noise_channels) inputs.noise = this.noiseInput(rows, columns, seed);
    return inputs;
  }

  noiseInput(height, width, seed) {
    const { noise_channels: channels, noise_stride: stride, noise_scales: scales, seeds } = this.info;
    const [rows, columns] = [Math.ceil(height / stride), Math.ceil(width / stride)];
    const key = `${rows} ${columns} ${seed}`;
    if (this.noise.key !== key) { // frames of a camera have the same noise
      const drawn = scales.length ? smoothNoise(scales, rows, columns, seed) : uniformNoise(channels * rows * columns, seeds[seed % seeds.length]);
      const values = new Float32Array(this.depth * rows * columns); // WebGPU gets a number of channels divisible by 4
      values.set(drawn);
      this.noise = { key, values };
    }
    return new this.ort.Tensor("float32", this.noise.values, [1, this.depth, rows, columns]);
  }

  styleInputs(styles, strength) {
    if (this.info.strength) return { strength: new this.ort.Tensor("float32", [strength], [1]) };
    const { style_size: size, late_size: late } = this.info;
    if (!size) return {};
    const total = styles.reduce((sum, [, share]) => sum + share, 0);
    const values = new Float32Array(size);
    for (let i = 0; i < size; i++) {
      const photo = this.vectors[i];
      let mixed = 0;
      for (const [index, share] of styles) mixed += (share / total) * this.vectors[(1 + index) * size + i];
      const way = i < size - late ? strength : Math.min(strength, 1); // extrapolated colors would wash out
      values[i] = photo + way * (mixed - photo);
    }
    return { style: new this.ort.Tensor("float32", values, [size]) };
  }
}

/** For each of `wanted` places, the place in a line of `size` that reflection at both ends gives. */
function reflected(size, wanted) {
  const period = Math.max(1, 2 * size - 2);
  return Int32Array.from({ length: wanted }, (_, i) => {
    const at = i % period;
    return size === 1 ? 0 : at < size ? at : period - at;
  });
}

/** Pixels from the network's output: below strength 1, colors and contrast move towards the photo's. */
function finish(output, photo, { width, height }, strength, rows, columns, nearPhoto) {
  const [, , outRows, outColumns] = output.dims;
  if (outRows < height || outColumns < width) throw new Error(`The network made ${outColumns} × ${outRows} of a ${width} × ${height} picture.`);
  const painted = output.data;
  const data = new Uint8ClampedArray(3 * width * height);
  const rest = Math.max(0, 1 - strength / nearPhoto);
  for (let c = 0; c < 3; c++) {
    const [from, photoFrom] = [c * outRows * outColumns, c * rows * columns];
    let [mean, scale, wantedMean] = [0, 1, 0];
    if (strength < 1) {
      const of = moments(painted, from, outRows * outColumns);
      const ofPhoto = moments(photo, photoFrom, rows * columns);
      const share = 1 - strength;
      mean = of.mean;
      wantedMean = mean + share * (ofPhoto.mean - mean);
      scale = (of.deviation + share * (ofPhoto.deviation - of.deviation)) / (of.deviation + 1e-6);
    }
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        let value = (painted[from + y * outColumns + x] - mean) * scale + wantedMean;
        value += rest * (photo[photoFrom + y * columns + x] - value);
        data[3 * (y * width + x) + c] = 255 * value; // clamped and rounded
      }
  }
  return { width, height, data };
}

function moments(values, from, count) {
  let [sum, squares] = [0, 0];
  for (let i = from; i < from + count; i++) sum += values[i];
  const mean = sum / count;
  for (let i = from; i < from + count; i++) squares += (values[i] - mean) ** 2;
  return { mean, deviation: Math.sqrt(squares / count) };
}
