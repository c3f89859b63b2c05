/** Keeps the painting on the stage that of style and settings, and then the gallery's thumbnails those of the photo. */

import { $, say } from "./dom.js";
import { encode } from "./photo.js";
import { get, on, set } from "./state.js";
import { paintedImage, place, showImage } from "./viewer.js";

const SIDE = 512; // the short side at which strokes have their size, pixels
const QUICK = 224; // on a slow device, while a slider moves
const SLOW = 700; // ms
const SETTLED = 350; // ms without a change
const THUMBNAIL = 112;

let engine;
let working = false;
let held = false; // something else paints
let changed = 0;
let shown = { key: "", side: 0 };
let seconds = 0; // of the last painting at SIDE, ms
let thumbnailsOf = null;
const urls = [];

export const keyOf = () => (get("photo") ? JSON.stringify([get("photo"), get("options")]) : "");

export function createStage(painter) {
  engine = painter;
  on(["options", "photo"], update);
}

/** While something else paints, the stage waits. */
export async function holdStage(task) {
  held = true;
  try {
    return await task();
  } finally {
    held = false;
    update();
  }
}

export function update() {
  changed = performance.now();
  if (!get("photo")) return;
  if (keyOf() !== shown.key) $("#stage").dataset.state = "painting";
  if (!working && !held) work();
}

function next() {
  const key = keyOf();
  const settled = performance.now() - changed > SETTLED;
  if (key !== shown.key || (settled && shown.side < SIDE)) return { key, options: get("options"), side: seconds > SLOW && !settled ? QUICK : SIDE };
  if (shown.side < SIDE) return "wait";
  if (thumbnailsOf !== get("photo")) {
    thumbnailsOf = get("photo");
    set("thumbnails", {});
  }
  const missing = get("styles").find(({ name }) => !(name in get("thumbnails")));
  if (!missing) return null;
  return { thumbnail: missing.name, photo: get("photo"), options: { styles: { [missing.name]: 1 }, settings: { ...get("options").settings, strength: 1, stroke_size: 1, seed: 0 } }, side: THUMBNAIL };
}

async function work() {
  working = true;
  try {
    for (let task = next(); task && !held; task = next()) {
      if (task === "wait") {
        await new Promise((done) => setTimeout(done, 60));
        continue;
      }
      busy(!task.thumbnail);
      const began = performance.now();
      const image = await engine.paint(task.options, task.side);
      if (task.side === SIDE) seconds = performance.now() - began;
      const url = URL.createObjectURL(await encode(image));
      if (!task.thumbnail) await present(task, url);
      else if (task.photo === get("photo")) set("thumbnails", { ...get("thumbnails"), [task.thumbnail]: url });
    }
  } catch (error) {
    if (error.name !== "AbortError") {
      say(error.message, true);
      shown = { key: keyOf(), side: Infinity }; // it would fail again
    }
  } finally {
    working = false;
    busy(false);
  }
}

async function present({ key, side }, url) {
  if (JSON.parse(key)[0] !== get("photo")) return;
  shown = { key, side };
  showImage("painted", url);
  place();
  await paintedImage().decode().catch(() => {}); // another one came
  urls.push(url);
  if (urls.length > 3) URL.revokeObjectURL(urls.shift());
}

/** Says whether the stage is being painted, also to style sheets and tests. */
function busy(now) {
  $("#busy").hidden = !now;
  $("#stage").dataset.state = !now && shown.key === keyOf() ? "complete" : "painting";
}
