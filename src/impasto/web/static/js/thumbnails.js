/** The gallery's thumbnails: the photo that is shown in all styles, one after another as they are ready. */

import { send, eventsOf, wait } from "./api.js";
import { get, set } from "./state.js";

const SIDE = 256;
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
      const response = await send("api/gallery", { method: "POST", json: { photo, side: SIDE }, signal: mine.signal });
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
