/**
 * Keeps the pictures on the stage those of the style and settings: small while these change, then as large as the stage
 * can show.
 *
 * One request runs at a time, so the newest always gets its turn, and a drag of a slider shows what comes on the way.
 */

import { picture, wait } from "./api.js";
import { $, say } from "./dom.js";
import { get, mask, on, photo, set } from "./state.js";
import { maskId } from "./mask.js";
import { neededSide, place, showImage } from "./viewer.js";

const QUICK = 512;
const SETTLED = 350; // ms without a change
const KEPT = 24; // pictures

const cache = new Map(); // key and side: url
const shown = { painted: { key: "", side: 0 }, before: { key: "", side: 0 } };
const settledListeners = [];
let changed = 0;
let wake = () => {};
let working = false;
let running = null; // {key, large, abort}

/** Calls `listener` when the painting on the stage is complete and at the size of the stage. */
export const onSettled = (listener) => settledListeners.push(listener);

const stylesOf = (which) => (which === "painted" ? get("options").styles : { [get("against")]: 1 });

/** What is on the stage is equal if and only if its key is. */
function keyOf(which) {
  const styles = stylesOf(which);
  if (!photo() || !Object.keys(styles).length || !get("styles").length) return "";
  if (which === "before" && !get("against")) return `photo ${get("photo")}`;
  const drawn = mask();
  return JSON.stringify([get("photo"), styles, get("options").settings, drawn ? [drawn.version, drawn.soft, drawn.invert] : null]);
}

export function createPreview() {
  on(["options", "photo", "photos", "against", "masks", "styles", "zoomed"], update);
  on(["mode", "masking"], update);
  new ResizeObserver(update).observe($("#stage"));
}

/** Ends with the next change, or when there was none for a while. */
function rest() {
  return new Promise((done) => {
    wake = done;
    setTimeout(done, Math.max(0, SETTLED - (performance.now() - changed)) + 1);
  });
}

function update() {
  changed = performance.now();
  wake();
  $("#stage").dataset.state = "painting";
  const photoKey = keyOf("before");
  if (photoKey.startsWith("photo ")) showPhoto(photoKey);
  for (const which of ["painted", "before"]) {
    const key = keyOf(which);
    if (key !== shown[which].key) fromCache(which, key);
  }
  if (running && running.key !== keyOf(running.which) && running.large) running.abort.abort();
  if (!working) work();
}

function showPhoto(key) {
  const side = neededSide();
  if (shown.before.key === key && shown.before.side >= side) return;
  shown.before = { key, side };
  showImage("before", `api/photos/${get("photo")}?side=${side}`);
}

function fromCache(which, key) {
  for (const side of [neededSide(), QUICK]) {
    const url = cache.get(`${key} ${side}`);
    if (url) {
      present(which, key, side, url);
      return;
    }
  }
  if (which === "painted" && key) placeholder();
}

/** Until the first painting comes: the thumbnail of the gallery, which is the same at fewer pixels, or the photo. */
function placeholder() {
  const now = JSON.parse(keyOf("painted"));
  if (shown.painted.photo === now[0]) return; // what is on the stage is nearer than a thumbnail
  shown.painted = { key: "", side: 0, photo: now[0] };
  showImage("painted", get("thumbnails")[Object.keys(now[1])[0]] ?? `api/photos/${now[0]}?side=512`);
}

/** Says whether the stage is still being painted, also to style sheets and tests. */
function busy(now) {
  $("#busy").hidden = !now;
  $("#stage").dataset.state = now ? "painting" : "complete";
}

/** The next picture to ask for, or null if all is there. */
function next() {
  const settled = performance.now() - changed > SETTLED;
  const sides = settled ? [QUICK, neededSide()] : [QUICK];
  for (const side of sides)
    for (const which of ["painted", "before"]) {
      const key = keyOf(which);
      if (!key || key.startsWith("photo ")) continue;
      const wanted = Math.max(16, Math.min(side, photo().width, photo().height));
      if (shown[which].key !== key || shown[which].side < wanted) return { which, key, side: wanted, large: wanted > QUICK };
    }
  return settled ? null : "wait";
}

async function work() {
  working = true;
  let failures = 0;
  try {
    for (let task = next(); task; task = next()) {
      if (task === "wait") {
        await rest();
        continue;
      }
      busy(true);
      try {
        await paint(task);
        failures = 0;
      } catch (error) {
        if (error.name === "AbortError" || task.key !== keyOf(task.which)) continue;
        if (error.status === 409 || error.status === 429 || error.status === 503 || error.status === 0) {
          failures += 1;
          if (failures > 1 && error.status !== 409) say(error.message, true);
          await wait(Math.min(5, 0.3 * 2 ** failures));
          continue;
        }
        say(error.message, true);
        if (error.status === 404) set("lost", performance.now());
        shown[task.which] = { key: task.key, side: Infinity }; // it would fail again
      }
    }
  } finally {
    working = false;
    busy(false);
  }
  if (photo() && shown.painted.key === keyOf("painted") && shown.painted.side < Infinity)
    for (const listener of settledListeners) listener();
}

async function paint({ which, key, side, large }) {
  const abort = new AbortController();
  running = { which, key, large, abort };
  try {
    const body = { photo: get("photo"), styles: stylesOf(which), settings: get("options").settings, side };
    const drawn = await maskId();
    if (drawn) body.mask = drawn;
    if (key !== keyOf(which)) return;
    const url = URL.createObjectURL(await picture("api/preview", body, abort.signal));
    remember(`${key} ${side}`, url);
    const wanted = keyOf(which);
    if (key === wanted || (shown[which].key !== wanted && JSON.parse(key)[0] === get("photo"))) present(which, key, side, url);
  } finally {
    running = null;
  }
}

function present(which, key, side, url) {
  shown[which] = { key, side, photo: JSON.parse(key)[0] };
  showImage(which, url);
  place();
}

function remember(name, url) {
  cache.set(name, url);
  if (cache.size <= KEPT) return;
  const [oldest, old] = cache.entries().next().value;
  cache.delete(oldest);
  setTimeout(() => URL.revokeObjectURL(old), 30000);
}
