/** The gallery: every style, on the photo that is shown. One is chosen, or two or three are mixed. */

import { el, icon, keepOneStop, rove, say } from "./dom.js";
import { get, mix, mixes, on, photo, title, toggleInMix } from "./state.js";

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
  on(["options", "view"], () => mark(host));
  on(["thumbnails", "photo"], () => pictures(host));
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
  const chosen = get("options").styles;
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
  show(host, host.querySelector('[aria-pressed="true"]'));
}

/** Scrolls the gallery, and nothing else, so that a tile is seen. */
function show(host, tile) {
  const box = tile?.getBoundingClientRect();
  for (const scroller of [host, host.querySelector(".tiles")]) {
    const seen = scroller.getBoundingClientRect();
    if (!box?.width || !seen.width) return;
    if (box.left < seen.left || box.right > seen.right) scroller.scrollLeft += (box.left + box.right - seen.left - seen.right) / 2;
    if (box.top < seen.top || box.bottom > seen.bottom) scroller.scrollTop += (box.top + box.bottom - seen.top - seen.bottom) / 2;
  }
}

function pictures(host) {
  const urls = get("thumbnails");
  const open = photo();
  host.style.setProperty("--ratio", open ? Math.min(1.6, Math.max(1, open.width / open.height)) : 1.5);
  for (const style of get("styles")) {
    const image = host.querySelector(`[data-style="${CSS.escape(style.name)}"] img`);
    const url = urls[style.name] ?? style.picture;
    image?.classList.toggle("stale", Boolean(open) && !(style.name in urls)); // of another photo
    if (image && image.getAttribute("src") !== url) {
      image.classList.remove("loaded");
      image.src = url;
    }
  }
}
