/** Live: the camera, painted; snapshots and recordings. */

import { $, attempt, download, el, say } from "./dom.js";
import { get, on, title } from "./state.js";
import { Camera } from "./camera.js";
import { createControls } from "./controls.js";
import { createGallery } from "./gallery.js";
import { steadySlider } from "./video.js";

const RECORDINGS = ["video/mp4;codecs=avc1", "video/webm;codecs=vp9", "video/webm"];
let camera;
let recorder = null;
let meterShown = 0;

const options = () => ({ ...get("options"), steady: Number($("#live-steady").value) });
const stamp = () => new Date().toISOString().slice(0, 19).replace(/[T:]/g, "-");

function told(message) {
  const note = $("#live-note");
  if (message.error) note.textContent = message.error;
  else if (message.state === "lost") note.textContent = "The server does not answer; trying again.";
  else if (message.state === "open") note.textContent = "";
  else if (performance.now() - meterShown > 250) {
    meterShown = performance.now();
    note.textContent = "";
    if (!$("#live-screen").dataset.frames) buttons(true);
    $("#live-meter").textContent = `${message.rate.toFixed(1)} frames a second, ${Math.round(message.latency * 1000)} ms behind`;
    $("#live-screen").dataset.frames = message.number;
  }
}

async function start() {
  $("#live-start").disabled = true;
  try {
    camera.width = Number($("#live-width").value);
    camera.setOptions(options());
    await camera.start($("#live-camera").value);
    $("#live-empty").hidden = true;
    buttons(false);
    $("#live-stop").disabled = false;
    $("#live-meter").hidden = false;
    $("#live-meter").textContent = "Getting ready: this is the camera itself";
    await listCameras();
  } finally {
    $("#live-start").disabled = false;
  }
}

function stop() {
  if (recorder) record();
  camera.stop();
  $("#live-empty").hidden = false;
  $("#live-meter").hidden = true;
  buttons(false);
}

function buttons(running) {
  for (const name of ["stop", "shot", "record", "full"]) $(`#live-${name}`).disabled = !running;
  if (!running) delete $("#live-screen").dataset.frames;
}

async function listCameras() {
  const list = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
  const select = $("#live-camera");
  const chosen = select.value;
  select.replaceChildren(el("option", { value: "", text: "Default" }), ...list.map((device, index) => el("option", { value: device.deviceId, text: device.label || `Camera ${index + 1}`, selected: device.deviceId === chosen })));
}

function addShot(blob, name, node) {
  $("#live-shots").prepend(el("figure", {}, node, el("button", { class: "small", onclick: () => download(blob, name), text: "Download", "aria-label": `Download ${name}` })));
}

function snapshot() {
  if (!camera.last) return say("No picture has come yet.", true);
  const name = `impasto-${Object.keys(get("options").styles).join("-")}-${stamp()}.jpg`;
  addShot(camera.last, name, el("img", { src: URL.createObjectURL(camera.last), alt: `Snapshot in ${Object.keys(get("options").styles).map(title).join(" and ")}` }));
  say("Snapshot kept below.");
}

function record() {
  const button = $("#live-record");
  if (recorder) {
    recorder.stop();
    return;
  }
  const type = RECORDINGS.find((each) => MediaRecorder.isTypeSupported(each));
  const parts = [];
  recorder = new MediaRecorder($("#live-canvas").captureStream(30), { mimeType: type, videoBitsPerSecond: 8e6 });
  recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
  recorder.addEventListener("stop", () => {
    recorder = null;
    button.textContent = "Record";
    button.setAttribute("aria-pressed", "false");
    const blob = new Blob(parts, { type });
    const name = `impasto-${stamp()}.${type.includes("mp4") ? "mp4" : "webm"}`;
    addShot(blob, name, el("video", { src: URL.createObjectURL(blob), controls: true, playsinline: true, "aria-label": name }));
    say("Recording kept below.");
  });
  recorder.start(1000);
  button.textContent = "Stop recording";
  button.setAttribute("aria-pressed", "true");
}

export function createLive() {
  camera = new Camera($("#live-canvas"), told);
  camera.showsFirst = true;
  createGallery($("#live-gallery"));
  createControls($("#live-controls"), $("#live-label"), { mask: false, seed: false });
  const tell = () => {
    camera.setOptions(options());
    const styles = Object.entries(get("options").styles).map(([name, share]) => `${name}:${share}`);
    const { strength, stroke_size: strokes, keep_colors: colors } = get("options").settings;
    const query = new URLSearchParams([...styles.map((style) => ["style", style]), ["strength", strength], ["stroke_size", strokes], ...(colors ? [["keep_colors", colors]] : []),
      ["steady", $("#live-steady").value], ["width", $("#live-width").value], ["mirror", Number($("#live-mirror").checked)]]);
    $("#live-bare").href = `live?${query}`;
  };
  const showMirror = () => {
    camera.mirror = $("#live-mirror").checked;
    tell();
  };
  on("options", tell);
  showMirror();
  steadySlider($("#live-steady"), $("#live-steady-value"), tell);
  $("#live-start").addEventListener("click", () => attempt(start));
  $("#live-stop").addEventListener("click", stop);
  $("#live-shot").addEventListener("click", snapshot);
  $("#live-record").addEventListener("click", record);
  $("#live-full").addEventListener("click", () => (document.fullscreenElement ? document.exitFullscreen() : $("#live-screen").requestFullscreen()));
  $("#live-mirror").addEventListener("change", showMirror);
  for (const id of ["#live-camera", "#live-width"]) $(id).addEventListener("change", () => {
    tell();
    if (camera.running) attempt(start);
  });
  on("view", (view) => view !== "live" && camera.running && stop());
}
