/** Starts the page: its styles, the photo, the engine, the app that it can become. */

import { createCamera, openCamera } from "./camera.js";
import { createControls } from "./controls.js";
import { $, $$, attempt, say } from "./dom.js";
import { Engine } from "./engine.js";
import { createGallery } from "./gallery.js";
import { encode, readPhoto, takeFiles } from "./photo.js";
import { createSave } from "./save.js";
import { createStage, update } from "./stage.js";
import { get, on, restore, set } from "./state.js";
import { createTheme } from "./theme.js";
import { actualSize, createViewer, fit, showImage, zoomBy } from "./viewer.js";

const DEFAULTS = { strength: 1, stroke_size: 1, crisp: null, keep_colors: null, seed: 0 };

let engine;
let count = 0; // photos
let beforeUrl = "";

/** Shows a photo, and paints it. */
async function show(file, name = file.name) {
  const { image, width, height, was } = await readPhoto(file);
  const url = URL.createObjectURL(await encode(image, "image/jpeg"));
  engine.setPhoto(image);
  const id = `photo ${++count}`;
  set("photos", [{ id, name: name || "photo", width, height, was }]);
  set("photo", id);
  $("#welcome").hidden = true;
  $("#stage").hidden = $("#view-bar").hidden = false;
  showImage("before", url);
  showImage("painted", url); // until the painting comes
  URL.revokeObjectURL(beforeUrl);
  beforeUrl = url;
}

function choose() {
  const input = Object.assign(document.createElement("input"), { type: "file", accept: "image/*" });
  input.addEventListener("change", () => input.files[0] && attempt(() => show(input.files[0])));
  input.click();
}

function told({ loading, ready, refused, difference }) {
  if (ready) keepForLater();
  if (difference !== undefined) $("#webgpu").dataset.difference = difference;
  if (refused) {
    $("#webgpu").checked = false;
    localStorage.removeItem("impasto.webgpu");
    say(refused, true);
    update();
  }
  if (loading !== undefined) $("#busy").textContent = loading < 1 ? `Loading, ${Math.round(loading * 100)} %` : "Painting";
}

/** The styles that are kept from the last visit, as far as this page has them. */
function checkOptions(styles) {
  const kept = Object.entries(get("options").styles).filter(([name]) => styles.some((style) => style.name === name));
  set("options", { styles: Object.fromEntries(kept.length ? kept : [[styles[0].name, 1]]), settings: { ...DEFAULTS, ...get("options").settings, keep_colors: null } });
}

/** A switch for WebGPU, where there is an adapter and the page has what it needs. */
async function offerWebgpu(page) {
  const box = $("#webgpu");
  if (!page.runtimes.webgpu || !("Suspending" in WebAssembly)) return;
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  if (!adapter) return;
  $("#webgpu-row").hidden = false;
  $("#webgpu-size").textContent = `loads ${(page.runtimes.webgpu.binary.bytes / 1e6).toFixed(1)} MB once`;
  const choose = (on) => {
    engine.use(on ? "webgpu" : "wasm");
    localStorage.setItem("impasto.webgpu", on ? "on" : "");
    engine.start(); // it is loaded and checked now, not with the next painting
    update();
  };
  box.checked = localStorage.getItem("impasto.webgpu") === "on";
  if (box.checked) choose(true);
  box.addEventListener("change", () => choose(box.checked));
}

/** The page works without a network from now on. What the painter has loaded by now is not loaded again for it. */
function keepForLater() {
  if ("serviceWorker" in navigator && isSecureContext) navigator.serviceWorker.register("sw.js").catch(() => {}); // in a private window
}

/** Browsers offer to install the page as an app. */
function offerInstall() {
  let prompt = null;
  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    prompt = event;
    $("#install").hidden = false;
  });
  $("#install").addEventListener("click", async () => {
    await prompt?.prompt();
    $("#install").hidden = true;
  });
}

function keyboard() {
  const actions = { "+": () => zoomBy(1.25), "-": () => zoomBy(0.8), 0: fit, 1: () => actualSize(), s: () => $("#save").click() };
  addEventListener("keydown", (event) => {
    const typing = event.target.matches("input:not([type=range], [type=radio], [type=checkbox]), select");
    if (typing || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]") || !get("photo")) return;
    if (event.key in actions) {
      event.preventDefault();
      actions[event.key]();
    }
  });
}

async function start() {
  restore();
  set("photo", null);
  set("against", "");
  createTheme($("#theme"));
  offerInstall();
  const page = await (await fetch("page.json")).json();
  engine = new Engine(page, told);
  set("info", { defaults: DEFAULTS });
  checkOptions(page.styles);
  set("styles", page.styles);
  const painted = page.styles.find(({ name }) => name in get("options").styles).example;
  if (painted) Object.assign($("#easel-painted"), { src: painted, onload: ({ target }) => target.classList.add("loaded") });
  createControls($("#paint-controls"), $("#label"), { colors: false });
  createViewer();
  createGallery($("#gallery"));
  createStage(engine);
  createSave(engine);
  createCamera(engine, (picture) => show(picture, "camera"));
  takeFiles((file) => file && attempt(() => show(file)));
  keyboard();
  for (const button of $$("[data-add=files]")) button.addEventListener("click", choose);
  for (const button of $$("[data-add=camera]")) button.addEventListener("click", () => attempt(openCamera));
  $("#try-example").addEventListener("click", () => attempt(async () => show(await (await fetch("example.webp")).blob(), "example")));
  on("photo", () => { $("#save").disabled = !get("photo"); });
  document.body.dataset.state = "ready";
  await offerWebgpu(page);
  engine.start();
}

start().catch((error) => say(error.message, true));
