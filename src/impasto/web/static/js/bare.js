/** The bare view for OBS and full screens: the painted camera, and nothing else. Set by the address: ?style=udnie&strength=0.8 */

import { Camera } from "./camera.js";

const query = new URLSearchParams(location.search);
const number = (name, standard) => (query.has(name) && Number.isFinite(Number(query.get(name))) ? Number(query.get(name)) : standard);
const canvas = document.querySelector("canvas");
const line = document.querySelector("p");

const styles = Object.fromEntries(query.getAll("style").map((text) => {
  const at = text.lastIndexOf(":");
  return at > 0 && Number.isFinite(Number(text.slice(at + 1))) ? [text.slice(0, at), Number(text.slice(at + 1))] : [text, 1];
}));

const camera = new Camera(canvas, (message) => {
  line.textContent = message.error ?? (message.state === "lost" ? "The server does not answer." : "");
  if (message.number !== undefined) canvas.dataset.frames = message.number;
});
camera.width = number("width", 640);
camera.mirror = number("mirror", 0) === 1;

async function begin() {
  if (!Object.keys(styles).length) {
    const all = await (await fetch("api/styles")).json();
    styles[(all.find(({ name }) => name === "great_wave") ?? all[0]).name] = 1;
  }
  camera.setOptions({ styles, settings: { strength: number("strength", 1), stroke_size: number("stroke_size", 1), keep_colors: query.get("keep_colors") }, steady: number("steady", 0.5) });
  await camera.start(query.get("camera") ?? "");
}

begin().catch((error) => (line.textContent = error.message));
