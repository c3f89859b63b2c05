/** What the page knows, one value a key. Modules read with `get`, write with `set`, and listen with `on`. */

const values = {
  info: null, // GET /api/info
  styles: [], // GET /api/styles
  options: { styles: {}, settings: { strength: 1, stroke_size: 1, crisp: null, keep_colors: null, seed: 0 } },
  photos: [], // {id, name, width, height}
  photo: null, // the id of the one that is shown
  thumbnails: {}, // style: url, of the photo that is shown
  masks: {}, // photo: {strokes, soft, invert, id}; id: of the server, once sent
  against: "", // what the painting is compared with: "" the photo, or the name of a style
  mode: "slider", // slider, side, single
  masking: false,
  history: [], // {photo, options, thumbnail}
  jobs: [],
  view: "paint",
};
const listeners = {};

export const get = (key) => values[key];

export function set(key, value) {
  if (Object.is(values[key], value)) return;
  values[key] = value;
  for (const listener of listeners[key] ?? []) listener(value);
}

/** Calls `listener` after each change of one of the keys. */
export function on(keys, listener) {
  for (const key of [keys].flat()) (listeners[key] ??= []).push(listener);
}

export const photo = () => values.photos.find(({ id }) => id === values.photo) ?? null;
export const mask = () => values.masks[values.photo] ?? null;
export const title = (name) => values.styles.find((style) => style.name === name)?.title ?? name;

/** Changes some settings. */
export const tune = (change) => set("options", { ...values.options, settings: { ...values.options.settings, ...change } });

export const MOST_STYLES = 3;

/** Whether a style shares its network with the others. */
export const mixes = (name) => values.styles.find((style) => style.name === name)?.kind !== "model";

export const mix = (styles) => set("options", { ...values.options, styles });

/** Adds a style with an equal share, or removes it. Returns why not, or "". */
export function toggleInMix(name) {
  const styles = { ...values.options.styles };
  if (name in styles) {
    if (Object.keys(styles).length === 1) return "One style stays.";
    delete styles[name];
  } else {
    if (Object.keys(styles).length === MOST_STYLES) return `A mix has at most ${MOST_STYLES} styles.`;
    const alone = [name, ...Object.keys(styles)].find((each) => !mixes(each));
    if (alone) return `${title(alone)} has a network of its own, which does not mix.`;
    const shares = Object.values(styles);
    styles[name] = shares.length ? shares.reduce((sum, share) => sum + share, 0) / shares.length : 1;
  }
  mix(styles);
  return "";
}

/* Kept over a reload: style and settings for good, the rest while the tab is open. */
const KEPT = { options: localStorage, against: sessionStorage, mode: localStorage, photo: sessionStorage, masks: sessionStorage, history: sessionStorage };

export function restore() {
  for (const [key, store] of Object.entries(KEPT)) {
    try {
      const text = store.getItem(`impasto.${key}`);
      if (text) values[key] = JSON.parse(text);
    } catch {
      // storage is off, or holds another version's: begin anew
    }
    on(key, (value) => keep(store, key, value));
  }
}

function keep(store, key, value) {
  try {
    store.setItem(`impasto.${key}`, JSON.stringify(value));
  } catch {
    // storage is off or full: it lasts as long as the page
  }
}

/* Other tabs of this browser are told about what the session holds. */
const channel = "BroadcastChannel" in window ? new BroadcastChannel("impasto") : null;
export const tellTabs = (what) => channel?.postMessage(what);
export const hearTabs = (listener) => channel?.addEventListener("message", (event) => listener(event.data));
