/** What leaves the page: pictures at full size, one or all, the clipboard, a settings file, a command line. */

import { picture, post, send } from "./api.js";
import { $, ask, attempt, download, el, say } from "./dom.js";
import { get, on, photo } from "./state.js";
import { dismiss, jobsOf, track } from "./jobs.js";
import { hasMask, maskId } from "./mask.js";

const LOSSLESS = ["png", "tif", "tiff", "bmp"];
const SIZES = [4096, 2048, 1080];
const KEY = "impasto.save";
const delivered = new Set(); // ids of jobs whose results went to the downloads

function lastChoice() {
  const saved = JSON.parse(localStorage.getItem(KEY) ?? "{}");
  const formats = get("info")?.formats ?? ["jpg", "png"];
  return { format: formats.includes(saved.format) ? saved.format : formats[0], quality: saved.quality ?? 92, size: saved.size ?? "" };
}

function fillDialog() {
  const { format, quality, size } = lastChoice();
  const formats = get("info")?.formats ?? ["jpg", "png"];
  $("#save-format").replaceChildren(...formats.map((name) => el("option", { value: name, text: name.toUpperCase(), selected: name === format })));
  $("#save-quality").value = quality;
  const { width, height } = photo();
  const long = Math.max(width, height);
  const dimensions = (side) => `${Math.round((width * side) / long)} × ${Math.round((height * side) / long)}`;
  $("#save-size").replaceChildren(el("option", { value: "", text: `Full size, ${dimensions(long)}` }),
    ...SIZES.filter((side) => side < long).map((side) => el("option", { value: side, text: dimensions(side), selected: String(side) === String(size) })));
  const several = get("photos").length > 1;
  $("#save-scope").hidden = !several;
  $("#save-all-label").textContent = `All ${get("photos").length} photos`;
  if (!several) $('[name="scope"][value="one"]').checked = true;
  showQuality();
}

function showQuality() {
  $("#save-quality-field").hidden = LOSSLESS.includes($("#save-format").value);
  const slider = $("#save-quality");
  $("#save-quality-value").textContent = slider.value;
  slider.style.setProperty("--at", `${((slider.value - slider.min) / (slider.max - slider.min)) * 100}%`);
}

async function save() {
  fillDialog();
  if ((await ask($("#save-dialog"))) !== "go") return;
  const choice = { format: $("#save-format").value, quality: Number($("#save-quality").value), size: Number($("#save-size").value) || "" };
  localStorage.setItem(KEY, JSON.stringify(choice));
  const all = $('[name="scope"][value="all"]').checked;
  const chosen = all ? get("photos") : [photo()];
  const masks = {};
  for (const each of chosen) if (hasMask(each.id)) masks[each.id] = await maskId(each);
  const body = { photos: chosen.map(({ id }) => id), ...get("options"), format: choice.format, quality: choice.quality };
  if (choice.size) body.size = choice.size;
  if (!all && masks[photo().id]) body.mask = masks[photo().id];
  else if (Object.keys(masks).length) body.masks = masks;
  for (const id of delivered) dismiss(id); // others may not have been downloaded, as after a reload
  delivered.clear();
  const { job } = await post("api/paint", body);
  say(all ? `Painting ${chosen.length} photos at full size.` : "Painting at full size.");
  deliver(await track(job));
}

/** The result goes to the downloads when it is ready. */
function deliver(job) {
  if (!job.results.length || job.state === "cancelled") return;
  if (job.total === 1) download(job.results[0].url, job.results[0].name);
  else download(`api/jobs/${job.id}/zip`);
  if (!job.failures?.length) delivered.add(job.id);
  say(job.failures?.length ? `${job.results.length} of ${job.total} are saved; ${job.failures[0].name}: ${job.failures[0].error}` : "Saved to your downloads.", Boolean(job.failures?.length));
}

async function pngAtFullSize() {
  const body = { photos: [get("photo")], ...get("options"), format: "png" };
  const drawn = await maskId();
  if (drawn) body.mask = drawn;
  const { job: id } = await post("api/paint", body);
  const job = await track(id);
  dismiss(id);
  if (!job.results.length) throw new Error(job.failures?.[0]?.error ?? "The painting was cancelled.");
  return (await send(job.results[0].url)).blob();
}

async function copyPicture() {
  if (!navigator.clipboard?.write) throw new Error("The browser copies pictures only from localhost or https.");
  say("Copying at full size.");
  await navigator.clipboard.write([new ClipboardItem({ "image/png": pngAtFullSize() })]);
  say("Copied.");
}

/** Text to the clipboard; without a clipboard it is selected, ready for Ctrl+C. */
async function copyText(node) {
  if (navigator.clipboard?.writeText) {
    await navigator.clipboard.writeText(node.textContent);
    say("Copied.");
  } else {
    getSelection().selectAllChildren(node);
    say("Press Ctrl+C to copy.");
  }
}

let asked;
function showCommand() {
  clearTimeout(asked);
  if (!$("#command").closest("details").open || !Object.keys(get("options").styles).length) return;
  asked = setTimeout(() => attempt(async () => {
    const options = get("options");
    const { command } = await post("api/command", options);
    if (get("options") === options) $("#command").textContent = command;
  }), 150);
}

async function saveSettings() {
  const blob = await picture("api/settings", get("options"));
  download(blob, "impasto-settings.json");
}

export const startSave = () => photo() && attempt(save);
export const startCopy = () => photo() && attempt(copyPicture);

export function createOutput() {
  $("#save").addEventListener("click", startSave);
  $("#copy").addEventListener("click", startCopy);
  $("#save-format").addEventListener("change", showQuality);
  $("#save-quality").addEventListener("input", showQuality);
  $("#command-copy").addEventListener("click", () => attempt(() => copyText($("#command"))));
  $("#settings-save").addEventListener("click", () => attempt(saveSettings));
  $("#command").closest("details").addEventListener("toggle", showCommand);
  on("options", showCommand);
  on("jobs", () => $("#save").classList.toggle("working", jobsOf("paint").some(({ state }) => state === "running")));
}
