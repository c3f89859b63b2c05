/** Learn: give a picture, watch its style being learned, and keep the style. */

import { finished, get as fetchJson, patch, post, remove, upload } from "./api.js";
import { $, attempt, clock, confirm, download, el, say } from "./dom.js";
import { get, mix, on, set, tellTabs, hearTabs } from "./state.js";
import { basics, showCards, track } from "./jobs.js";
import { forgetThumbnails, paintGallery } from "./thumbnails.js";
import { curve } from "./curve.js";

let chosen = null;

/** Takes the first picture of these files. */
export function takeStylePicture(files) {
  const file = [...files].find(({ type }) => type.startsWith("image/")) ?? files[0];
  if (!file) return;
  chosen = file;
  const image = $("#learn-picture");
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(file);
  image.hidden = false;
  $("#learn-hint").hidden = true;
  if (!$("#learn-name").value) $("#learn-name").value = freeName(file.name.replace(/\.[^.]*$/, "").toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "_").replace(/^_+|_+$/g, "").slice(0, 40) || "my_style");
  $("#learn-start").disabled = get("info")?.features?.train === false;
}

function freeName(wanted) {
  const names = new Set(get("styles").map(({ name }) => name));
  if (!names.has(wanted)) return wanted;
  for (let number = 2; ; number++) if (!names.has(`${wanted}_${number}`)) return `${wanted}_${number}`;
}

async function start() {
  const form = new FormData();
  form.append("file", chosen);
  form.append("name", $("#learn-name").value.trim() || "my_style");
  form.append("minutes", $('[name="minutes"]:checked').value);
  const button = $("#learn-start");
  button.disabled = true;
  try {
    const { job } = await upload("api/train", form, (share) => (button.textContent = share < 1 ? `Sending ${Math.round(share * 100)} %` : "Start learning"));
    chosen = null;
    $("#learn-form").reset();
    $("#learn-picture").hidden = true;
    $("#learn-hint").hidden = false;
    track(job);
    $("#learn-jobs").scrollIntoView({ behavior: "smooth", block: "nearest" });
  } catch (error) {
    button.disabled = false;
    throw error;
  } finally {
    button.textContent = "Start learning";
  }
}

function trainCard(card, job) {
  const name = job.training?.title ? `Learning ${job.training.title}` : "Learning";
  const buttons = basics(card, job, name);
  const training = job.training;
  if (training?.step) {
    if (!$(".watch", card)) $("progress", card).after(el("div", { class: "watch" }, el("img", { alt: "A photo in the style as it is now" }), el("div", { class: "curve" })));
    const image = $(".watch img", card);
    image.hidden = !training.preview;
    if (training.preview && image.getAttribute("src") !== training.preview) image.src = training.preview;
    $(".curve", card).hidden = finished(job) && training.curve.length < 2;
    $(".curve", card).replaceChildren(curve(training.curve));
  }
  if (job.state === "running" && !training?.step) {
    // it prepares; perhaps again, after the server was started anew
    $(".watch", card)?.remove();
    buttons.replaceChildren();
  }
  const bar = $("progress", card);
  if (job.state === "running" && training?.step) {
    const learns = training.fraction < 1; // then the result is measured
    bar.max = 1;
    bar.value = training.fraction;
    $(".job-title", card).textContent = `${name}, ${Math.round(training.fraction * 100)} %${learns && job.seconds_left != null ? `, ${clock(job.seconds_left)} left` : ""}`;
    if (!learns) buttons.replaceChildren();
    else if (!buttons.firstChild)
      buttons.append(el("button", { class: "small", "data-stop": true, onclick: () => attempt(() => post(`api/jobs/${job.id}/stop`)), text: "Stop and keep it" }));
  } else bar.removeAttribute("value");
  if (job.state === "done") Object.assign($(".line", card), { textContent: job.message, hidden: false });
  if (finished(job)) buttons.replaceChildren(...(training?.style ? [el("button", { class: "small primary", text: "Paint with it", onclick: () => paintWith(training.style) })] : []));
  if (finished(job) && card.dataset.state && card.dataset.state !== job.state) loadStyles();
}

/** The styles from the server; thumbnails of new ones are painted. */
export async function loadStyles() {
  const styles = await attempt(() => fetchJson("api/styles"));
  if (!styles) return;
  const before = new Set(get("styles").map(({ name }) => name));
  set("styles", styles);
  const names = new Set(styles.map(({ name }) => name));
  const kept = Object.fromEntries(Object.entries(get("options").styles).filter(([name]) => names.has(name)));
  if (!Object.keys(kept).length && styles.length) kept[(styles.find(({ name }) => name === "great_wave") ?? styles[0]).name] = 1;
  if (Object.keys(kept).length !== Object.keys(get("options").styles).length || !(Object.keys(kept)[0] in get("options").styles)) mix(kept);
  if (get("against") && !names.has(get("against"))) set("against", "");
  if (before.size && styles.some(({ name }) => !before.has(name))) paintGallery();
}

async function rename(style, input) {
  const wanted = input.value.trim();
  if (!wanted || wanted === style.title) return void (input.value = style.title);
  let name;
  try {
    ({ name } = await patch(address(style), { name: wanted }));
  } catch (error) {
    input.value = style.title;
    throw error;
  }
  const { [style.name]: share, ...others } = get("options").styles;
  forgetThumbnails(style.name);
  set("styles", get("styles").map((each) => (each.name === style.name ? { ...each, name, title: wanted, picture: `${address({ name })}/picture` } : each)));
  if (share !== undefined) mix({ ...others, [name]: share });
  tellTabs("styles");
  await loadStyles();
  say(`Renamed to ${wanted}.`);
}

function paintWith(name) {
  if (!get("styles").some((style) => style.name === name)) return say("This style has another name now, or is deleted.", true);
  mix({ [name]: 1 });
  location.hash = "paint";
}

const address = ({ name }) => `api/styles/${encodeURIComponent(name)}`;

function ownStyle(style) {
  const input = el("input", { type: "text", value: style.title, maxlength: 60, "aria-label": `Name of ${style.title}`, spellcheck: "false", onchange: () => attempt(() => rename(style, input)) });
  const kind = style.kind ?? "style";
  return el("li", { class: "own-style", "data-style": style.name }, el("img", { src: style.picture, alt: "", width: 96, height: 72 }), input,
    el("div", { class: "row" },
      el("button", { class: "small", onclick: () => paintWith(style.name), text: "Paint with it" }),
      el("a", { class: "small", href: `${address(style)}/file?kind=${kind}`, download: "", text: kind === "style" ? "Style file" : "Model file", "aria-label": `Download the ${kind} file of ${style.title}` }),
      el("button", { class: "small danger", "aria-label": `Delete ${style.title}`, onclick: () => attempt(() => drop(style)), text: "Delete" })));
}

async function drop(style) {
  if (!(await confirm(`Delete ${style.title}?`, "The style is removed from this computer. Files that you downloaded stay."))) return;
  await remove(address(style));
  forgetThumbnails(style.name);
  tellTabs("styles");
  await loadStyles();
  say(`${style.title} is deleted.`);
}

function showOwn() {
  const own = get("styles").filter((style) => style.own);
  const host = $("#own-styles");
  const typing = host.contains(document.activeElement) && document.activeElement.tagName === "INPUT";
  const shown = [...host.children].map((row) => row.dataset.style).join();
  if (typing && shown === own.map(({ name }) => name).join()) return; // nothing that is being typed is lost
  host.replaceChildren(...(own.length ? own.map(ownStyle) : [el("li", { class: "note", text: "None yet. Styles that you learn appear here and in the gallery." })]));
}

export function createLearn() {
  $("#learn-file").addEventListener("change", (event) => takeStylePicture(event.target.files));
  $("#learn-form").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(start);
  });
  showCards($("#learn-jobs"), "train", trainCard);
  on("styles", showOwn);
  on("info", (info) => {
    const off = info?.features?.train === false;
    $("#learn-missing").hidden = !off;
    $("#learn-form").classList.toggle("off", off);
  });
  hearTabs((what) => what === "styles" && loadStyles());
  showOwn();
}
