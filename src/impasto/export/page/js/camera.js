/** The camera, painted as fast as the device can; a tap keeps what it shows. */

import { $, attempt, say } from "./dom.js";
import { draw } from "./photo.js";
import { get } from "./state.js";
import { holdStage } from "./stage.js";

const WANTED = 140; // ms a picture
const [LEAST, MOST] = [96, 360]; // short side, pixels
const PROBLEMS = { NotAllowedError: "The browser does not allow the camera: allow it in the address bar.", NotFoundError: "There is no camera.", NotReadableError: "Another program uses the camera." };

let engine;
let taken;
let turn = 0; // counts starts, so that the loop of an earlier one ends
let stream = null;
let facing = "user";
let side = 160;

/** `take(canvas)` gets a picture that was taken. */
export function createCamera(painter, take) {
  engine = painter;
  taken = take;
  $("#camera-shot").addEventListener("click", shoot);
  $("#camera-close").addEventListener("click", closeCamera);
  $("#camera-turn").addEventListener("click", () => {
    facing = facing === "user" ? "environment" : "user";
    attempt(openCamera);
  });
}

const clamp = (value, least, most) => Math.min(most, Math.max(least, value));
const video = () => $("#camera-video");
const mirrored = () => facing === "user";

export async function openCamera() {
  stopTracks();
  const mine = ++turn;
  if (!navigator.mediaDevices?.getUserMedia) throw new Error("The browser gives the camera only to pages over https.");
  let opened;
  try {
    opened = await navigator.mediaDevices.getUserMedia({ video: { facingMode: facing, width: { ideal: 1280 } }, audio: false });
  } catch (error) {
    throw new Error(PROBLEMS[error.name] ?? error.message);
  }
  if (mine !== turn) return opened.getTracks().forEach((track) => track.stop());
  stream = opened;
  document.body.dataset.camera = "on";
  $("#camera").hidden = false;
  video().srcObject = stream;
  await video().play();
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
  $("#camera-turn").hidden = cameras.length < 2;
  $("#camera-shot").focus();
  holdStage(() => run(mine)).catch((error) => {
    closeCamera();
    if (error.name !== "AbortError") say(error.message, true);
  });
}

async function run(mine) {
  const canvas = $("#camera-canvas");
  let shown = 0;
  while (mine === turn) {
    const { videoWidth, videoHeight } = video();
    if (!videoWidth || document.hidden) {
      await new Promise((done) => setTimeout(done, 100));
      continue;
    }
    const scale = Math.min(1, side / Math.min(videoWidth, videoHeight));
    const frame = draw(video(), Math.round(videoWidth * scale), Math.round(videoHeight * scale), mirrored());
    const began = performance.now();
    const painted = await engine.paintFrame(frame, get("options"));
    if (mine !== turn) return;
    const took = performance.now() - began;
    if (canvas.width !== painted.width || canvas.height !== painted.height) Object.assign(canvas, { width: painted.width, height: painted.height });
    canvas.getContext("2d").putImageData(painted, 0, 0);
    canvas.dataset.frames = ++shown;
    $("#camera-rate").textContent = `${(1000 / took).toFixed(took > 300 ? 1 : 0)} pictures a second`;
    // Time grows with the number of pixels; the first picture loads the network.
    if (shown > 1) side = clamp(Math.round((side * clamp(Math.sqrt(WANTED / took), 0.8, 1.25)) / 16) * 16, LEAST, MOST);
  }
}

function shoot() {
  const { videoWidth, videoHeight } = video();
  if (!videoWidth) return;
  const canvas = new OffscreenCanvas(videoWidth, videoHeight);
  canvas.getContext("2d").putImageData(draw(video(), videoWidth, videoHeight, mirrored()), 0, 0);
  closeCamera();
  attempt(async () => taken(await canvas.convertToBlob({ type: "image/png" })));
}

export function closeCamera() {
  turn += 1;
  stopTracks();
  delete document.body.dataset.camera;
  $("#camera").hidden = true;
}

function stopTracks() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
}
