/** Starts the page: the views, the theme, the keyboard. */

import { connection, get as fetchJson, remove, wait } from "./api.js";
import { $, $$, ask, attempt, confirm, el } from "./dom.js";
import { get, on, restore, set, tune } from "./state.js";
import { createControls } from "./controls.js";
import { createGallery } from "./gallery.js";
import { createHistory } from "./history.js";
import { createJobs, loadJobs } from "./jobs.js";
import { createLearn, loadStyles, takeStylePicture } from "./learn.js";
import { createLive } from "./live.js";
import { createMask } from "./mask.js";
import { createOutput, startCopy, startSave } from "./output.js";
import { addFiles, createPhotos, loadPhotos, stepPhoto, takeDrops } from "./photos.js";
import { createPreview } from "./preview.js";
import { createTheme } from "./theme.js";
import { paintGallery } from "./thumbnails.js";
import { createVideo, takeClip } from "./video.js";
import { actualSize, createViewer, fit, zoomBy } from "./viewer.js";

const VIEWS = ["paint", "learn", "video", "live"];
const NAMES = { paint: "Paint", learn: "Learn", video: "Video", live: "Live" };

function route(focus) {
  const wanted = location.hash.slice(1);
  const view = VIEWS.includes(wanted) ? wanted : "paint";
  for (const name of VIEWS) {
    $(`#view-${name}`).hidden = name !== view;
    const link = $(`.tabs a[href="#${name}"]`);
    if (name === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = view === "paint" ? "Impasto" : `${NAMES[view]} - Impasto`;
  document.body.dataset.view = view;
  set("view", view);
  if (focus && !document.activeElement?.closest(".tabs")) $("#content").focus({ preventScroll: true });
}

const SHORTCUTS = [
  ["Tab", "go from one control to the next; arrows move inside the gallery, photos and sliders"],
  ["Enter", "in the gallery: paint in this style"],
  ["M or +", "in the gallery: mix this style in, or take it out"],
  ["[ and ]", "the photo before, the next photo"],
  ["+ − 0 1", "zoom, fit, one to one"],
  ["B", "brush a mask: arrows move, Space paints, Ctrl+Z takes back, Escape ends"],
  ["S", "save"],
  ["Ctrl+C, Ctrl+V", "copy the painting, paste a photo"],
  ["Alt+1 to Alt+4", "Paint, Learn, Video, Live"],
  ["?", "this list"],
];

const ACTIONS = {
  "[": () => stepPhoto(-1),
  "]": () => stepPhoto(1),
  "+": () => zoomBy(1.25),
  "-": () => zoomBy(0.8),
  0: fit,
  1: () => actualSize(),
  b: () => $("#brush-open").click(),
  s: startSave,
};

function keyboard() {
  $("#keys").replaceChildren(...SHORTCUTS.flatMap(([key, does]) => [el("dt", {}, el("kbd", { text: key })), el("dd", { text: does })]));
  const single = $("#single-keys");
  single.checked = localStorage.getItem("impasto.keys") !== "off";
  single.addEventListener("change", () => localStorage.setItem("impasto.keys", single.checked ? "on" : "off"));
  $("#save-cancel").addEventListener("click", () => $("#save-dialog").close());
  $("#help-button").addEventListener("click", () => ask($("#help-dialog")));
  $("#forget").addEventListener("click", forget);
  document.addEventListener("keydown", (event) => {
    if ($("dialog[open]") || event.defaultPrevented) return;
    if (event.altKey && VIEWS[event.key - 1]) {
      event.preventDefault();
      location.hash = VIEWS[event.key - 1];
      return;
    }
    const typing = event.target.matches("input:not([type=range], [type=radio], [type=checkbox]), select, textarea");
    if (typing || event.altKey) return;
    if (event.ctrlKey || event.metaKey) {
      if (event.key === "c" && get("view") === "paint" && !String(getSelection())) startCopy();
      return;
    }
    if (!single.checked) return;
    if (event.key === "?") ask($("#help-dialog"));
    else if (get("view") === "paint" && get("photo") && event.key in ACTIONS) {
      event.preventDefault();
      ACTIONS[event.key]();
    }
  });
}

async function forget() {
  if (!(await confirm("Delete everything of this session?", "Photos, results and history are removed. Styles that you learned stay."))) return;
  await attempt(async () => {
    await remove("api/session");
    sessionStorage.clear();
    location.reload();
  });
}

function compareChoices() {
  const select = $("#compare");
  select.replaceChildren(el("option", { value: "", text: "the photo" }), ...get("styles").map((style) => el("option", { value: style.name, text: style.title || style.name })));
  select.value = get("against");
}

let starting = null;

/** Loads what the server has. While it does not answer, a banner says so, and it is asked again. */
function start() {
  starting ??= load().finally(() => (starting = null));
  return starting;
}

async function load() {
  for (;;) {
    try {
      const info = await fetchJson("api/info");
      set("info", info);
      if (!Object.keys(get("options").styles).length) tune(info.defaults);
      await loadStyles();
      await loadPhotos();
      await Promise.all([loadJobs(), paintGallery()]);
      $("#banner").hidden = true;
      return;
    } catch (error) {
      $("#banner").textContent = error.message;
      $("#banner").hidden = false;
      await wait(1.5);
    }
  }
}

restore();
createTheme($("#theme"));
keyboard();
createControls($("#paint-controls"), $("#label"), { mask: true, seed: true });
createViewer();
createGallery($("#gallery"));
createPhotos();
createMask();
createPreview();
createHistory();
createOutput();
createLearn();
createVideo();
createLive();
createJobs();
takeDrops({ paint: addFiles, learn: takeStylePicture, video: takeClip });
on(["styles", "against"], compareChoices);
$("#compare").addEventListener("change", (event) => set("against", event.target.value));
window.addEventListener("hashchange", () => route(true));
route(false);
for (const dialog of $$("dialog")) dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
connection.addEventListener("lost", start);
on("lost", start);
start();
