/** The gallery: every style, on the photo that is shown. One is chosen, or two or three are mixed. */

import { send, eventsOf, wait } from "./api.js";
import { el, icon, keepOneStop, rove, say } from "./dom.js";
import { get, mix, mixes, on, set, title, toggleInMix } from "./state.js";

const SIDE = 256;
const MOST_FAILURES = 8;

/** Fills `host` with the styles. Several galleries show the same choice. */
export function createGallery(host) {
  rove(host, ".tile");
  const draw = () => {
    const focused = host.contains(document.activeElement) ? document.activeElement.dataset.style : null;
    host.replaceChildren(el("h2", { class: "hidden", text: "Styles" }), el("ul", { class: "tiles" }, ...get("styles").map(tile)));
    if (focused) host.querySelector(`[data-style="${CSS.escape(focused)}"]`)?.focus();
    mark(host);
    pictures(host);
  };
  on("styles", draw);
  on("look", () => mark(host));
  on("thumbnails", () => pictures(host));
  draw();
}

function tile(style) {
  const image = el("img", { alt: "", draggable: "false", loading: "lazy", width: 128, height: 96 });
  let failures = 0;
  image.addEventListener("error", () => {
    if (image.getAttribute("src") !== style.picture) image.src = style.picture;
    else if (++failures < MOST_FAILURES) setTimeout(() => image.isConnected && (image.src = style.picture), 1000 * failures); // the server was busy
  });
  image.addEventListener("load", () => image.classList.add("loaded"));
  const button = el("button", { class: "tile", "data-style": style.name, title: [style.title, style.artist, style.year].filter(Boolean).join(", "),
    onclick: (event) => (event.shiftKey || event.ctrlKey || event.metaKey ? toMix(style.name) : mix({ [style.name]: 1 })),
    onkeydown: (event) => {
      if (["+", "m"].includes(event.key)) { event.preventDefault(); event.stopPropagation(); toMix(style.name); }
    } }, el("span", { class: "canvas" }, image), el("span", { class: "name", text: style.title || style.name }));
  const add = el("button", { class: "add", tabindex: -1, onclick: () => toMix(style.name) }, icon("plus"));
  return el("li", {}, button, add);
}

function toMix(name) {
  const reason = toggleInMix(name);
  if (reason) say(reason);
}

function mark(host) {
  const chosen = get("look").styles;
  const several = Object.keys(chosen).length > 1;
  for (const button of host.querySelectorAll(".tile")) {
    const name = button.dataset.style;
    const inMix = name in chosen;
    button.setAttribute("aria-pressed", String(inMix));
    const add = button.nextElementSibling;
    add.setAttribute("aria-label", `${inMix && several ? "Take" : "Mix in"} ${title(name)}${inMix && several ? " out of the mix" : ""}`);
    add.title = inMix && several ? "Take out of the mix" : "Mix in (Shift and click)";
    add.replaceChildren(icon(inMix && several ? "minus" : "plus"));
    add.hidden = (inMix && !several) || !mixes(name);
  }
  keepOneStop(host, ".tile", (button) => button.dataset.style in chosen);
}

function pictures(host) {
  const urls = get("thumbnails");
  for (const style of get("styles")) {
    const image = host.querySelector(`[data-style="${CSS.escape(style.name)}"] img`);
    const url = urls[style.name] ?? style.picture;
    if (image && image.getAttribute("src") !== url) {
      image.classList.remove("loaded");
      image.src = url;
    }
  }
}

/* The thumbnails are painted for one photo at a time and come as they are ready. */
const known = new Map(); // photo: {style: url}
let running = null;

/** Paints the photo that is shown in all styles. */
export async function paintGallery() {
  const photo = get("photo");
  running?.abort();
  set("thumbnails", photo ? known.get(photo) ?? {} : {});
  if (!photo) return;
  const mine = (running = new AbortController());
  for (let attempts = 0; attempts < 5 && !mine.signal.aborted; attempts++) {
    const missing = get("styles").some(({ name }) => !(name in (known.get(photo) ?? {})));
    if (!missing) return;
    try {
      const response = await send("/api/gallery", { method: "POST", json: { photo, side: SIDE }, signal: mine.signal });
      for await (const { event, data } of eventsOf(response)) {
        if (event === "done") return;
        if (event !== "thumbnail") continue;
        known.set(photo, { ...known.get(photo), [data.style]: data.url });
        if (get("photo") === photo) set("thumbnails", known.get(photo));
      }
    } catch (error) {
      if (error.name === "AbortError" || error.status === 404) return;
    }
    await wait(2 + 2 * Math.random()); // another tab took its turn, or the connection broke
  }
}

/** A style was deleted or renamed: its thumbnails are not valid any more. */
export function forgetThumbnails(name) {
  for (const urls of known.values()) delete urls[name];
}
