/** The picture: zoom, pan, and the comparison of two versions of it, over each other or side by side. */

import { $, $$ } from "./dom.js";
import { get, on, photo, set, title } from "./state.js";

const MOST_ZOOM = 8;
const MARGIN = 0.96;
const LEAST_SIDE = 16; // the server paints nothing smaller or larger
const MOST_SIDE = 4096;
const THUMB = 44; // width of the divider's handle, as in the style sheet

const view = { scale: null, x: 0, y: 0 }; // scale: screen pixels for one of the photo, null: fit; x, y: center, photo pixels
const stage = $("#stage");
const panes = { painted: $("#pane-painted"), before: $("#pane-before") };
const images = { painted: $("#painted"), before: $("#before") };
const divider = $("#divider");
const placed = [];

/** Calls `listener` with {left, top, width, height, scale} of the painted picture on the stage after each change. */
export const onPlace = (listener) => placed.push(listener);

/** The short side in pixels that the stage can show now: a power of two, or the photo's own. */
export function neededSide() {
  const shown = photo();
  if (!shown) return 0;
  const short = Math.min(shown.width, shown.height);
  const pixels = short * scaleNow() * devicePixelRatio;
  return Math.max(LEAST_SIDE, Math.min(short, MOST_SIDE, 2 ** Math.ceil(Math.log2(pixels * 0.9))));
}

export function showImage(which, url) {
  const image = images[which];
  if (image.getAttribute("src") === url) return;
  if (url) image.src = url;
  else image.removeAttribute("src");
}

export const paintedImage = () => images.painted;

/** The size of a pane. Two of them are side by side, or one above the other (`upright`): as the picture is larger. */
function paneSize() {
  const shown = photo();
  const half = get("mode") === "side" && !get("masking");
  const { clientWidth: width, clientHeight: height } = stage;
  const upright = Math.min(width / shown.width, height / 2 / shown.height) > Math.min(width / 2 / shown.width, height / shown.height);
  return { width: half && !upright ? width / 2 : width, height: half && upright ? height / 2 : height, upright, half };
}

function fitScale() {
  const shown = photo();
  const { width, height } = paneSize();
  return Math.min((width * MARGIN) / shown.width, (height * MARGIN) / shown.height, MOST_ZOOM);
}

const scaleNow = () => view.scale ?? fitScale();

/** Puts both pictures where they belong. */
export function place() {
  const shown = photo();
  if (!shown || !stage.clientWidth) return;
  const { width, height, upright, half } = paneSize();
  const scale = scaleNow();
  const w = shown.width * scale;
  const h = shown.height * scale;
  view.x = w <= width ? shown.width / 2 : Math.min(Math.max(view.x, width / 2 / scale), shown.width - width / 2 / scale);
  view.y = h <= height ? shown.height / 2 : Math.min(Math.max(view.y, height / 2 / scale), shown.height - height / 2 / scale);
  const left = width / 2 - view.x * scale;
  const top = height / 2 - view.y * scale;
  for (const [name, pane] of Object.entries(panes)) {
    const second = half && name === "painted";
    pane.style.inset = half ? (upright ? (second ? "50% 0 0 0" : "0 0 50% 0") : second ? "0 0 0 50%" : "0 50% 0 0") : "0";
    images[name].style.width = `${w}px`;
    images[name].style.height = `${h}px`;
    images[name].style.transform = `translate(${left}px, ${top}px)`;
    images[name].style.imageRendering = scale * devicePixelRatio >= 3 ? "pixelated" : "auto";
  }
  split({ left, top, width: w, height: h });
  captions({ left, top, width: w });
  const percent = Math.round(scale * devicePixelRatio * 100);
  $("#zoom-value").textContent = `${percent} %`;
  for (const listener of placed) listener({ left, top, width: w, height: h, scale });
}

/** The divider lies over the part of the picture that is on the stage, so that its handle never leaves it. */
function split(box) {
  const comparing = get("mode") === "slider" && !get("masking");
  divider.hidden = !comparing;
  panes.before.hidden = get("masking") || get("mode") === "single";
  const left = Math.max(0, box.left);
  const right = Math.min(stage.clientWidth, box.left + box.width);
  const top = Math.max(0, box.top);
  const bottom = Math.min(stage.clientHeight, box.top + box.height);
  divider.style.left = `${left - THUMB / 2}px`;
  divider.style.width = `${Math.max(THUMB, right - left + THUMB)}px`;
  divider.style.top = `${top}px`;
  divider.style.height = `${Math.max(0, bottom - top)}px`;
  const cut = left + ((right - left) * divider.value) / 100 - box.left;
  images.before.style.clipPath = comparing ? `inset(0 ${Math.max(0, box.width - cut)}px 0 0)` : "none";
  divider.setAttribute("aria-valuetext", `${Math.round(divider.value)} % ${get("against") ? title(get("against")) : "photo"}`);
}

/** Each caption lies in a corner of its picture, as far as that is on the stage. */
function captions(box) {
  const { width, height, upright, half } = paneSize();
  const names = { before: get("against") ? title(get("against")) : "Photo", after: Object.keys(get("options").styles).map(title).join(" + ") };
  const hidden = { before: divider.value < 18, after: divider.value > 82 };
  for (const [which, text] of Object.entries(names)) {
    const caption = $(`#caption-${which}`);
    caption.textContent = text;
    caption.hidden = get("mode") === "single" || get("masking") || (!half && hidden[which]);
    const outside = which === "before" ? box.left : width - box.left - box.width;
    caption.style.setProperty("--inset", `${Math.max(0, outside) + 10}px`);
    caption.style.setProperty("--most", `${(Math.min(width, box.width) / (half ? 1 : 2)) - 18}px`);
    caption.style.setProperty("--top", `${Math.max(0, box.top) + 10 + (half && upright && which === "after" ? height : 0)}px`);
  }
}

/** Zooms to a scale (null: fit) around a point of the stage. */
function zoomTo(scale, at = null) {
  const shown = photo();
  if (!shown) return;
  const { width, height } = paneSize();
  const from = scaleNow();
  const least = Math.min(fitScale(), 1 / devicePixelRatio);
  const to = scale === null ? null : Math.min(Math.max(scale, least), MOST_ZOOM / devicePixelRatio);
  const point = at ? { x: at.x % width, y: at.y % height } : { x: width / 2, y: height / 2 };
  if (to !== null) {
    view.x += (point.x - width / 2) * (1 / from - 1 / to);
    view.y += (point.y - height / 2) * (1 / from - 1 / to);
  }
  view.scale = to !== null && Math.abs(to / fitScale() - 1) < 0.01 ? null : to;
  set("zoomed", [view.scale]);
  place();
}

export const fit = () => zoomTo(null);
export const actualSize = (at) => zoomTo(1 / devicePixelRatio, at);
export const zoomBy = (factor, at) => zoomTo(scaleNow() * factor, at);

function pan(dx, dy) {
  view.x -= dx / scaleNow();
  view.y -= dy / scaleNow();
  place();
}

/** Whether all of the picture is on the stage: then there is nothing to pan, and a drag moves the divider. */
const fits = () => scaleNow() <= fitScale() * 1.001;

function slide(x) {
  if (get("mode") !== "slider" || get("masking")) return;
  const left = parseFloat(divider.style.left) + THUMB / 2;
  divider.value = ((x - left) / (parseFloat(divider.style.width) - THUMB)) * 100;
  place();
}

const pointers = new Map();
const at = (event) => {
  const box = stage.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
};

function pointing() {
  stage.addEventListener("pointerdown", (event) => {
    if (event.target === divider || (get("masking") && pointers.size === 0 && event.button === 0)) return;
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
  });
  stage.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    pointers.set(event.pointerId, now);
    if (pointers.size === 1) return fits() ? slide(now.x) : pan(now.x - before.x, now.y - before.y);
    const other = [...pointers.entries()].find(([id]) => id !== event.pointerId)[1];
    const spread = (point) => Math.hypot(point.x - other.x, point.y - other.y);
    zoomBy(spread(now) / Math.max(1, spread(before)), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
    pan((now.x - before.x) / 2, (now.y - before.y) / 2);
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, (event) => pointers.delete(event.pointerId));
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), at(event));
  }, { passive: false });
  stage.addEventListener("dblclick", (event) => {
    if (event.target !== divider && !get("masking")) view.scale === null ? actualSize(at(event)) : fit();
  });
}

function keys() {
  const step = 60;
  const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
  stage.addEventListener("keydown", (event) => {
    if (event.target !== stage || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in moves && !get("masking")) pan(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") zoomBy(1.25);
    else if (event.key === "-") zoomBy(0.8);
    else if (event.key === "0") fit();
    else if (event.key === "1") actualSize();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

export function createViewer() {
  pointing();
  keys();
  divider.addEventListener("input", place);
  $("#zoom-in").addEventListener("click", () => zoomBy(1.25));
  $("#zoom-out").addEventListener("click", () => zoomBy(0.8));
  $("#zoom-fit").addEventListener("click", fit);
  $("#zoom-one").addEventListener("click", () => actualSize());
  for (const radio of $$('[name="mode"]')) {
    radio.checked = radio.value === get("mode");
    radio.addEventListener("change", () => set("mode", radio.value));
  }
  on(["mode", "options", "against", "masking", "view", "photos"], place);
  on("photo", () => {
    view.scale = null;
    place();
  });
  new ResizeObserver(place).observe(stage);
}
