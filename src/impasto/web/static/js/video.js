/** Video: choose style and settings on one frame, paint the whole clip, download it. */

import { finished, picture, post, upload, wait } from "./api.js";
import { $, attempt, clock, download, el, icon, say } from "./dom.js";
import { get, on } from "./state.js";
import { basics, showCards, summary, track } from "./jobs.js";
import { createControls } from "./controls.js";
import { createGallery } from "./gallery.js";

const KEY = "impasto.video";
const SIDE = 640;
let clip = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
let shown = ""; // the clip, frame and options on the screen
let working = false;

/** Takes the first of these files as the clip. */
export const takeClip = (files) => files[0] && attempt(() => send(files[0]));

async function send(file) {
  const form = new FormData();
  form.append("file", file);
  const hint = $("#video-hint");
  try {
    clip = await upload("api/videos", form, (share) => (hint.textContent = share < 1 ? `Sending ${Math.round(share * 100)} %` : "Reading the clip"));
  } finally {
    hint.textContent = "Choose a clip";
  }
  sessionStorage.setItem(KEY, JSON.stringify(clip));
  showClip();
}

function showClip() {
  $("#video-drop").hidden = clip !== null;
  $("#video-work").hidden = clip === null;
  if (!clip) return;
  const length = clip.frames === null ? [] : [clip.seconds < 10 ? `${clip.seconds.toFixed(1)} s` : clock(clip.seconds), `${clip.frames} frames`];
  $("#video-facts").textContent = `${clip.name}: ${[`${clip.width} × ${clip.height}`, ...length].join(", ")}`;
  $("#view-video .screen").style.aspectRatio = `${clip.width} / ${clip.height}`;
  shown = "";
  update();
}

/** The newest options get their turn when the ones before are on the screen. */
async function update() {
  if (working || !clip || get("view") !== "video") return;
  working = true;
  $("#video-busy").hidden = false;
  try {
    for (;;) {
      const at = Number($("#video-at").value);
      const key = JSON.stringify([clip.id, at, get("options")]);
      if (key === shown || !Object.keys(get("options").styles).length) return;
      $("#video-before").src = `api/videos/${clip.id}/frame?at=${at}&side=${SIDE}`;
      shown = key;
      try {
        const url = URL.createObjectURL(await picture("api/video-preview", { video: clip.id, at, side: SIDE, ...get("options") }));
        URL.revokeObjectURL($("#video-painted").src);
        $("#video-painted").src = url;
      } catch (error) {
        if (error.status === 404) {
          forget();
          throw new Error("The clip is not here any more: drop it again.");
        }
        if (error.status !== 409) throw error;
        await wait(0.3);
        shown = "";
      }
    }
  } catch (error) {
    say(error.message, true);
  } finally {
    working = false;
    $("#video-busy").hidden = true;
  }
}

function forget() {
  clip = null;
  sessionStorage.removeItem(KEY);
  showClip();
}

async function start() {
  const body = { video: clip.id, ...get("options"), steady: Number($("#video-steady").value) };
  if ($("#video-size").value) body.size = Number($("#video-size").value);
  const { job } = await post("api/video", body);
  track(job);
  $("#video-jobs").scrollIntoView({ behavior: "smooth", block: "nearest" });
}

function videoCard(card, job) {
  const buttons = basics(card, job, "Painting the clip");
  if (!finished(job) || buttons.firstChild || !job.results?.length) return;
  const [result] = job.results;
  buttons.before(el("video", { src: `${result.url}?inline=1`, controls: true, playsinline: true, preload: "metadata", "aria-label": `Painted: ${result.name}` }));
  buttons.append(summary(job), el("button", { class: "small primary", onclick: () => download(result.url, result.name) }, icon("download"), "Download"));
}

function showDivider() {
  const at = $("#video-divider").value;
  $("#video-before").style.clipPath = `inset(0 ${100 - at}% 0 0)`;
  $("#video-divider").setAttribute("aria-valuetext", `${Math.round(at)} % of the clip`);
}

/** A slider with a number beside it. */
export function steadySlider(input, output, changed = () => {}) {
  const show = () => {
    output.textContent = Number(input.value) === 0 ? "off" : Number(input.value).toFixed(2);
    input.style.setProperty("--at", `${input.value * 100}%`);
    changed();
  };
  input.addEventListener("input", show);
  show();
}

export function createVideo() {
  createGallery($("#video-gallery"));
  createControls($("#video-controls"), $("#video-label"), { mask: false, seed: false });
  $("#video-file").addEventListener("change", (event) => takeClip([...event.target.files]));
  $("#video-start").addEventListener("click", () => attempt(start));
  $("#video-other").addEventListener("click", forget);
  $("#video-divider").addEventListener("input", showDivider);
  const frame = $("#video-at");
  frame.addEventListener("input", () => {
    frame.style.setProperty("--at", `${frame.value * 100}%`);
    frame.setAttribute("aria-valuetext", clip ? clock(frame.value * clip.seconds) : "");
    update();
  });
  frame.style.setProperty("--at", `${frame.value * 100}%`);
  steadySlider($("#video-steady"), $("#video-steady-value"));
  on(["options", "view"], update);
  on("info", (info) => {
    const off = info?.features?.video === false;
    $("#video-missing").hidden = !off;
    $("#video-drop").classList.toggle("off", off);
    $("#video-file").disabled = off;
  });
  showCards($("#video-jobs"), "video", videoCard);
  showDivider();
  showClip();
}
