/** What was painted in this session: each painting that came to rest, newest first. One press brings its settings back. */

import { $, el, rove, keepOneStop } from "./dom.js";
import { get, on, set, title } from "./state.js";
import { onSettled } from "./preview.js";
import { paintedImage } from "./viewer.js";

const MOST = 30;
const HEIGHT = 96; // of a thumbnail, pixels

const same = (entry, photo, options) => entry.photo === photo && JSON.stringify(entry.options) === JSON.stringify(options);

async function remember() {
  const options = get("options");
  const photo = get("photo");
  if (!photo || get("masking") || get("history").some((entry) => same(entry, photo, options))) return;
  const image = paintedImage();
  try {
    await image.decode();
  } catch {
    return; // another picture took its place
  }
  const canvas = document.createElement("canvas");
  canvas.height = HEIGHT;
  canvas.width = Math.max(1, Math.round((HEIGHT * image.naturalWidth) / image.naturalHeight));
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  if (get("options") !== options || get("photo") !== photo) return;
  set("history", [{ photo, options, thumbnail: canvas.toDataURL("image/jpeg", 0.7) }, ...get("history")].slice(0, MOST));
}

function restore(entry) {
  if (get("photos").some(({ id }) => id === entry.photo)) set("photo", entry.photo);
  set("options", entry.options);
}

function describe({ options: { styles, settings } }) {
  const total = Object.values(styles).reduce((sum, share) => sum + share, 0);
  const names = Object.entries(styles).map(([name, share]) => (share < total ? `${title(name)} ${Math.round((100 * share) / total)} %` : title(name)));
  const parts = [names.join(" + "), `strength ${Math.round(settings.strength * 100)} %`];
  if (settings.stroke_size !== 1) parts.push(`strokes ${settings.stroke_size} ×`);
  if (settings.keep_colors) parts.push(settings.keep_colors === "match" ? "blended colors" : "the photo’s colors");
  return parts.join(", ");
}

function show() {
  const host = $("#history");
  const entries = get("history");
  const focused = host.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  host.hidden = entries.length < 2;
  host.replaceChildren(el("p", { class: "count", text: "History" }),
    ...entries.map((entry) => el("button", { class: "thumb", "aria-label": describe(entry), title: describe(entry), "aria-pressed": String(same(entry, get("photo"), get("options"))), onclick: () => restore(entry) },
      el("img", { src: entry.thumbnail, alt: "", draggable: "false" }))));
  keepOneStop(host, ".thumb", (button) => button.getAttribute("aria-pressed") === "true");
  if (focused) $(`[aria-label="${CSS.escape(focused)}"]`, host)?.focus();
}

export function createHistory() {
  rove($("#history"), ".thumb");
  onSettled(remember);
  on(["history", "options", "photo"], show);
  show();
}
