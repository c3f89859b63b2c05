/** Saves and shares the painting at the photo's size. */

import { $, ask, download, el, icon, say } from "./dom.js";
import { encode } from "./photo.js";
import { get, photo } from "./state.js";
import { holdStage } from "./stage.js";

const SIZES = [2048, 1280, 720]; // long side
const TYPES = { jpg: "image/jpeg", png: "image/png" };
const canShare = () => navigator.canShare?.({ files: [new File([new Uint8Array(1)], "a.jpg", { type: "image/jpeg" })] }) ?? false;

export function createSave(engine) {
  $("#save").addEventListener("click", () => save(engine));
  $("#share-go").hidden = !canShare();
  $("#save-cancel").addEventListener("click", () => $("#save-dialog").close());
}

function fill() {
  const { width, height, was } = photo();
  const long = Math.max(width, height);
  const option = (size, text) => el("option", { value: Math.round((Math.min(width, height) * size) / long), text: `${text}${Math.round((width * size) / long)} × ${Math.round((height * size) / long)}` });
  $("#save-size").replaceChildren(option(long, "Full size, "), ...SIZES.filter((size) => size < long).map((size) => option(size, "")));
  const smaller = was[0] > width;
  $("#save-note").hidden = !smaller;
  if (smaller) $("#save-note").textContent = `The photo has ${was[0]} × ${was[1]} pixels. This page paints up to ${width} × ${height} of it; Impasto on a computer paints all.`;
}

async function save(engine) {
  fill();
  const how = await ask($("#save-dialog"));
  if (how !== "save" && how !== "share") return;
  const kind = $("#save-format").value;
  const card = progressCard(() => engine.stop());
  try {
    const image = await holdStage(() => engine.paint(get("options"), Number($("#save-size").value), card.show));
    const name = `${photo().name.replace(/\.[^.]*$/, "") || "photo"}-${Object.keys(get("options").styles).join("-")}.${kind}`;
    const file = new File([await encode(image, TYPES[kind])], name, { type: TYPES[kind] });
    if (how === "save") download(file, name);
    else await share(file, card);
    card.remove();
  } catch (error) {
    card.remove();
    if (error.name === "AbortError") say("Stopped.");
    else say(error.message, true);
  }
}

/** Opens the device's own dialog. It must follow a tap; if painting took longer, a button waits for one. */
async function share(file, card) {
  try {
    await navigator.share({ files: [file] });
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.name !== "NotAllowedError") throw error;
    await card.wait("Ready", "Share");
    await share(file, card);
  }
}

function progressCard(stop) {
  const title = el("p", { class: "job-title", text: "Painting" });
  const bar = el("progress", { "aria-label": "Painting" });
  const row = el("div", { class: "row" });
  const card = el("div", { class: "job", id: "saving", role: "status" }, title, bar, row, el("button", { class: "icon", "aria-label": "Stop", onclick: stop }, icon("close")));
  $("#jobs").append(card);
  return {
    show(done, total) {
      if (done === total) return;
      bar.max = total;
      bar.value = done;
      title.textContent = `Painting, step ${done + 1} of ${total}`;
    },
    wait(text, action) {
      title.textContent = text;
      bar.remove();
      return new Promise((tapped) => row.replaceChildren(el("button", { class: "primary", text: action, onclick: tapped })));
    },
    remove: () => card.remove(),
  };
}
