/** A mask drawn with a brush: the style is painted where it is white, the photo stays where it is black. */

import { $, $$ } from "./dom.js";
import { send } from "./api.js";
import { get, mask, on, photo, set } from "./state.js";
import { onPlace } from "./viewer.js";

const LONG = 1024; // long side of the mask, pixels
const KEY_STEP = 0.02; // of the long side

const stage = $("#stage");
const overlay = $("#mask-canvas");
const cursor = $("#brush-cursor");
const sent = new Map(); // mask: id at the server
let box = null; // the picture on the stage
let pen = null; // the stroke that is being drawn
let point = { x: 0.5, y: 0.5 }; // of the brush, as shares of width and height
let undone = [];

const empty = () => ({ strokes: [], soft: Number($("#brush-soft").value) / 100, invert: false, version: 0 });

function change(values) {
  const now = { ...(mask() ?? empty()), ...values };
  if ("strokes" in values) now.version = Date.now() + Math.random();
  set("masks", { ...get("masks"), [get("photo")]: now });
}

const isBlank = (strokes) => strokes.length === 0 || strokes.at(-1).clear;

/** Width and height of the mask of the photo that is shown. */
function maskSize(of) {
  const scale = LONG / Math.max(of.width, of.height);
  return [Math.max(1, Math.round(of.width * scale)), Math.max(1, Math.round(of.height * scale))];
}

/** Strokes as an opaque shape on a transparent canvas. */
function shapeOf(strokes, [width, height]) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.lineCap = context.lineJoin = "round";
  for (const { clear, erase, size, points } of strokes) {
    if (clear) {
      context.clearRect(0, 0, width, height);
      continue;
    }
    context.globalCompositeOperation = erase ? "destination-out" : "source-over";
    context.lineWidth = Math.max(1, size * Math.max(width, height));
    context.beginPath();
    context.moveTo(points[0] * width, points[1] * height);
    for (let at = 0; at < points.length; at += 2) context.lineTo(points[at] * width, points[at + 1] * height);
    context.stroke();
  }
  return canvas;
}

/** A box blur of a gray picture, three times: close to a Gaussian. `radius` in pixels. */
export function soften(gray, width, height, radius) {
  const lines = (from, to, count, length, step, stride) => {
    for (let line = 0; line < count; line++) {
      const start = line * stride;
      let sum = 0;
      for (let at = -radius; at <= radius; at++) sum += from[start + Math.min(length - 1, Math.max(0, at)) * step];
      for (let at = 0; at < length; at++) {
        to[start + at * step] = sum / (2 * radius + 1);
        sum += from[start + Math.min(length - 1, at + radius + 1) * step] - from[start + Math.max(0, at - radius) * step];
      }
    }
  };
  let now = Float32Array.from(gray);
  let other = new Float32Array(now.length);
  for (let pass = 0; pass < 3 && radius > 0; pass++) {
    lines(now, other, height, width, 1, width);
    lines(other, now, width, height, width, 1);
  }
  return now;
}

/** The mask as a gray PNG. */
async function pngOf(drawn, size) {
  const [width, height] = size;
  const canvas = shapeOf(drawn.strokes, size);
  const context = canvas.getContext("2d");
  const pixels = context.getImageData(0, 0, width, height);
  const alpha = new Float32Array(width * height);
  for (let at = 0; at < alpha.length; at++) alpha[at] = pixels.data[4 * at + 3];
  const gray = soften(alpha, width, height, Math.round((drawn.soft * Math.max(width, height)) / 2));
  for (let at = 0; at < gray.length; at++) {
    const value = drawn.invert ? 255 - gray[at] : gray[at];
    pixels.data.set([value, value, value, 255], 4 * at);
  }
  context.putImageData(pixels, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

/** The server's id of a photo's mask, which is sent if it is new; null if there is no mask. */
export async function maskId(of = photo()) {
  const drawn = of && get("masks")[of.id];
  if (!drawn || (isBlank(drawn.strokes) && !drawn.invert)) return null;
  const key = [of.id, drawn.version, drawn.soft, drawn.invert].join();
  if (!sent.has(key)) {
    const response = await send("api/masks", { method: "POST", body: await pngOf(drawn, maskSize(of)), type: "image/png" });
    sent.set(key, (await response.json()).id);
  }
  return sent.get(key);
}

export const hasMask = (id) => Boolean(get("masks")[id] && (!isBlank(get("masks")[id].strokes) || get("masks")[id].invert));

function draw() {
  overlay.hidden = !get("masking") || !photo();
  cursor.hidden = overlay.hidden;
  if (overlay.hidden || !box) return;
  const drawn = mask() ?? empty();
  const [width, height] = maskSize(photo());
  overlay.width = width;
  overlay.height = height;
  Object.assign(overlay.style, { width: `${box.width}px`, height: `${box.height}px`, transform: `translate(${box.left}px, ${box.top}px)`,
    filter: drawn.soft ? `blur(${(drawn.soft * Math.max(box.width, box.height)) / 2}px)` : "none", clipPath: "inset(0)" });
  const context = overlay.getContext("2d");
  const shape = shapeOf(pen ? [...drawn.strokes, pen] : drawn.strokes, [width, height]);
  context.fillStyle = getComputedStyle(overlay).color;
  overlay.classList.toggle("drawing", pen !== null);
  if (drawn.invert) {
    context.fillRect(0, 0, width, height);
    context.globalCompositeOperation = "destination-out";
    context.drawImage(shape, 0, 0);
  } else {
    context.drawImage(shape, 0, 0);
    context.globalCompositeOperation = "source-in";
    context.fillRect(0, 0, width, height);
  }
  showCursor();
}

const brushSize = () => Number($("#brush-size").value) / 100;

function showCursor() {
  const diameter = brushSize() * Math.max(box.width, box.height);
  Object.assign(cursor.style, { width: `${diameter}px`, height: `${diameter}px`,
    transform: `translate(${box.left + point.x * box.width - diameter / 2}px, ${box.top + point.y * box.height - diameter / 2}px)` });
  cursor.classList.toggle("down", pen !== null);
}

function begin() {
  pen = { erase: $('[name="brush"][value="erase"]').checked, size: brushSize(), points: [] };
  extend();
}

function extend() {
  pen?.points.push(Number(point.x.toFixed(4)), Number(point.y.toFixed(4)));
  draw();
}

function end() {
  if (!pen) return;
  const stroke = pen;
  pen = null;
  undone = [];
  change({ strokes: [...(mask()?.strokes ?? []), stroke] });
}

function pointing() {
  const move = (event) => {
    const at = stage.getBoundingClientRect();
    point = { x: (event.clientX - at.left - box.left) / box.width, y: (event.clientY - at.top - box.top) / box.height };
  };
  stage.addEventListener("pointerdown", (event) => {
    if (!get("masking") || event.button !== 0 || pen) return;
    stage.setPointerCapture(event.pointerId);
    move(event);
    begin();
  });
  stage.addEventListener("pointermove", (event) => {
    if (!get("masking") || !box) return;
    move(event);
    if (pen && event.buttons) extend();
    else showCursor();
  });
  for (const type of ["pointerup", "pointercancel"]) stage.addEventListener(type, end);
}

/** Arrows move the brush, Space lowers and lifts it. */
function keys() {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  document.addEventListener("keydown", (event) => {
    if (!get("masking") || !photo()) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      event.preventDefault();
      event.shiftKey ? redo() : undo();
    } else if (event.key === "Escape") {
      set("masking", false);
    } else if (event.target === stage && event.key in moves) {
      event.preventDefault();
      const step = KEY_STEP * (event.shiftKey ? 4 : 1) * Math.max(box.width, box.height);
      const clamp = (value) => Math.min(1, Math.max(0, value));
      point = { x: clamp(point.x + (moves[event.key][0] * step) / box.width), y: clamp(point.y + (moves[event.key][1] * step) / box.height) };
      if (pen) extend();
      else draw();
    } else if (event.target === stage && (event.key === " " || event.key === "Enter")) {
      event.preventDefault();
      pen ? end() : begin();
    }
  });
}

function undo() {
  const strokes = mask()?.strokes ?? [];
  if (!strokes.length) return;
  undone.push(strokes.at(-1));
  change({ strokes: strokes.slice(0, -1) });
}

function redo() {
  if (undone.length) change({ strokes: [...(mask()?.strokes ?? []), undone.pop()] });
}

function showBar() {
  const masking = get("masking");
  $("#mask-bar").hidden = !masking;
  $("#view-bar").hidden = masking || !photo();
  stage.classList.toggle("masking", masking);
  stage.setAttribute("aria-label", masking ? "Mask. Arrows move the brush, Space lowers and lifts it, Control Z takes a stroke back." : "Picture. Plus and minus zoom, 0 fits, 1 is full size, arrows move.");
  const drawn = mask();
  $("#mask-undo").disabled = !drawn?.strokes.length;
  $("#mask-redo").disabled = undone.length === 0;
  $("#mask-clear").disabled = !hasMask(get("photo"));
  $("#mask-invert").setAttribute("aria-pressed", String(drawn?.invert ?? false));
  $("#brush-soft").value = (drawn?.soft ?? 0.02) * 100;
  $("#brush-open span").textContent = hasMask(get("photo")) ? "Change the mask" : "Brush a mask";
  $("#brush-open").disabled = !photo();
  for (const input of [$("#brush-size"), $("#brush-soft")]) input.style.setProperty("--at", `${((input.value - input.min) / (input.max - input.min)) * 100}%`);
}

export function createMask() {
  pointing();
  keys();
  onPlace((place) => {
    box = place;
    draw();
  });
  on(["masking", "masks", "photo", "photos"], () => {
    showBar();
    draw();
  });
  on("photo", () => {
    undone = [];
    pen = null;
  });
  $("#brush-open").addEventListener("click", () => {
    set("masking", true);
    stage.focus();
  });
  $("#mask-done").addEventListener("click", () => {
    set("masking", false);
    $("#brush-open").focus({ preventScroll: true });
  });
  $("#mask-undo").addEventListener("click", undo);
  $("#mask-redo").addEventListener("click", redo);
  $("#mask-invert").addEventListener("click", () => change({ invert: !(mask()?.invert ?? false) }));
  $("#mask-clear").addEventListener("click", () => change({ strokes: [...(mask()?.strokes ?? []), { clear: true }], invert: false }));
  $("#brush-soft").addEventListener("input", () => change({ soft: Number($("#brush-soft").value) / 100 }));
  $("#brush-size").addEventListener("input", () => {
    showBar();
    if (box) showCursor();
  });
  showBar();
}
