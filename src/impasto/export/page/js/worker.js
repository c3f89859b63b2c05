/** Paints, beside the page: loads ONNX Runtime and the networks, and answers one message at a time. */

import { Painter } from "./painter.js";
import { resizeShortSide } from "./resize.js";

let ort = null;
let page = null; // page.json
let runtime = ""; // "wasm" or "webgpu"
let binaryLoaded = null; // a promise
const painters = new Map(); // network: Promise of its Painter
const photo = { id: null, sizes: new Map() }; // short side: picture

const MOST_DIFFERENCE = 0.01; // of white, between engines

const base = new URL("../", import.meta.url);
const received = new Map(); // file: bytes, of what is loading

/** The content of a file, unpacked. Hosts may have unpacked it already. */
async function load(name, report) {
  const response = await fetch(new URL(name, base));
  if (!response.ok) throw new Error(`${name} cannot be loaded (${response.status}). Reload the page.`);
  const chunks = [];
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    chunks.push(part.value);
    received.set(name, (received.get(name) ?? 0) + part.value.length);
    report();
  }
  const packed = new Blob(chunks);
  const head = new Uint8Array(await packed.slice(0, 2).arrayBuffer());
  const stream = head[0] === 0x1f && head[1] === 0x8b ? packed.stream().pipeThrough(new DecompressionStream("gzip")) : packed.stream();
  return new Response(stream).arrayBuffer();
}

async function start(settings) {
  ({ page, runtime } = settings);
  const { script, module, binary } = page.runtimes[runtime];
  ort = await import(new URL(script, base));
  ort.env.logLevel = "error";
  // More threads need shared memory, which browsers give only to pages with isolation headers.
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
  ort.env.wasm.wasmPaths = { mjs: new URL(module, base).href };
  binaryLoaded = load(binary.file, tellLoading).then((content) => (ort.env.wasm.wasmBinary = content));
  await painterOf(Object.keys(page.networks)[0]);
}

/** The share of what the first painting needs that has come. */
function tellLoading() {
  const wanted = [page.runtimes[runtime].binary, Object.values(page.networks)[0].graph];
  const total = wanted.reduce((sum, { bytes }) => sum + bytes, 0);
  const there = wanted.reduce((sum, { file }) => sum + (received.get(file) ?? 0), 0);
  postMessage({ loading: Math.min(1, there / total) });
}

function painterOf(name) {
  if (!painters.has(name)) {
    const made = make(page.networks[name]);
    made.catch(() => painters.delete(name));
    painters.set(name, made);
  }
  return painters.get(name);
}

async function make({ graph, vectors, info }) {
  const [content, styles] = await Promise.all([load(graph.file, tellLoading), vectors ? load(vectors.file, tellLoading) : null, binaryLoaded]);
  const session = await ort.InferenceSession.create(content, { executionProviders: [runtime] });
  const painter = new Painter(ort, session, info, page.numbers, styles && new Float32Array(styles));
  if (runtime === "webgpu") await check(painter, content);
  return painter;
}

/** Refuses a graphics processor, or its driver, that computes wrongly. */
async function check(painter, content) {
  const session = await ort.InferenceSession.create(content, { executionProviders: ["wasm"] });
  const expected = await new Painter(ort, session, painter.info, page.numbers, painter.vectors).example();
  await session.release();
  const found = await painter.example();
  let worst = 0;
  for (let i = 0; i < expected.length; i++) worst = Math.max(worst, Math.abs(found[i] - expected[i]));
  postMessage({ difference: worst });
  if (!(worst <= MOST_DIFFERENCE)) throw new Error("The graphics processor computes wrongly here, and is not used.");
}

/** Paints `picture`; `options` is {styles: {name: share}, settings}. */
async function paint(picture, options, report) {
  const chosen = Object.entries(options.styles).map(([name, share]) => [page.styles.find((style) => style.name === name), share]);
  const painter = await painterOf(chosen[0][0].network);
  const painted = await painter.paint(picture, chosen.map(([style, share]) => [style.index, share]), options.settings, report);
  return toRgba(painted);
}

const ACTIONS = {
  start,
  photo({ photo: sent, id }) {
    photo.id = id;
    photo.sizes.clear();
    photo.whole = toRgb(sent);
  },
  async paint({ side, options, id }) {
    const short = Math.min(photo.whole.width, photo.whole.height);
    const size = Math.min(side || short, short);
    if (!photo.sizes.has(size)) photo.sizes.set(size, resizeShortSide(photo.whole, size));
    return paint(photo.sizes.get(size), options, (done, total) => postMessage({ id, done, total }));
  },
  frame: ({ frame, options }) => paint(toRgb(frame), options, () => {}),
};

function toRgb({ width, height, data }) {
  const rgb = new Uint8ClampedArray(3 * width * height);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    rgb[to] = data[from];
    rgb[to + 1] = data[from + 1];
    rgb[to + 2] = data[from + 2];
  }
  return { width, height, data: rgb };
}

function toRgba({ width, height, data }) {
  const rgba = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
    rgba[to] = data[from];
    rgba[to + 1] = data[from + 1];
    rgba[to + 2] = data[from + 2];
  }
  return { width, height, data: rgba };
}

let turn = Promise.resolve(); // one message at a time, in order
self.addEventListener("message", ({ data }) => {
  turn = turn.then(async () => {
    try {
      const result = await ACTIONS[data.kind](data);
      postMessage({ id: data.id, result }, result?.data ? [result.data.buffer] : []);
    } catch (error) {
      postMessage({ id: data.id, error: describe(error) });
    }
  });
});

function describe(error) {
  const text = String(error?.message ?? error);
  if (/memory|alloc|RangeError|out of bounds/i.test(`${error?.name} ${text}`)) return "There is not enough memory for this size. Choose a smaller one.";
  return text.slice(0, 300);
}
