/** Photos come in: chosen, dropped, pasted, from the phone's camera, as files and folders. */

import { get as fetchJson, remove, upload } from "./api.js";
import { $, $$, attempt, el, icon, keepOneStop, rove, say } from "./dom.js";
import { get, hearTabs, on, set, tellTabs } from "./state.js";
import { hasMask } from "./mask.js";
import { paintGallery } from "./thumbnails.js";

const PICTURE = /\.(jpe?g|jfif|png|webp|gif|bmp|tiff?|hei[cf]|avif|jxl|jp2|ppm|tga|qoi)$/i;
let adding = null; // the AbortController of files that go up

/** Sends files one by one; the first that arrives is shown. */
export async function addFiles(files) {
  const list = [...files].filter((file) => file.type.startsWith("image/") || PICTURE.test(file.name));
  if (!list.length) return say(files.length ? "These are not pictures." : "Nothing to add.", true);
  const most = get("info")?.limits?.bytes ?? Infinity;
  adding?.abort();
  const mine = (adding = new AbortController());
  const problems = [];
  let first = true;
  for (const [index, file] of list.entries()) {
    progress(index, list.length, 0);
    if (get("photos").length >= (get("info")?.limits?.files ?? Infinity)) {
      problems.push(`a session holds ${get("photos").length} photos at most: remove some first`);
      break;
    }
    if (file.size > most) {
      problems.push(`${file.name}: is larger than ${Math.round(most / 1e6)} MB`);
      continue;
    }
    const form = new FormData();
    form.append("file", file, file.webkitRelativePath || file.path || file.name);
    try {
      const [answer] = await upload("api/photos", form, (share) => progress(index, list.length, share), mine.signal);
      if (answer.error) {
        problems.push(answer.error.startsWith(answer.name) ? answer.error : `${answer.name}: ${answer.error}`);
        continue;
      }
      set("photos", [...get("photos"), answer]);
      if (first) set("photo", answer.id);
      first = false;
    } catch (error) {
      if (error.name === "AbortError") break;
      problems.push(`${file.name}: ${error.message}`);
      if (error.status === 0 || error.status === 429) break;
    }
  }
  if (adding === mine) progress(null);
  if (!first) tellTabs("photos");
  if (problems.length) say(problems.length === 1 ? problems[0] : `${problems.length} of ${list.length} could not be added: ${problems[0]}`, true);
}

function progress(done, total, share) {
  const host = $("#adding") ?? $("#jobs").appendChild(el("div", { id: "adding", class: "job" }));
  if (done === null) return host.remove();
  if (!host.firstChild)
    host.replaceChildren(el("p", { class: "job-title" }), el("progress", { "aria-label": "Photos added" }), el("button", { class: "icon", "aria-label": "Stop adding", onclick: () => adding?.abort() }, icon("close")));
  host.firstChild.textContent = total === 1 ? "Adding a photo" : `Adding ${done + 1}/${total}`;
  $("progress", host).max = total;
  $("progress", host).value = done + share;
}

/** The photos that the session has: after a reload, or when another tab changed them. */
export async function loadPhotos() {
  const photos = await fetchJson("api/photos");
  set("photos", photos);
  if (!photos.some(({ id }) => id === get("photo"))) set("photo", photos[0]?.id ?? null);
}

/** Removes a photo from the session. */
export async function removePhoto(id) {
  await attempt(() => remove(`api/photos/${id}`));
  const at = get("photos").findIndex((photo) => photo.id === id);
  const photos = get("photos").filter((photo) => photo.id !== id);
  set("photos", photos);
  const { [id]: _, ...masks } = get("masks");
  set("masks", masks);
  set("history", get("history").filter((entry) => entry.photo !== id));
  if (get("photo") === id) set("photo", photos[Math.min(at, photos.length - 1)]?.id ?? null);
  tellTabs("photos");
}

export function stepPhoto(step) {
  const photos = get("photos");
  const at = photos.findIndex(({ id }) => id === get("photo"));
  if (photos.length > 1) set("photo", photos[(at + step + photos.length) % photos.length].id);
}

/** All files of what was dropped, those in folders too. */
async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const files = [];
  const walk = async (entry) => {
    if (entry.isFile) {
      const file = await new Promise((done, fail) => entry.file(done, fail));
      file.path = entry.fullPath.slice(1);
      if (!file.name.startsWith(".")) files.push(file);
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((done, fail) => reader.readEntries(done, fail));
      if (!some.length) return;
      for (const child of some) await walk(child);
    }
  };
  for (const entry of entries) await walk(entry);
  return files.sort((one, other) => one.path.localeCompare(other.path));
}

/** Whatever is dropped or pasted on the page goes to the view that is open. `takers`: view: function of files. */
export function takeDrops(takers) {
  const deliver = (files) => files.length && (takers[get("view")] ?? takers.paint)(files);
  let depth = 0;
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  const show = (shown) => ($("#dropping").hidden = !shown);
  window.addEventListener("dragenter", (event) => holdsFiles(event) && show(++depth > 0));
  window.addEventListener("dragleave", (event) => holdsFiles(event) && show(--depth > 0));
  window.addEventListener("dragover", (event) => event.preventDefault());
  window.addEventListener("drop", async (event) => {
    event.preventDefault();
    show((depth = 0) > 0);
    if (holdsFiles(event)) await attempt(async () => deliver(await filesOf(event.dataTransfer)));
  });
  window.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) {
      event.preventDefault();
      deliver(files);
    }
  });
}

function showStrip() {
  const photos = get("photos");
  const host = $("#photos");
  const focused = host.contains(document.activeElement);
  const at = photos.findIndex(({ id }) => id === get("photo"));
  const tiles = photos.map((photo, index) => el("span", { class: "thumb-box" },
    el("button", { class: "thumb", "aria-pressed": String(photo.id === get("photo")), "aria-label": `${photo.name}, ${index + 1} of ${photos.length}${hasMask(photo.id) ? ", has a mask" : ""}`, title: photo.name, onclick: () => set("photo", photo.id),
      onkeydown: (event) => { if (event.key === "Delete") removePhoto(photo.id); } },
      el("img", { src: `api/photos/${photo.id}?side=128`, alt: "", loading: "lazy", draggable: "false" }), hasMask(photo.id) && el("span", { class: "mark" }, icon("brush"))),
    el("button", { class: "remove", tabindex: -1, "aria-label": `Remove ${photo.name}`, title: "Remove (Delete)", onclick: () => removePhoto(photo.id) }, icon("close"))));
  host.replaceChildren(el("p", { class: "count", text: photos.length > 1 ? `${at + 1}/${photos.length}` : "Photos" }),
    el("button", { class: "thumb more", "aria-label": "Add photos", title: "Add photos", onclick: () => $("#add-files").click() }, icon("plus")), ...tiles);
  keepOneStop(host, ".thumb", (button) => button.getAttribute("aria-pressed") === "true");
  const chosen = $('[aria-pressed="true"]', host);
  if (focused) chosen?.focus();
  if (chosen) host.scrollLeft = Math.max(0, chosen.parentElement.offsetLeft - host.clientWidth / 2);
}

function showStage() {
  const some = get("photos").length > 0;
  $("#welcome").hidden = some;
  for (const id of ["#stage", "#tray"]) $(id).hidden = !some;
  $("#view-bar").hidden = !some || get("masking");
  for (const id of ["#save", "#copy"]) $(id).disabled = !some || !get("styles").length;
  if (!some) set("masking", false);
}

/** The example of the first screen is half painted, in the style that is chosen. */
function showExample() {
  const style = get("styles").find(({ name }) => name in get("options").styles);
  const image = $("#easel-painted");
  if (get("photos").length || !style || style.own || image.getAttribute("src") === style.picture) return;
  image.classList.remove("loaded");
  image.src = style.picture;
}

export function createPhotos() {
  $("#easel-painted").addEventListener("load", () => $("#easel-painted").classList.add("loaded"));
  on(["styles", "options", "photos"], showExample);
  rove($("#photos"), ".thumb");
  on(["photos", "photo", "masks"], showStrip);
  on(["photos", "styles"], showStage);
  on("photo", paintGallery);
  hearTabs((what) => what === "photos" && attempt(loadPhotos));
  for (const button of $$("[data-add]")) button.addEventListener("click", () => $(`#add-${button.dataset.add}`).click());
  for (const input of $$("#add-files, #add-folder, #add-camera")) input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = "";
    addFiles(files);
  });
  $("#try-example").addEventListener("click", () => attempt(async () => {
    const blob = await (await fetch("static/example.webp")).blob();
    await addFiles([new File([blob], "castle.webp", { type: "image/webp" })]);
  }));
}
