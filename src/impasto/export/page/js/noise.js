/** The noise input of networks: the numbers of impasto.painting.noise, from the same seeds. */

/**
 * Standard normal noise; channel k is drawn on a grid of spacing scales[k] and interpolated bilinearly.
 *
 * Each number depends only on the seed, the channel and its place in the grid. Returns (scales.length, rows, columns).
 */
export function smoothNoise(scales, rows, columns, seed) {
  const noise = new Float32Array(scales.length * rows * columns);
  const spare = new Map(); // numbers are drawn in pairs: the second is for the next channel of the same scale
  for (const [channel, scale] of scales.entries()) {
    const down = between(rows, scale);
    const across = between(columns, scale);
    const width = across.before[columns - 1] + 2;
    let grid = spare.get(scale);
    spare.delete(scale);
    if (!grid) {
      const [first, second] = normal(seed, channel, down.before[rows - 1] + 2, width);
      grid = first;
      spare.set(scale, second);
    }
    let place = channel * rows * columns;
    for (let y = 0; y < rows; y++) {
      const row = down.before[y] * width;
      const shareY = down.share[y];
      for (let x = 0; x < columns; x++, place++) {
        const at = row + across.before[x];
        const left = grid[at] + (grid[at + width] - grid[at]) * shareY;
        const right = grid[at + 1] + (grid[at + width + 1] - grid[at + 1]) * shareY;
        noise[place] = left + (right - left) * across.share[x];
      }
    }
  }
  return noise;
}

/** For each of `count` values, the grid point before it and the fraction. */
function between(count, scale) {
  const before = new Int32Array(count);
  const share = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const place = Math.max((i + 0.5) / scale - 0.5, 0);
    before[i] = Math.floor(place);
    share[i] = place - before[i];
  }
  return { before, share };
}

/** Two independent arrays of standard normal values, by hashing positions and Box-Muller. */
function normal(seed, channel, rows, columns) {
  const radiusCos = new Float32Array(rows * columns);
  const radiusSin = new Float32Array(rows * columns);
  multiply(Math.floor(seed / 2 ** 32) >>> 0, seed >>> 0, 0x9e3779b9, 0x7f4a7c15);
  add(0, channel + 1);
  mix();
  const [keyHigh, keyLow] = [high, low];
  for (let y = 0; y < rows; y++) {
    [high, low] = [keyHigh, keyLow];
    add(0, y);
    mix();
    const [rowHigh, rowLow] = [high, low];
    for (let x = 0; x < columns; x++) {
      multiply(0, x, 0xd1342543, 0xde82ef95);
      add(rowHigh, rowLow);
      mix();
      const share = Math.fround(Math.fround(high) * 2 ** -32 + 2 ** -33);
      const radius = Math.sqrt(-2 * Math.log(share));
      const angle = Math.fround(low) * Math.fround(2 * Math.PI * 2 ** -32);
      radiusCos[y * columns + x] = radius * Math.cos(angle);
      radiusSin[y * columns + x] = radius * Math.sin(angle);
    }
  }
  return [radiusCos, radiusSin];
}

/* Arithmetic with numbers of 64 bits, as two of 32: the result is in these. (BigInt takes ten times as long.) */
let high = 0;
let low = 0;

function multiply(aHigh, aLow, bHigh, bLow) {
  const [a0, a1, b0, b1] = [aLow & 0xffff, aLow >>> 16, bLow & 0xffff, bLow >>> 16];
  const [p00, p01, p10, p11] = [a0 * b0, a0 * b1, a1 * b0, a1 * b1];
  const middle = (p00 >>> 16) + (p01 & 0xffff) + (p10 & 0xffff);
  low = ((middle << 16) | (p00 & 0xffff)) >>> 0;
  high = (p11 + (p01 >>> 16) + (p10 >>> 16) + (middle >>> 16) + Math.imul(aHigh, bLow) + Math.imul(aLow, bHigh)) >>> 0;
}

function add(aHigh, aLow) {
  const sum = low + aLow;
  low = sum >>> 0;
  high = (high + aHigh + (sum > 0xffffffff ? 1 : 0)) >>> 0;
}

/** SplitMix64's output function (Steele, Lea, Flood 2014). */
function mix() {
  shift(30);
  multiply(high, low, 0xbf58476d, 0x1ce4e5b9);
  shift(27);
  multiply(high, low, 0x94d049bb, 0x133111eb);
  shift(31);
}

function shift(bits) {
  low = (low ^ ((low >>> bits) | (high << (32 - bits)))) >>> 0;
  high = (high ^ (high >>> bits)) >>> 0;
}

const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;
const MASK = 2n ** 128n - 1n;

/** Independent values, uniform in [0, 1), as numpy's default generator draws them. `start` is its [state, increment]. */
export function uniformNoise(count, start) {
  const noise = new Float32Array(count);
  let state = BigInt(start[0]);
  const increment = BigInt(start[1]);
  for (let i = 0; i < count; i += 2) {
    state = (state * MULTIPLIER + increment) & MASK; // PCG64, XSL-RR
    const turn = state >> 122n;
    const bits = (state >> 64n) ^ (state & 0xffffffffffffffffn);
    const drawn = BigInt.asUintN(64, (bits >> turn) | (bits << (64n - turn)));
    noise[i] = (Number(drawn & 0xffffffffn) >>> 8) * 2 ** -24;
    if (i + 1 < count) noise[i + 1] = (Number(drawn >> 32n) >>> 8) * 2 ** -24;
  }
  return noise;
}
