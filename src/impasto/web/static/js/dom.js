/** Small helpers for elements, messages and dialogs. */

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

/** Make an element: attributes, `on…` listeners, `text`, `class`, `data`, then its children. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "text") node.textContent = value;
    else if (key === "class") node.className = value;
    else if (key === "value") node.value = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** The address of an icon, wherever the page is. */
export const iconUrl = (name) => `${new URL("../icons.svg", import.meta.url).pathname}#${name}`;

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", iconUrl(name));
  svg.append(use);
  return svg;
}

let clearing;
/** Say something for a few seconds, to eyes and screen readers. */
export function say(text, bad = false) {
  const toast = $("#toast");
  toast.textContent = text;
  toast.classList.toggle("bad", bad);
  toast.classList.add("shown");
  clearTimeout(clearing);
  clearing = setTimeout(() => toast.classList.remove("shown"), bad ? 8000 : 3500);
}

/** Run a task of the user's; an error is said, not thrown. */
export async function attempt(task) {
  try {
    return await task();
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, true);
    return undefined;
  }
}

/** Open a dialog and wait: the value of the button that closed it ("" when it was left with Escape). */
export function ask(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue), { once: true }));
}

export async function confirm(title, text, yes = "Delete") {
  $("#ask-title").textContent = title;
  $("#ask-text").textContent = text;
  $("#ask-yes").textContent = yes;
  return (await ask($("#ask-dialog"))) === "yes";
}

/** Save a file that the server offers, or a blob, under a name. */
export function download(url, name = "") {
  const own = url instanceof Blob;
  const link = el("a", { href: own ? URL.createObjectURL(url) : url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  if (own) setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** Buttons in a row or grid of which one is a tab stop; arrows move among them. */
export function rove(host, selector) {
  const items = () => $$(selector, host);
  host.addEventListener("focusin", (event) => {
    const item = event.target.closest(selector);
    if (item) for (const other of items()) other.tabIndex = other === item ? 0 : -1;
  });
  host.addEventListener("keydown", (event) => {
    const all = items();
    const at = all.indexOf(event.target);
    if (at < 0) return;
    const top = (item) => Math.round(item.getBoundingClientRect().top);
    const columns = Math.max(1, all.filter((item) => top(item) === top(all[0])).length);
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -at, End: all.length - 1 - at };
    const to = all[at + steps[event.key]];
    if (to === undefined) return;
    event.preventDefault();
    to.focus();
    to.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
}

/** Exactly one item is a tab stop, also after the items have changed. */
export function keepOneStop(host, selector, preferred) {
  const all = $$(selector, host);
  const stop = all.find((item) => item === document.activeElement) ?? all.find(preferred) ?? all[0];
  for (const item of all) item.tabIndex = item === stop ? 0 : -1;
}

export const clock = (seconds) => {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  return whole < 3600 ? `${Math.floor(whole / 60)} min ${whole % 60} s` : `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
};

export const size = (bytes) => (bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} KB` : `${(bytes / 1e6).toFixed(1)} MB`);
